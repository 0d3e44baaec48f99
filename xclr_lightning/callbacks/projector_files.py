"""What TensorBoard's projector reads: vectors, what is said of them, and their thumbnails in one picture."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector import ProjectorConfig
from torch import Tensor

# Where the projector looks for its list.
LIST = "projector_config.pbtxt"


def write_projection(
    folder: Path, name: str, vectors: Tensor, columns: Mapping[str, Sequence[str]], thumbnails: Tensor
) -> None:
    """Add vectors to the projector's list, or replace those of the same name.

    Args:
        folder: TensorBoard's, where its events are.
        name: By which they are listed, such as ``features-00280``.
        vectors: Shape: ``(n, d)``.
        columns: Head → what is said of each vector, on one line; two columns or more, or the page takes no heads.
        thumbnails: Shape: ``(n, 3, side, side)``, uint8.
    """
    place = folder / "projector" / name
    place.mkdir(parents=True, exist_ok=True)
    np.savetxt(place / "vectors.tsv", vectors.numpy(), fmt="%.4g", delimiter="\t")
    rows = ["\t".join(row) for row in zip(*columns.values(), strict=True)]
    (place / "metadata.tsv").write_text("\n".join(["\t".join(columns), *rows]) + "\n", encoding="utf-8")
    # A tenth of a PNG's size; blocks of a JPEG are 8 × 8 or 16 × 16, so that none is of two thumbnails.
    Image.fromarray(sprite(thumbnails)).save(place / "thumbnails.jpg", quality=90)
    _list(folder, name, place.relative_to(folder).as_posix(), thumbnails.shape[-1])


def sprite(thumbnails: Tensor) -> np.ndarray:
    """Thumbnails row by row in as many rows as columns, black where they end.

    Args:
        thumbnails: Shape: ``(n, 3, side, side)``, uint8.

    Returns:
        Shape: ``(⌈√n⌉ · side, ⌈√n⌉ · side, 3)``, uint8.
    """
    count, side = math.ceil(math.sqrt(len(thumbnails))), thumbnails.shape[-1]
    cells = thumbnails.new_zeros(count * count, 3, side, side)
    cells[: len(thumbnails)] = thumbnails
    return np.asarray(cells.unflatten(0, (count, count)).permute(0, 3, 1, 4, 2).reshape(count * side, count * side, 3))


def _list(folder: Path, name: str, place: str, side: int) -> None:
    file, config = folder / LIST, ProjectorConfig()
    if file.exists():
        text_format.Parse(file.read_text(), config)
    kept = [known for known in config.embeddings if known.tensor_name != name]
    del config.embeddings[:]
    config.embeddings.extend(kept)
    entry = config.embeddings.add(tensor_name=name, tensor_path=f"{place}/vectors.tsv")
    entry.metadata_path = f"{place}/metadata.tsv"
    entry.sprite.image_path = f"{place}/thumbnails.jpg"
    entry.sprite.single_image_dim.extend([side, side])
    draft = file.with_suffix(".draft")
    draft.write_text(text_format.MessageToString(config))
    os.replace(draft, file)  # whole or not at all: what a killed run leaves is read by the one that goes on
