"""Gower's similarity of records: numbers and categories side by side, with values missing."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from xclr_lightning.errors import UserError

# Numbers ride as whole parts of their range: a float would be rounded wherever training is in half precision.
PARTS = 1 << 30
MISSING = -1
# Categories are compared in float32, which holds so many whole numbers.
CATEGORIES = 1 << 24


def gower_similarity(a: Tensor, b: Tensor, numeric: int) -> Tensor:
    """Mean over the columns that both records have: ``1 − |x − y| / range`` for numbers, equality for categories.

    Args:
        a: Records: columns of :func:`encode_numbers`, then of :func:`encode_categories`. Shape: ``(n, D)``, int32.
        b: Likewise. Shape: ``(m, D)``, int32.
        numeric: How many of the columns are numbers.

    Returns:
        Similarities in [0, 1], 0 for records that share no column. Shape: ``(n, m)``, float32.

    Reference:
        Gower 1971, "A general coefficient of similarity and some of its properties".

    Example:
        >>> height = encode_numbers(np.array([1.0, 1.5, 2.0]))
        >>> colour = encode_categories(["red", "", "red"])
        >>> records = torch.from_numpy(np.stack([height, colour], axis=1))
        >>> gower_similarity(records, records, numeric=1)
        tensor([[1.0000, 0.5000, 0.5000],
                [0.5000, 1.0000, 0.5000],
                [0.5000, 0.5000, 1.0000]])
    """
    present_a, present_b = (a != MISSING).float(), (b != MISSING).float()
    # No two values lie farther apart than 1 counts. Where one is missing, they are put farther: they add no similarity.
    places_a, places_b = _places(a, numeric, missing=-2), _places(b, numeric, missing=-4)
    similarity = torch.full((len(a), len(b)), float(a.shape[1]), device=a.device)
    distance = torch.empty_like(similarity)
    for x, y in zip(places_a, places_b, strict=True):
        similarity -= torch.sub(x[:, None], y, out=distance).abs_().clamp_(max=1)
    with torch.autocast(a.device.type, enabled=False):
        return similarity.div_((present_a @ present_b.T).clamp_(min=1))


def _places(records: Tensor, numeric: int, missing: int) -> Tensor:
    """Values by column on a line where numbers differ by their share of the range. Shape: ``(D, n)``, float32."""
    unit = torch.ones(records.shape[1], device=records.device)
    unit[:numeric] /= PARTS
    return (records * unit).where(records != MISSING, missing).T


def encode_numbers(values: np.ndarray) -> np.ndarray:
    """Numbers as parts of their range, −1 where they are missing.

    Args:
        values: NaN where they are missing, else finite. Shape: ``(N,)``, floating point.

    Returns:
        In [0, 2³⁰]; all 0 where there is but one value. Shape: ``(N,)``, int32.

    Example:
        >>> encode_numbers(np.array([3.0, np.nan, 5.0, 4.0])) / PARTS
        array([ 0.00000000e+00, -9.31322575e-10,  1.00000000e+00,  5.00000000e-01])
    """
    known = ~np.isnan(values)
    parts = np.full(len(values), MISSING, dtype=np.int32)
    if known.any():
        low, high = values[known].min(), values[known].max()
        # Halved, so that the range of any two numbers is one itself.
        width = high / 2 - low / 2
        parts[known] = np.rint((values[known] / 2 - low / 2) / (width or 1) * PARTS)
    return parts


def encode_categories(values: Sequence[str]) -> np.ndarray:
    """Categories by number, −1 for an empty one. Shape: ``(N,)``, int32.

    Raises:
        UserError: There are more than 2²⁴ of them.

    Example:
        >>> encode_categories(["red", "", "blue", "red"])
        array([ 1, -1,  0,  1], dtype=int32)
    """
    number = {name: i for i, name in enumerate(sorted(set(values) - {""}))}
    if len(number) > CATEGORIES:
        raise UserError(
            f"data.graph.categorical: a column has {len(number):,} categories, at most {CATEGORIES:,} can be told "
            "apart; leave out columns of keys, in which no two samples agree"
        )
    return np.array([number.get(value, MISSING) for value in values], dtype=np.int32)
