"""ObjectNet's classes as ImageNet's, by the mapping that comes with its pictures."""

import json
from pathlib import Path
from typing import Any

from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.imagenet import imagenet_classes

RELEASE = "https://objectnet.dev/download.html"


def read_mapping(folder: Path) -> dict[str, list[str]]:
    """Which of ImageNet's classes are right for the pictures of each of ObjectNet's folders.

    Args:
        folder: The release's folder ``mappings``.

    Returns:
        Folder → wnids; of the 313 folders 113 have any.

    Raises:
        UserError: A file is missing or is not as released.

    Reference:
        Barbu et al., ObjectNet: A Large-Scale Bias-Controlled Dataset for Pushing the Limits of Object Recognition
        Models, NeurIPS 2019.
    """
    labels = _read_json(folder / "folder_to_objectnet_label.json")
    names_of = _read_json(folder / "objectnet_to_imagenet_1k.json")
    # Lines of the list of names are numbered from 0, in the order of ImageNet's 2012 challenge.
    lines = _read(folder / "imagenet_to_label_2012_v2").splitlines()
    wnids = imagenet_classes()
    try:
        wnid_of = {
            lines[line].strip(): wnids[int(number)]
            for number, line in _read_json(folder / "pytorch_to_imagenet_2012_id.json").items()
        }
        return {
            place: [wnid_of[name.strip()] for name in names_of[label].split(";")]
            for place, label in labels.items()
            if label in names_of
        }
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"the files in {folder} do not fit together, at {error}: expected those of ObjectNet 1.0 ({RELEASE})"
        ) from error


def _read_json(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(_read(file)))
    except (ValueError, TypeError) as error:
        raise UserError(f"{file} is not as released: {error}; get it again at {RELEASE}") from error


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}; ObjectNet's release has it ({RELEASE})") from error
