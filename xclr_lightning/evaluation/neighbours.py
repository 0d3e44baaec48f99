"""Exact nearest neighbours by cosine, in memory that does not grow with queries × bank."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from xclr_lightning.evaluation.candidates import CHUNK, Bank, candidates
from xclr_lightning.evaluation.fixed_point import SCALE, cosine, pack, unit, unpack

# Neighbours kept beyond k, for those that float32 cannot tell from the k-th.
SPARE = 16
# Components of vectors that are scored exactly at once: 24 MB of them.
SCORED = 2**21


def nearest(
    bank: Tensor, queries: Tensor, k: int, *, query_block: int = 1024, key_block: int = 4096
) -> tuple[Tensor, Tensor]:
    """Each query's k most similar rows of a bank, best first; of equal ones the lower number first.

    The result is a function of the two vectors and nothing else: no block size, number of threads, part of the bank
    (:func:`merge_nearest`) or matrix multiplication in lower precision changes a bit of it. Candidates are found with
    float32 products, scored exactly, and a query whose candidates float32 cannot settle is compared with all of the
    bank exactly.

    Args:
        bank: Normalised here: in one copy, or part by part if it is not float32. A row that is 0 or not finite is
            similar to everything by 0. Shape: ``(B, d)``, floating point, B < 2³².
        queries: Likewise. Shape: ``(Q, d)``, same device.
        k: At least 1; above B it stands for B.
        query_block: Queries compared at once.
        key_block: Rows of the bank that they are compared with at once; memory is that of ``query_block × key_block``
            similarities, ``16 × key_block`` rows in float32, the result, and the copy if there is one.

    Returns:
        Cosines, to within 10⁻⁶, float32; and row numbers, int64. Shapes: ``(Q, min(k, B))``.

    Raises:
        ValueError: Shapes do not match, or k is below 1.

    Example:
        >>> bank = torch.tensor([[0.0, 2.0], [3.0, 4.0], [0.0, 1.0]])
        >>> similarity, index = nearest(bank, torch.tensor([[0.0, 1.0]]), k=3)
        >>> [round(s, 4) for s in similarity[0].tolist()], index.tolist()
        ([1.0, 1.0, 0.8], [[0, 2, 1]])
    """
    if bank.ndim != 2 or queries.ndim != 2 or bank.shape[1] != queries.shape[1] or k < 1:
        raise ValueError(
            "a bank (B, d), queries (Q, d) and k of at least 1 expected, "
            f"got {tuple(bank.shape)}, {tuple(queries.shape)}, {k}"
        )
    k = min(k, len(bank))
    with torch.no_grad(), _full_precision(queries.device):
        asked, known = unit(queries), Bank(bank, CHUNK * key_block)
        values, index = candidates(known, asked, min(k + SPARE, len(bank)), query_block, key_block)
        if k == 0:
            return values, index
        # What float32 may err by, in the k-th and in one left out, with room for rounding the exact ones.
        error = 2 * (bank.shape[1] + 2) * 2.0**-24 * SCALE**2
        last, kth = values.amin(1), values.topk(k, sorted=False).values.amin(1)
        unsure = (last >= kth - error).nonzero()[:, 0] if values.shape[1] < len(bank) else index.new_zeros(0)
        keys = _score(known, asked, index).topk(k).values
        for rows in unsure.split(query_block) if len(unsure) else ():
            keys[rows] = _exhaustive(known, asked[rows], k, key_block)
        return unpack(keys)


def merge_nearest(parts: Sequence[tuple[Tensor, Tensor]], k: int) -> tuple[Tensor, Tensor]:
    """The k best of what :func:`nearest` found in disjoint parts of a bank: what it would find in all of it.

    Args:
        parts: Similarities, float32, and numbers in the whole bank, int64. Shapes: ``(Q, k_i)``.
        k: As it was for the parts.

    Returns:
        As :func:`nearest`; as many columns as there are, at most k.

    Example:
        >>> one, other = torch.tensor([[0.9, 0.5]]), torch.tensor([[0.9]])
        >>> merge_nearest([(one, torch.tensor([[3, 5]])), (other, torch.tensor([[2]]))], k=2)[1]
        tensor([[2, 3]])
    """
    keys = torch.cat([pack(similarity, index) for similarity, index in parts], dim=1)
    return unpack(keys.topk(min(k, keys.shape[1])).values)


def _score(bank: Bank, queries: Tensor, index: Tensor) -> Tensor:
    """Exact similarities of queries and the rows numbered in ``index``, packed. Shape: that of ``index``, int64."""
    exact = torch.empty_like(index, dtype=torch.float32)
    block = max(1, SCORED // (index.shape[1] * queries.shape[1] + 1))
    # One piece of memory for all blocks: fresh pieces would cost more than the arithmetic.
    room = queries.new_empty(block * index.shape[1], queries.shape[1], dtype=torch.float64)
    for rows in range(0, len(index), block):
        numbers = index[rows : rows + block]
        found = room[: numbers.numel()].copy_(bank[numbers.flatten()]).unflatten(0, numbers.shape)
        exact[rows : rows + block] = cosine(found @ queries[rows : rows + block].double()[:, :, None])[:, :, 0]
    return pack(exact, index)


def _exhaustive(bank: Bank, queries: Tensor, k: int, key_block: int) -> Tensor:
    """Packed neighbours by exact similarities with all of the bank. Shape: ``(q, k)``, int64."""
    best = torch.zeros(len(queries), 0, dtype=torch.int64, device=queries.device)
    for numbers in torch.arange(len(bank.rows), device=queries.device).split(key_block):
        exact = cosine(queries.double() @ bank[numbers].double().T)
        keys = torch.cat([best, pack(exact, numbers.expand(exact.shape))], dim=1)
        best = keys.topk(min(k, keys.shape[1])).values
    return best


@contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    """Products in float32 proper, whatever autocast and the user's matmul precision are."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
