"""Random similarities, by class or by sample: the controls that show what a graph's meaning is worth."""

import hashlib
from typing import Any, Literal

import torch
from torch import Tensor

from xclr_lightning.graphs.base import Captioned
from xclr_lightning.graphs.class_graph import classes_of
from xclr_lightning.graphs.formula import FormulaGraph


class RandomGraph(FormulaGraph):
    """Similarities drawn evenly from [0, 1), and 1 of a class, or of a sample, to itself.

    They are a hash of the pair, so no table is held however many samples there are, and every process, device and run
    sees the same ones. That they are even in [0, 1) is this package's choice.

    Args:
        per: Whether a value is drawn for two classes or for two samples.
        field: Metadata field with a sample's class; ``class`` is the name of a picture's subfolder.
        seed: Another one, other similarities.
    """

    def __init__(self, per: Literal["class", "sample"] = "class", field: str = "class", seed: int = 0) -> None:
        self.per, self.field, self.seed = per, field, seed

    def numbers(self, data: Captioned) -> Tensor:
        if self.per == "sample":
            return torch.arange(len(data))
        names, classes = classes_of(data, self.field)
        return torch.tensor([hash_int64(name) for name in names], dtype=torch.int64)[torch.from_numpy(classes)]

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        return random_similarity(a, b, self.seed)

    def settings(self) -> dict[str, Any]:
        return {"per": self.per, "field": self.field if self.per == "class" else None, "seed": self.seed}


def random_similarity(a: Tensor, b: Tensor, seed: int) -> Tensor:
    """A number in [0, 1) for each pair, the same in either order, and 1 for a pair of equals.

    Args:
        a: Shape: ``(n,)``, int64.
        b: Shape: ``(m,)``, int64.
        seed: Which numbers.

    Returns:
        Shape: ``(n, m)``, float32.

    Example:
        >>> values = random_similarity(torch.arange(3), torch.arange(3), seed=0)
        >>> torch.equal(values, values.T), values.diagonal().tolist()
        (True, [1.0, 1.0, 1.0])
    """
    start = hash_int64(str(seed))
    (low_a, high_a), (low_b, high_b) = (_mix(x ^ start).view(torch.int32).view(-1, 2).unbind(1) for x in (a, b))
    # Each sample's 64 bits are well mixed, so that a pair needs little: this is looked up in every step.
    bits = (low_a[:, None] + low_b).addcmul_(high_a[:, None], high_b)
    bits ^= bits >> 15
    bits *= -0x7A143595  # 0x85EBCA6B, of MurmurHash3
    bits >>= 8  # to 24, which float32 holds exactly on every device
    return bits.float().mul_(2**-24).add_(0.5).masked_fill_(a[:, None] == b, 1.0)


def hash_int64(text: str) -> int:
    """A number for a text, the same in every process, unlike Python's ``hash``."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)


def _mix(x: Tensor) -> Tensor:
    """Spread every bit over all 64 (SplitMix64's finaliser, Steele et al. 2014); int64 arithmetic wraps around."""
    x = x - 0x61C8864680B583EB  # the golden ratio's 0x9E37… as int64
    x = (x ^ _shift(x, 30)) * -0x40A7B892E31B1A47  # 0xBF58476D1CE4E5B9
    x = (x ^ _shift(x, 27)) * -0x6B2FB644ECCEEE15  # 0x94D049BB133111EB
    return x ^ _shift(x, 31)


def _shift(x: Tensor, bits: int) -> Tensor:
    """Shift to the right, filling with zeros: int64's own shift fills with the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
