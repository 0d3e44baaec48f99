"""Mean, spread and the paired test, against formulas written out."""

import math

import pytest

from xclr_lightning.reporting.statistics import paired, spread


def test_spread_is_of_the_sample():
    values = [0.41, 0.47, 0.44, 0.52]
    mean = sum(values) / 4
    found = spread(values)
    assert found.mean == pytest.approx(mean)
    assert found.deviation == pytest.approx(math.sqrt(sum((v - mean) ** 2 for v in values) / 3))
    assert found.count == 4


def test_one_value_has_no_spread_and_none_has_no_mean():
    assert math.isnan(spread([0.5]).deviation)
    assert spread([0.5]).text(percent=True) == "50.0"
    assert math.isnan(spread([]).mean)


def test_paired_is_students_test_on_differences():
    ours, theirs = [0.54, 0.57, 0.52, 0.55], [0.50, 0.55, 0.49, 0.50]
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    mean = sum(differences) / 4
    error = math.sqrt(sum((d - mean) ** 2 for d in differences) / 3) / 2
    found = paired(ours, theirs)
    assert found.difference.mean == pytest.approx(mean)
    # Of Student's distribution with 3 degrees of freedom, in closed form.
    t = mean / error / math.sqrt(3)
    tail = 0.5 - (t / (1 + t * t) + math.atan(t)) / math.pi
    assert found.p == pytest.approx(2 * tail)
    assert paired(theirs, ours).p == pytest.approx(found.p)


@pytest.mark.parametrize("seeds", [0, 1])
def test_too_few_seeds_have_no_p(seeds):
    assert math.isnan(paired([0.5] * seeds, [0.4] * seeds).p)
    assert math.isnan(paired([0.5, 0.6], [0.4, 0.5]).p)  # a difference without spread
