"""Emoji in ten states in the layout of MIT-States: one folder ``<adjective> <noun>`` per pair.

Reference: Isola et al., "Discovering States and Transformations in Image Collections", CVPR 2015.
"""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from xclr_lightning.data.demo.concepts import Concept, thumbnail
from xclr_lightning.data.demo.recipe import CATEGORIES, Recipe
from xclr_lightning.data.demo.scenes import draw_ground, draw_layer, encode, paste, place

Draw = Callable[[np.random.Generator, Image.Image, Image.Image, Recipe], Image.Image]

# Named as in the release: its pictures of a noun without a state lie in "adj <noun>".
PLAIN = "adj"


def _altered(alter: Callable[[Image.Image], Image.Image]) -> Draw:
    """A state of the whole scene: drawn as usual, then altered."""
    return lambda rng, sprite, ground, recipe: alter(paste(draw_layer(rng, sprite, recipe), ground))


def _placed(size: tuple[float, float], *angles: tuple[float, float]) -> Draw:
    """A state of how the emoji lies: unusual sizes over the frame, or turns in degrees from one of some ranges."""

    def draw(rng: np.random.Generator, sprite: Image.Image, ground: Image.Image, recipe: Recipe) -> Image.Image:
        angle = angles[rng.integers(len(angles))]
        return paste(place(rng, sprite, size, angle, recipe.frame), ground)

    return draw


def _repeated(rng: np.random.Generator, sprite: Image.Image, ground: Image.Image, recipe: Recipe) -> Image.Image:
    """Four emoji, one in each quarter."""
    half = recipe.frame // 2
    scene = ground.copy()
    for corner in ((0, 0), (half, 0), (0, half), (half, half)):
        layer = place(rng, sprite, (0.8, 1.0), (-recipe.max_tilt, recipe.max_tilt), half)
        scene.paste(layer, corner, layer)
    return scene


def _pixelated(scene: Image.Image) -> Image.Image:
    small = scene.resize((scene.width // 4, scene.height // 4), Image.Resampling.BOX)
    return small.resize(scene.size, Image.Resampling.NEAREST)


def _faded(scene: Image.Image) -> Image.Image:
    return Image.blend(scene, Image.new("RGB", scene.size, (225, 225, 225)), 0.65)


def _framed(scene: Image.Image) -> Image.Image:
    """White mount and dark wooden frame around the scene, as large as the scene was."""
    margin = scene.width // 12
    inner = scene.resize((scene.width - 4 * margin, scene.height - 4 * margin), Image.Resampling.LANCZOS)
    return ImageOps.expand(ImageOps.expand(inner, margin, (250, 250, 245)), margin, (90, 55, 25))


ADJECTIVES: dict[str, Draw] = {
    "blurry": _altered(lambda scene: scene.filter(ImageFilter.GaussianBlur(2.2))),
    "dark": _altered(lambda scene: ImageEnhance.Brightness(scene).enhance(0.3)),
    "faded": _altered(_faded),
    "framed": _altered(_framed),
    "monochrome": _altered(lambda scene: scene.convert("L").convert("RGB")),
    "pixelated": _altered(_pixelated),
    "repeated": _repeated,
    "tilted": _placed((0.5, 0.85), (30, 60), (-60, -30)),
    "tiny": _placed((0.22, 0.32), (-10, 10)),
    "upside-down": _placed((0.5, 0.85), (170, 190)),
}


def _is_noun(concept: Concept, near_duplicate: float) -> bool:
    """Whether the name is safe in a path, and whether the emoji upside down would be seen to be so."""
    turned = thumbnail(concept.sprite.transpose(Image.Transpose.ROTATE_180))
    shows_turns = np.abs(turned - thumbnail(concept.sprite)).mean() >= near_duplicate
    return bool(re.fullmatch(r"[a-z0-9][a-z0-9 -]*", concept.name)) and bool(shows_turns)


def choose_nouns(concepts: list[Concept], recipe: Recipe) -> Iterator[Concept]:
    """The first ``recipe.state_nouns`` suitable concepts of every category."""
    for category in range(len(CATEGORIES)):
        own = (one for one in concepts if one.category == category and _is_noun(one, recipe.near_duplicate))
        yield from islice(own, recipe.state_nouns)


def write_mit_states(
    root: Path,
    concepts: list[Concept],
    backgrounds: list[list[Image.Image]],
    recipe: Recipe,
    seed: int,
    advance: Callable[[], object],
) -> None:
    """Write ``root/release_dataset/images/<adjective> <noun>/<number>.jpg`` for every pair.

    Args:
        root: Folder to make.
        concepts: Where the nouns are chosen from.
        backgrounds: Held-out textures per category.
        recipe: Gives counts and sizes.
        seed: The same seed draws the same pictures.
        advance: Called after every picture.
    """
    states: dict[str, tuple[Draw, int]] = {PLAIN: (_altered(lambda scene: scene), recipe.plain_images)}
    states |= {adjective: (draw, recipe.state_images) for adjective, draw in ADJECTIVES.items()}
    for concept in choose_nouns(concepts, recipe):
        rng = np.random.default_rng([seed, 6, concept.index])
        for adjective, (draw, count) in states.items():
            folder = root / "release_dataset" / "images" / f"{adjective} {concept.name}"
            folder.mkdir(parents=True)
            for number in range(count):
                ground, _ = draw_ground(rng, concept.category, backgrounds, recipe)
                (folder / f"{number}.jpg").write_bytes(encode(draw(rng, concept.sprite, ground, recipe), recipe))
                advance()
