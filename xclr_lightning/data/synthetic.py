"""Drawn flowers with a grade of shape and a grade of colour, for which similarities are known exactly."""

import colorsys
import csv
import hashlib
import math
from pathlib import Path

import numpy as np
from PIL import Image

from xclr_lightning.cache import atomic_folder, cache_dir
from xclr_lightning.errors import UserError

GRADES = 8
# A third field: grades of colour in an order that says nothing of the true one. Over the pairs of grades, distances
# here and distances of colour have a linear correlation of 0 and a rank correlation of 0.001.
SHUFFLED = (0, 3, 7, 6, 4, 2, 5, 1)
SIDE = 40
# Part → pictures of each of the 64 combinations of shape and colour.
PARTS = {"train": 48, "val": 8}
COLUMNS = ("file_name", "caption", "shape", "colour", "shuffled")


def synthetic_path(part: str, seed: int = 0) -> Path:
    """Folder of one part, with its ``metadata.csv``; the first call draws all parts into the cache.

    Fields are ``shape`` and ``colour``, 0 … 7 and independent of one another, and ``shuffled``, which is ``colour``
    by other numbers. Grades i and j are similar by 1 − |i − j| / 7: by ``MetadataGraph`` of whichever field one names.

    Args:
        part: ``train`` (3,072 pictures) or ``val`` (512).
        seed: Draws places, sizes, turns, backgrounds and noise; every seed has its own folder.

    Raises:
        UserError: No such part, or the cache cannot be written.
    """
    if part not in PARTS:
        raise UserError(f"the synthetic set has no part {part!r}; expected one of {', '.join(PARTS)}")
    recipe = Path(__file__).read_bytes() + str(seed).encode()
    target = cache_dir() / f"synthetic-{hashlib.sha256(recipe).hexdigest()[:12]}"
    if not target.is_dir():
        with atomic_folder(target) as draft:
            for number, name in enumerate(PARTS):
                _write(draft / name, PARTS[name], np.random.default_rng([seed, number]))
    return target / part


def draw(rng: np.random.Generator, shape: int, colour: int) -> Image.Image:
    """A flower at a random place, size, turn and brightness on a random ground, with noise.

    Args:
        rng: Source of all that is random.
        shape: Grade of the outline, 0 … 7: from a disc to five long petals.
        colour: Grade of the hue, 0 … 7: from red over green to violet.

    Returns:
        RGB, 40 × 40.

    Example:
        >>> draw(np.random.default_rng(0), shape=7, colour=2).size
        (40, 40)
    """
    radius = rng.uniform(0.3, 0.45) * SIDE
    centre = rng.uniform(radius, SIDE - radius, size=2)
    mask = _coverage(centre, radius, 0.55 * shape / (GRADES - 1), rng.uniform(0, 2 * math.pi))
    hue = 0.78 * colour / (GRADES - 1)  # short of a full circle, on which the ends would meet
    paint = np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.7, 1), rng.uniform(0.7, 1)))
    corners = rng.uniform(0, 0.6, size=(2, 2, 1)) + rng.uniform(-0.1, 0.1, size=(2, 2, 3))
    ground = _interpolated(corners)
    pixels = ground + mask[..., None] * (paint - ground) + rng.normal(0, 0.04, size=ground.shape)
    return Image.fromarray(np.rint(255 * pixels.clip(0, 1)).astype(np.uint8))


def _coverage(centre: np.ndarray, radius: float, depth: float, turn: float) -> np.ndarray:
    """Share of each pixel inside the outline r = radius · (1 + depth · cos 5θ) / (1 + depth). Shape: (SIDE, SIDE)."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5 - centre[:, None, None]
    outline = radius * (1 + depth * np.cos(5 * (np.arctan2(y, x) - turn))) / (1 + depth)
    inside: np.ndarray = (outline - np.hypot(x, y) + 0.5).clip(0, 1)
    return inside


def _interpolated(corners: np.ndarray) -> np.ndarray:
    """Bilinear between four corners, (2, 2, 3) → (SIDE, SIDE, 3)."""
    share = np.linspace(0, 1, SIDE)
    weights = np.stack([1 - share, share])
    mixed: np.ndarray = np.einsum("ah,bw,abc->hwc", weights, weights, corners)
    return mixed


def _write(folder: Path, copies: int, rng: np.random.Generator) -> None:
    """Every combination of grades as often, in random order, and the table of them."""
    folder.mkdir()
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for number, drawn in enumerate(rng.permutation(copies * GRADES**2)):
            shape, colour = divmod(int(drawn) % GRADES**2, GRADES)
            name = f"{number:05d}.png"
            draw(rng, shape, colour).save(folder / name)
            table.writerow([name, f"a flower of shape {shape} and colour {colour}", shape, colour, SHUFFLED[colour]])
