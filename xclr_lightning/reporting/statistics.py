"""What several seeds say: mean and spread, and whether two settings differ."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import ttest_rel


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of n values.

    Attributes:
        mean: Their mean.
        deviation: With n − 1 in the denominator; NaN of one value.
        count: n.
    """

    mean: float
    deviation: float
    count: int

    def text(self, percent: bool) -> str:
        """As a table has it, in percent or as it is.

        Example:
            >>> Spread(0.5449, 0.0262, 3).text(percent=True), Spread(0.5, float("nan"), 1).text(percent=False)
            ('54.5 ± 2.6', '0.500')
        """
        scale, digits = (100, 1) if percent else (1, 3)
        mean = f"{scale * self.mean:.{digits}f}"
        return mean if math.isnan(self.deviation) else f"{mean} ± {scale * self.deviation:.{digits}f}"


@dataclass(frozen=True)
class Paired:
    """The difference of two settings over the seeds that both have.

    Attributes:
        difference: Its mean and deviation.
        p: Of Student's paired t-test, two-sided; NaN for fewer than two seeds, or where all differences are one.
    """

    difference: Spread
    p: float


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation.

    Example:
        >>> spread([1.0, 2.0, 3.0])
        Spread(mean=2.0, deviation=1.0, count=3)
    """
    if not values:
        return Spread(math.nan, math.nan, 0)
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return Spread(float(np.mean(values)), deviation, len(values))


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Paired:
    """Compare two settings by runs of the same seeds.

    Args:
        ours: A value a seed.
        theirs: Likewise, in the same order.

    Example:
        >>> result = paired([0.5, 0.6, 0.7], [0.4, 0.4, 0.6])
        >>> round(result.difference.mean, 3), round(result.p, 3)
        (0.133, 0.057)
    """
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    found = spread(differences)
    some = found.count > 1 and found.deviation > 1e-12
    return Paired(found, float(ttest_rel(ours, theirs).pvalue) if some else math.nan)
