"""Features of pictures as files: encoded a block at a time, gone on with where they were stopped."""
