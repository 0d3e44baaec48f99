"""Which emoji are the demo's classes: distinct in name and in looks, split into seen and unseen by seed."""

import re
from dataclasses import dataclass

import numpy as np
from PIL import Image

from xclr_lightning.data.demo.artwork import Emoji, all_emoji, load_sprite
from xclr_lightning.data.demo.recipe import CATEGORIES, Recipe

_THUMBNAIL = 16
_PEOPLE = {"man", "men", "woman", "women", "person"}


@dataclass(frozen=True)
class Concept:
    """One class of the demo: an emoji with its square RGBA picture and a stable number over all splits."""

    index: int
    name: str
    category: int  # position in CATEGORIES
    sprite: Image.Image


@dataclass(frozen=True)
class Concepts:
    """The demo's classes, in the order of ``CATEGORIES`` within each split; no concept is in two splits."""

    seen: list[Concept]
    unseen_val: list[Concept]
    unseen_test: list[Concept]


def _subject(emoji: Emoji) -> tuple[str, str]:
    """What is shown, whoever does it and whichever way they face: woman mage and man mage are one subject."""
    words = [word for word in re.findall(r"\w+", emoji.name) if word not in _PEOPLE]
    return emoji.category, " ".join(words).removesuffix("facing right").strip()


def thumbnail(sprite: Image.Image) -> np.ndarray:
    """(1536,) float32: the sprite on black and on white, so that a dark shape and no shape differ."""
    tiles = []
    for grey in (0, 255):
        canvas = Image.new("RGBA", sprite.size, (grey, grey, grey, 255))
        canvas.alpha_composite(sprite)
        tiles.append(np.asarray(canvas.convert("RGB").resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)))
    return np.stack(tiles).astype(np.float32).ravel()


def distinct_subjects(emoji: list[Emoji]) -> list[Emoji]:
    """The first emoji of every name and of every subject, in the order given."""
    names, subjects, kept = set(), set(), []
    for one in emoji:
        if one.name not in names and _subject(one) not in subjects:
            kept.append(one)
        names.add(one.name)
        subjects.add(_subject(one))
    return kept


def distinct_pictures(emoji: list[Emoji], threshold: float) -> list[Emoji]:
    """Emoji whose thumbnail differs from every earlier kept one by ``threshold`` grey levels in the mean or more."""
    fine = np.stack([thumbnail(load_sprite(one.picture)) for one in emoji])
    # Means of 4 × 4 blocks differ no more than what they are means of: a cheap bound that settles most pairs.
    blocks = fine.reshape(len(fine), 2, 4, _THUMBNAIL // 4, 4, _THUMBNAIL // 4, 3)
    coarse = blocks.mean((3, 5)).reshape(len(fine), -1)
    kept: list[int] = []
    for number in range(len(emoji)):
        bound = np.abs(coarse[kept] - coarse[number]).mean(1)
        close = np.array(kept, dtype=int)[bound < threshold]
        if (np.abs(fine[close] - fine[number]).mean(1) >= threshold).all():
            kept.append(number)
    return [emoji[number] for number in kept]


def choose_concepts(recipe: Recipe, seed: int) -> Concepts:
    """Draw the recipe's number of seen and unseen concepts from every category.

    Args:
        recipe: Gives the counts per category and the threshold for near-duplicates.
        seed: The same seed draws the same concepts.
    """
    candidates = distinct_pictures(distinct_subjects(all_emoji()), recipe.near_duplicate)
    splits = Concepts([], [], [])
    sizes = (recipe.seen_concepts, recipe.unseen_concepts, recipe.unseen_concepts)
    index = 0
    for category, title in enumerate(CATEGORIES):
        own = [emoji for emoji in candidates if emoji.category == title]
        order = iter(np.random.default_rng([seed, 1, category]).permutation(len(own)))
        for split, size in zip((splits.seen, splits.unseen_val, splits.unseen_test), sizes, strict=True):
            for _ in range(size):
                emoji = own[next(order)]
                sprite = load_sprite(emoji.picture).resize((recipe.sprite, recipe.sprite), Image.Resampling.LANCZOS)
                split.append(Concept(index, emoji.name, category, sprite))
                index += 1
    return splits
