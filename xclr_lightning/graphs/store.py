"""A graph on disk: ``graph.json`` beside one ``.npy`` a part of the data, rows of key and vector. Never a pickle."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xclr_lightning import __version__
from xclr_lightning.cache import atomic_folder
from xclr_lightning.errors import UserError
from xclr_lightning.graphs.base import Captioned

MANIFEST = "graph.json"


def fingerprint(data: Captioned, captions: Sequence[str]) -> str:
    """SHA-256 over the data's parts, keys and captions, in order."""
    digest = hashlib.sha256()
    keys = data.keys()
    for name, rows in data.parts().items():
        digest.update(f"part {name}\0".encode())
        for key, caption in zip(keys[rows], captions[rows], strict=True):
            digest.update(key + b"\0" + caption.encode() + b"\0")
    return digest.hexdigest()


def save_embeddings(folder: Path, data: Captioned, embeddings: np.ndarray, facts: dict[str, Any]) -> None:
    """Store one vector a sample, whole or not at all.

    Args:
        folder: Where the graph goes; left alone if it exists.
        data: The samples that the rows belong to.
        embeddings: Unit vectors. Shape: ``(len(data), d)``.
        facts: What ``graph.json`` says of the graph beyond its form, dtype, count and dimension.
    """
    keys = data.keys()
    row = np.dtype([("key", keys.dtype), ("embedding", np.float16, embeddings.shape[1:])])
    with atomic_folder(folder) as draft:
        for name, rows in data.parts().items():
            table = np.empty(len(keys[rows]), dtype=row)
            table["key"], table["embedding"] = keys[rows], embeddings[rows]
            np.save(draft / f"{name}.npy", table, allow_pickle=False)
        manifest = {
            "form": "embedding",
            **facts,
            "dtype": "float16",
            "count": len(keys),
            "dimension": embeddings.shape[1],
            "package_version": __version__,
        }
        (draft / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def load_embeddings(folder: Path, data: Captioned, facts: dict[str, Any]) -> list[np.ndarray]:
    """Join stored vectors to the samples by key.

    Args:
        folder: The graph.
        data: The samples.
        facts: What ``graph.json`` must say.

    Returns:
        Memory-mapped vectors, an array for each part of the data. Shapes: ``(n_i, d)``, float16.

    Raises:
        UserError: The graph is missing, damaged, or belongs to other data or settings.
    """
    manifest = read_manifest(folder)
    for name, expected in {"count": len(data), **facts}.items():
        if manifest.get(name) != expected:
            raise UserError(
                f"the graph in {folder} does not belong to the data in {data.path}: its {name} is "
                f"{manifest.get(name)!r}, expected {expected!r}; delete the graph to compute it again"
            )
    return [_load_part(folder / f"{name}.npy", data.keys()[rows]) for name, rows in data.parts().items()]


def _load_part(file: Path, keys: np.ndarray) -> np.ndarray:
    try:
        table = np.load(file, mmap_mode="r", allow_pickle=False)
        stored, embeddings = table["key"], table["embedding"]
    except (OSError, EOFError, ValueError, IndexError) as error:
        raise UserError(f"{file} is missing or damaged ({error}): delete {file.parent} to compute it again") from error
    if not np.array_equal(stored, keys):
        raise UserError(f"the {len(stored)} keys in {file} are not the data's {len(keys)}: delete {file.parent}")
    return embeddings


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read ``graph.json``.

    Raises:
        UserError: It is missing or no JSON.
    """
    try:
        return json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"no graph in {folder}: {MANIFEST} is missing or damaged ({error})") from error
