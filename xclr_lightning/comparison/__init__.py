"""Training many settings over many seeds, and saying what came of it."""
