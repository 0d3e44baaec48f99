"""The backgrounds challenge in ImageNet-9's layout: the same emoji in the same place, on eight kinds of ground.

Reference: Xiao et al., "Noise or Signal: The Role of Image Backgrounds in Object Recognition", 2020, section 2.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from xclr_lightning.data.demo.concepts import Concept
from xclr_lightning.data.demo.recipe import CATEGORIES, Recipe
from xclr_lightning.data.demo.scenes import crop, draw_layer, encode, paste

VARIANTS = (
    "original",
    "mixed_same",
    "mixed_rand",
    "mixed_next",
    "only_fg",
    "no_fg",
    "only_bg_b",
    "only_bg_t",
)


def category_folder(category: int) -> str:
    """Folder of a category, numbered as ImageNet-9 numbers its classes, such as ``01_animals & nature``."""
    return f"{category:02d}_{CATEGORIES[category].lower()}"


def tile_box(ground: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """Fill a box by repeating the largest strip of ground beside, above or below it."""
    left, top, right, bottom = box
    side, height = ground.width, ground.height
    strips = [(0, top, left, bottom), (right, top, side, bottom), (left, 0, right, top), (left, bottom, right, height)]
    strip = ground.crop(max(strips, key=lambda strip: (strip[2] - strip[0]) * (strip[3] - strip[1])))
    filled = ground.copy()
    for x in range(left, right, strip.width):
        for y in range(top, bottom, strip.height):
            inside = strip.crop((0, 0, min(strip.width, right - x), min(strip.height, bottom - y)))
            filled.paste(inside, (x, y))
    return filled


def draw_variants(
    rng: np.random.Generator, concept: Concept, backgrounds: list[list[Image.Image]], recipe: Recipe
) -> dict[str, Image.Image]:
    """One emoji in one place, as an RGB picture per variant.

    Args:
        rng: Source of the place and of every ground.
        concept: What to show.
        backgrounds: Held-out textures per category, two or more of each.
        recipe: Gives the frame and the sizes.
    """
    layer = draw_layer(rng, concept.sprite, recipe)
    own, count = concept.category, len(backgrounds)
    first, second = rng.choice(len(backgrounds[own]), size=2, replace=False)

    def any_of(category: int) -> Image.Image:
        return crop(rng, backgrounds[category][rng.integers(len(backgrounds[category]))], recipe.frame)

    ground = crop(rng, backgrounds[own][first], recipe.frame)
    black = Image.new("RGB", layer.size)
    box = layer.getchannel("A").getbbox()
    assert box is not None, "an emoji has opaque pixels"
    boxed = ground.copy()
    boxed.paste((0, 0, 0), box)
    silhouette = ground.copy()
    silhouette.paste(black, mask=layer.getchannel("A"))
    return {
        "original": paste(layer, ground),
        "mixed_same": paste(layer, crop(rng, backgrounds[own][second], recipe.frame)),
        "mixed_rand": paste(layer, any_of(int(rng.integers(count)))),
        "mixed_next": paste(layer, any_of((own + 1) % count)),
        "only_fg": paste(layer, black),
        "no_fg": silhouette,
        "only_bg_b": boxed,
        "only_bg_t": tile_box(ground, box),
    }


def write_bg_challenge(
    root: Path,
    concepts: list[Concept],
    backgrounds: list[list[Image.Image]],
    recipe: Recipe,
    seed: int,
    advance: Callable[[], object],
) -> None:
    """Write ``root/<variant>/val/<category>/<concept>_<number>.JPEG``, one name for one emoji in one place.

    Args:
        root: Folder to make.
        concepts: What to show, each ``recipe.challenge_scenes`` times.
        backgrounds: Held-out textures per category.
        recipe: Gives counts and sizes.
        seed: The same seed draws the same pictures.
        advance: Called after every picture.
    """
    for variant in VARIANTS:
        for category in range(len(CATEGORIES)):
            (root / variant / "val" / category_folder(category)).mkdir(parents=True)
    for concept in concepts:
        rng = np.random.default_rng([seed, 5, concept.index])
        for number in range(recipe.challenge_scenes):
            for variant, picture in draw_variants(rng, concept, backgrounds, recipe).items():
                folder = root / variant / "val" / category_folder(concept.category)
                (folder / f"{concept.index:03d}_{number}.JPEG").write_bytes(encode(picture, recipe))
                advance()
