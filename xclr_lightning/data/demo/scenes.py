"""One scene: an emoji, resized and slightly turned, somewhere on a random crop of a background."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageOps

from xclr_lightning.data.demo.recipe import Recipe


def place(
    rng: np.random.Generator, sprite: Image.Image, size: tuple[float, float], angle: tuple[float, float], frame: int
) -> Image.Image:
    """Put a sprite at a random place fully inside an empty frame.

    Args:
        rng: Source of size, place and angle.
        sprite: Square RGBA picture.
        size: Least and greatest length of the longer side, over the frame.
        angle: Least and greatest turn in degrees, counter-clockwise.
        frame: Side of the result in pixels.

    Returns:
        RGBA layer of ``frame`` × ``frame``, transparent around the emoji.
    """
    # Pillow resizes and turns RGBA with premultiplied colours, so no dark fringe appears.
    # Bilinear is enough for the turn: the picture shrinks afterwards.
    turned = sprite.rotate(rng.uniform(*angle), Image.Resampling.BILINEAR, expand=True)
    tight = turned.crop(turned.getchannel("A").getbbox())
    scale = rng.uniform(*size) * frame / max(tight.size)
    width, height = (max(1, round(scale * side)) for side in tight.size)
    layer = Image.new("RGBA", (frame, frame))
    corner = (int(rng.integers(frame - width + 1)), int(rng.integers(frame - height + 1)))
    layer.paste(tight.resize((width, height), Image.Resampling.LANCZOS), corner)
    return layer


def crop(rng: np.random.Generator, background: Image.Image, frame: int) -> Image.Image:
    """A random square of ``background``, at least ``frame`` wide, resized to the frame and flipped half of the time."""
    side = int(rng.integers(frame, background.width + 1))
    left, top = (int(corner) for corner in rng.integers(background.width - side + 1, size=2))
    box = (left, top, left + side, top + side)
    cut = background.resize((frame, frame), Image.Resampling.BILINEAR, box=box)
    return ImageOps.mirror(cut) if rng.random() < 0.5 else cut


def paste(layer: Image.Image, ground: Image.Image) -> Image.Image:
    """RGB picture of an RGBA layer over an RGB ground of the same size."""
    scene = ground.copy()
    scene.paste(layer, mask=layer)
    return scene


def pick_category(rng: np.random.Generator, own: int, count: int, own_background: float) -> int:
    """Category of the background: ``own`` with probability ``own_background``, else uniformly one of the others."""
    if rng.random() < own_background:
        return own
    return (own + int(rng.integers(1, count))) % count


def draw_ground(
    rng: np.random.Generator, own: int, backgrounds: list[list[Image.Image]], recipe: Recipe
) -> tuple[Image.Image, int]:
    """RGB crop for a scene of category ``own``, and the category it was taken from."""
    category = pick_category(rng, own, len(backgrounds), recipe.own_background)
    choice = backgrounds[category][rng.integers(len(backgrounds[category]))]
    return crop(rng, choice, recipe.frame), category


def draw_layer(rng: np.random.Generator, sprite: Image.Image, recipe: Recipe) -> Image.Image:
    """RGBA layer with the emoji at the recipe's sizes and angles."""
    return place(rng, sprite, (recipe.min_size, recipe.max_size), (-recipe.max_tilt, recipe.max_tilt), recipe.frame)


def encode(scene: Image.Image, recipe: Recipe) -> bytes:
    """JPEG without chroma subsampling, which would smear the colours of pictures this small."""
    buffer = BytesIO()
    scene.save(buffer, "JPEG", quality=recipe.jpeg_quality, subsampling=0)
    return buffer.getvalue()
