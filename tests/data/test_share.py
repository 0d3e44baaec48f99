"""A share of the samples: the same of each class, nested, and another by seed."""

import numpy as np
import pytest

from xclr_lightning.data.share import stratified_share

STRATA = np.random.default_rng(0).choice(5, 1000, p=[0.5, 0.3, 0.15, 0.045, 0.005])


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 1.0])
def test_each_class_has_the_share_to_within_a_sample(share):
    chosen = stratified_share(share, STRATA, seed=1)
    assert len(chosen) == len(set(chosen.tolist())) == round(share * len(STRATA))
    assert (np.diff(chosen) > 0).all()
    expected = share * np.bincount(STRATA)
    assert (np.abs(np.bincount(STRATA[chosen], minlength=5) - expected) <= 1).all()


def test_shares_are_nested_and_seeded():
    small, large = (set(stratified_share(share, STRATA, seed=1).tolist()) for share in (0.1, 0.4))
    assert small < large
    assert small != set(stratified_share(0.1, STRATA, seed=2).tolist())
    assert small == set(stratified_share(0.1, STRATA, seed=1).tolist())


def test_of_equal_classes_the_seed_decides_which_have_one_more():
    strata = np.arange(80) % 16
    drawn = [[np.bincount(strata[stratified_share(share, strata, seed)], minlength=16) for share in (0.1, 0.35)]
             for seed in range(200)]  # fmt: skip
    small, large = np.array(drawn).transpose(1, 0, 2)
    assert (small <= large).all()
    assert (small.max(1) == 1).all()
    assert (np.ptp(large, axis=1) == 1).all()
    # A class of 16 is among the 8 that have one, of 28 the 12 that have two, in as many of the 200 draws as the others.
    for more, share in ((small, 1 / 2), (large - 1, 3 / 4)):
        assert (np.abs(more.sum(0) - 200 * share) < 4 * np.sqrt(200 * share * (1 - share))).all()


def test_without_classes_it_is_a_random_share():
    drawn = [stratified_share(0.3, np.zeros(50, np.int64), seed) for seed in range(400)]
    counts = np.bincount(np.concatenate(drawn), minlength=50)
    assert ((counts - 120) ** 2 / (120 * 0.7)).sum() < 86  # χ² with about 49 degrees of freedom, once in a thousand
