"""Every number the demo's pictures depend on, in one frozen place whose hash names the cache folder."""

from dataclasses import dataclass

CATEGORIES = (
    "Activities",
    "Animals & Nature",
    "Food & Drink",
    "Objects",
    "People & Body",
    "Smileys & Emotion",
    "Symbols",
    "Travel & Places",
)


@dataclass(frozen=True)
class Recipe:
    """How many pictures of what, and how they are drawn. Counts are per category or per concept, sizes in pixels."""

    revision: int = 2  # raise when code that draws or writes changes its output, so that old caches are left alone

    seen_concepts: int = 40  # per category
    unseen_concepts: int = 10  # per category, once for validation and once for test
    train_backgrounds: int = 30  # per category
    held_out_backgrounds: int = 5  # per category, once for validation and once for test

    train_scenes: int = 16  # per concept, in `train` and in the banks
    query_scenes: int = 4  # per concept, in `val`, `test` and the unseen queries
    challenge_scenes: int = 4  # per seen concept and variant of `bg_challenge`
    state_nouns: int = 5  # per category
    state_images: int = 5  # per adjective and noun
    plain_images: int = 2  # per noun in the `adj <noun>` folders

    frame: int = 48
    background: int = 96
    sprite: int = 52  # a little above the largest emoji in a scene: turning more pixels only takes longer
    own_background: float = 0.8  # a guess at how often a photograph's surroundings tell what it shows
    min_size: float = 0.5  # longest side of the emoji over the frame
    max_size: float = 0.85
    max_tilt: float = 10.0  # degrees

    near_duplicate: float = 16.0  # grey levels of 255; chosen by looking at pairs on either side of it
    shard_size: int = 1000
    jpeg_quality: int = 95
