"""Cosines that come out the same to the last bit in any block, order of summation and process."""

import torch
from torch import Tensor

# Unit vectors are held as integers, their components times this: sums of products, below 2⁵³, are exact in float64 in
# any order, and the integers in float32 are as exact as components were.
SCALE = 2.0**26


def cosines(queries: Tensor, rows: Tensor) -> Tensor:
    """Cosines as exact neighbours have them: of each pair the same in any block. Shape: ``(q, n)``, float32.

    Args:
        queries: Shape: ``(q, d)``, floating point.
        rows: Shape: ``(n, d)``.

    Example:
        >>> cosines(torch.tensor([[0.0, 2.0]]), torch.tensor([[3.0, 4.0], [1.0, 0.0]])).round(decimals=4)
        tensor([[0.8000, 0.0000]])
    """
    return cosine(unit(queries).double() @ unit(rows).double().T)


def unit(vectors: Tensor, scale: Tensor | None = None) -> Tensor:
    """Unit vectors times ``SCALE``, rounded to integers, float32; 0 where there is no direction.

    Args:
        vectors: Shape: ``(n, d)``, floating point.
        scale: Their :func:`scales`, if known.
    """
    scale = scales(vectors) if scale is None else scale
    # Half precision times float32 is float32; so no copy of it in float32 comes before the product.
    scaled = (vectors.float() if vectors.dtype == torch.float64 else vectors) * scale
    if not (known := scale > 0).all():
        scaled.masked_fill_(~known, 0)
    return scaled.round_()


def scales(vectors: Tensor) -> Tensor:
    """What vectors are multiplied by for the length ``SCALE``; 0 where there is no direction. Shape: ``(n, 1)``."""
    norm = torch.linalg.vector_norm(vectors.float(), dim=1, keepdim=True)
    scale: Tensor = (SCALE / norm).where((norm > 0) & norm.isfinite(), 0)
    return scale


def cosine(product: Tensor) -> Tensor:
    """Cosines, float32, of float64 products of such vectors."""
    return (product / SCALE**2).float()


def pack(similarity: Tensor, index: Tensor) -> Tensor:
    """One integer of similarity and number, larger for the better one."""
    bits = (similarity + 0.0).view(torch.int32)  # 0 for −0
    order = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    return (order << 32) | (0xFFFFFFFF - index)


def unpack(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Similarities, float32, and numbers, int64, of such integers."""
    order = (keys >> 32).int()
    similarity = torch.where(order < 0, order ^ 0x7FFFFFFF, order).view(torch.float32)
    return similarity, 0xFFFFFFFF - (keys & 0xFFFFFFFF)
