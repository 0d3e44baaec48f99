"""Small graphs on disk, made without an encoder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xclr_lightning.graphs.class_table import save_table
from xclr_lightning.graphs.inspection import Subject, subject_in_folder
from xclr_lightning.graphs.manifest import write_manifest
from xclr_lightning.graphs.store import FORM, UNIT_LENGTH
from xclr_lightning.graphs.unit_files import write_unit

CLASSES = ["cat", "dog", "car", "lorry"]
TABLE = np.array([[1, 0.8, 0.1, 0], [0.8, 1, 0.2, 0.1], [0.1, 0.2, 1, 0.9], [0, 0.1, 0.9, 1]])


def unit(count: int, dimension: int = 16, seed: int = 0) -> np.ndarray:
    """Random unit vectors. Shape: ``(count, dimension)``, float64."""
    vectors = np.random.default_rng(seed).normal(size=(count, dimension))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def embeddings(folder: Path, vectors: np.ndarray, thing_of: Sequence[int], captions: Sequence[str] = ()) -> Path:
    """Store vectors in two units, the second sample of a vector being in the later one."""
    captions = list(captions) or [f"caption {i}" for i in range(len(vectors))]
    thing_of, half = np.asarray(thing_of), len(vectors) // 2
    keys = np.array([f"{i:06}".encode() for i in range(len(thing_of))])
    first = thing_of < half
    order = np.argsort(~first, kind="stable")
    samples, keys = thing_of[order], keys[order]
    cut = int(first.sum())
    write_unit(folder, "00000", keys[:cut], samples[:cut], vectors[:half], captions[:half])
    write_unit(folder, "00001", keys[cut:], samples[cut:], vectors[half:], captions[half:])
    facts = {"source": "captions", "model": "none", "normalisation": UNIT_LENGTH, "dtype": "float16"}
    counts = {"count": len(thing_of), "distinct": len(vectors), "dimension": vectors.shape[1]}
    write_manifest(folder, {**FORM, **facts, **counts, "units": ["00000", "00001"]})
    return folder


def classes(folder: Path) -> Path:
    """Store a table of four classes."""
    save_table(folder, TABLE, CLASSES, {"source": "test"})
    return folder


def random_subject(folder: Path, things: int = 60, samples: int = 150, dimension: int = 16) -> Subject:
    """A stored graph of random vectors, some of which several samples have."""
    rng = np.random.default_rng(1)
    thing_of = np.concatenate([np.arange(things), rng.integers(things, size=samples - things)])
    return subject_in_folder(embeddings(folder / "random", unit(things, dimension), thing_of))
