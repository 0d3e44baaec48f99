"""A few captioned samples in two parts, and an encoder that costs nothing."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xclr_lightning.graphs import CaptionGraph

CAPTIONS = ["a dog runs on grass", "a puppy plays in a meadow", "quarterly tax report", "a dog runs on grass", "a cat"]


@dataclass
class Captions:
    """All that a graph asks of data; keys recur in different parts, as they may in shards."""

    text: list[str] = field(default_factory=lambda: list(CAPTIONS))
    names: list[bytes] = field(default_factory=lambda: [b"000", b"001", b"002", b"000", b"001"])
    first_part: int = 3
    path: Path = Path("some/data")

    def __len__(self) -> int:
        return len(self.text)

    def parts(self) -> dict[str, slice]:
        return {"00000": slice(0, self.first_part), "00001": slice(self.first_part, len(self))}

    def keys(self) -> np.ndarray:
        return np.array(self.names)

    def captions(self) -> list[str]:
        return self.text


class LetterCounts(CaptionGraph):
    """Encodes a sentence by its letters, and notes what it was asked."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.encoded: list[list[str]] = []

    def encode(self, sentences: list[str]) -> np.ndarray:
        self.encoded.append(sentences)
        counts = np.array([[s.count(chr(97 + i)) for i in range(26)] for s in sentences], dtype=np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)
