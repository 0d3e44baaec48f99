"""Procedural textures. Each category has its own, so a background tells the category as far as it is known by sight.

Held-out textures are drawn alike but are new: what a network leans on them for does not carry over, as in photographs
from another place.
"""

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from xclr_lightning.data.demo.recipe import CATEGORIES, Recipe

Field = Callable[[np.random.Generator, np.ndarray, np.ndarray], np.ndarray]


def _noise(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Octaves of smooth noise, each half as large and half as strong as the one before."""
    size = len(x)
    total = np.zeros_like(x)
    cells = int(rng.integers(2, 5))
    for octave in range(4):
        grid = Image.fromarray(rng.random((cells + 1, cells + 1), dtype=np.float32))
        total += np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC)) / 2**octave
        cells *= 2
    scaled: np.ndarray = (total - total.min()) / np.ptp(total)
    return scaled


def _gradient(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A ramp along a random direction, or rings around a random centre."""
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        ramp = x * np.cos(angle) + y * np.sin(angle)
    else:
        ramp = np.hypot(x - rng.random(), y - rng.random())
    scaled: np.ndarray = (ramp - ramp.min()) / np.ptp(ramp)
    return scaled


def _stripes(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bands along a random direction, slightly wavy."""
    angle = rng.uniform(0, np.pi)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    wave = rng.uniform(0, 0.05) * np.sin(2 * np.pi * rng.uniform(1, 3) * across)
    waves: np.ndarray = 0.5 + 0.5 * np.clip(2 * np.sin(2 * np.pi * rng.uniform(3, 9) * (along + wave)), -1, 1)
    return waves


def _checks(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A chessboard, turned at random, with soft edges."""
    angle, per_side = rng.uniform(0, np.pi / 2), rng.uniform(3, 8)
    u = np.sin(np.pi * per_side * (x * np.cos(angle) + y * np.sin(angle)))
    v = np.sin(np.pi * per_side * (y * np.cos(angle) - x * np.sin(angle)))
    squares: np.ndarray = 0.5 + 0.5 * np.clip(6 * u * v, -1, 1)
    return squares


def _cells(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Voronoi cells of random points, each of one level."""
    points = rng.random((int(rng.integers(12, 40)), 2))
    distance = np.stack([(x - px) ** 2 + (y - py) ** 2 for px, py in points])
    shades: np.ndarray = rng.random(len(points))[distance.argmin(0)]
    return shades


_KINDS: tuple[Field, ...] = (_noise, _gradient, _stripes, _checks, _cells)


@dataclass(frozen=True)
class Backgrounds:
    """RGB textures per category, ``[category][number]``; no texture is in two lists."""

    train: list[list[Image.Image]]
    val: list[list[Image.Image]]
    test: list[list[Image.Image]]


def _colours(rng: np.random.Generator) -> np.ndarray:
    """(2, 3) RGB in 0 to 1: two colours close enough in brightness that the texture does not swamp the emoji."""
    hue, value = rng.random(), rng.uniform(0.45, 0.85)
    contrast = rng.uniform(0.08, 0.2) * rng.choice([-1, 1])
    pair = []
    for side in (-1, 1):
        # Below 0.6 of full saturation the emoji, nearly all of pure colours, stand out.
        saturation = rng.uniform(0.1, 0.6)
        pair.append(colorsys.hsv_to_rgb((hue + rng.normal(0, 0.06)) % 1, saturation, value + side * contrast))
    return np.array(pair).clip(0.3, 0.95)


def _texture(rng: np.random.Generator, size: int) -> Image.Image:
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    kind = _KINDS[rng.integers(len(_KINDS))]
    # Some noise over every kind: no photograph has a surface of one colour.
    level = 0.85 * kind(rng, x, y) + 0.15 * _noise(rng, x, y)
    low, high = _colours(rng)
    colour = low + level[..., None] * (high - low) + rng.normal(0, 0.01, (size, size, 1))
    return Image.fromarray((255 * colour.clip(0, 1)).round().astype(np.uint8))


def draw_backgrounds(recipe: Recipe, seed: int) -> Backgrounds:
    """Every category's textures, dealt to train, validation and test."""
    sizes = (recipe.train_backgrounds, recipe.held_out_backgrounds, recipe.held_out_backgrounds)
    drawn = Backgrounds([], [], [])
    for category in range(len(CATEGORIES)):
        rng = np.random.default_rng([seed, 3, category])
        for split, size in zip((drawn.train, drawn.val, drawn.test), sizes, strict=True):
            split.append([_texture(rng, recipe.background) for _ in range(size)])
    return drawn
