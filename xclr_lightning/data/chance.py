"""Randomness that is a function of a few numbers, so that a run that is interrupted goes on as if it had not been."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def seed_of(*numbers: int) -> int:
    """One seed of several numbers, unlike that of any others. Range: [0, 2⁶³).

    Example:
        >>> seed_of(0, 1) == seed_of(0, 1), seed_of(0, 1) == seed_of(1, 0)
        (True, False)
    """
    digest = hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


@contextmanager
def drawn_by(seed: int) -> Iterator[None]:
    """Let a seed decide what torch draws on the CPU; afterwards torch draws as if nothing had been.

    Example:
        >>> with drawn_by(5):
        ...     first = torch.rand(())
        >>> with drawn_by(5):
        ...     bool(torch.rand(()) == first)
        True
    """
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)  # torch.manual_seed looks for other devices, at a hundred times the cost
    try:
        yield
    finally:
        torch.set_rng_state(before)
