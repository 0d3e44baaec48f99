"""A few captioned samples in two parts, and an encoder that costs nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from xclr_lightning.graphs import CaptionGraph

CAPTIONS = ["a dog runs on grass", "a puppy plays in a meadow", "quarterly tax report", "a dog runs on grass", "a cat"]


@dataclass
class Captions:
    """All that a graph asks of data; keys recur in different parts, as they may in shards."""

    text: list[str] = field(default_factory=lambda: list(CAPTIONS))
    names: list[bytes] = field(default_factory=lambda: [b"000", b"001", b"002", b"000", b"001"])
    first_part: int = 3
    path: Path = Path("some/data")
    versions: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.text)

    def parts(self) -> dict[str, slice]:
        return {"00000": slice(0, self.first_part), "00001": slice(self.first_part, len(self))}

    def version(self, part: str) -> str | None:
        return self.versions.get(part)

    def keys(self) -> np.ndarray:
        return np.array(self.names)

    def captions(self, rows: slice = slice(None)) -> list[str]:
        return self.text[rows]


@dataclass
class ManyParts(Captions):
    """Parts of equal size; captions recur in a part and across parts, and one part has none of its own."""

    count: int = 8
    size: int = 40

    def __post_init__(self) -> None:
        rng = np.random.default_rng(0)
        text = [
            f"{'abcdefghij'[i % 10]}{'klmnopqrst'[i // 10 % 10]}" for i in rng.integers(0, 90, self.count * self.size)
        ]
        text[-self.size :] = text[: self.size]
        self.text = text
        self.names = [f"{i % self.size:03}".encode() for i in range(len(text))]

    def parts(self) -> dict[str, slice]:
        return {f"{i:05}": slice(i * self.size, (i + 1) * self.size) for i in range(self.count)}


class LetterCounts(CaptionGraph):
    """Encodes a sentence by its letters, and notes what it was asked."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.encoded: list[list[str]] = []

    def load_encoder(self) -> Callable[..., np.ndarray]:
        def encode(sentences: list[str], advance: Callable[[int], object] = lambda count: None) -> np.ndarray:
            self.encoded.append(sentences)
            advance(len(sentences))
            counts = letter_counts(sentences)
            return counts / np.linalg.norm(counts, axis=1, keepdims=True) if self.metric == "cosine" else counts

        return encode


def letter_counts(sentences: list[str]) -> np.ndarray:
    """How often each letter occurs. Shape: ``(n, 26)``, float32."""
    return np.array([[s.count(chr(97 + i)) for i in range(26)] for s in sentences], dtype=np.float32)


def similarities(graph: CaptionGraph, data: Captions) -> torch.Tensor:
    """Prepare and open a graph, and compare every sample with every other. Shape: ``(N, N)``."""
    graph.prepare(data)
    opened = graph.open(data)
    nodes = torch.stack([opened.nodes(i) for i in range(len(data))])
    return opened.similarity(nodes, nodes)


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
