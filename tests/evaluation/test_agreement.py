"""Rank correlation against SciPy's, and groups of related samples."""

import pytest
import torch

from xclr_lightning.evaluation.agreement import rank_correlation, related_groups


def symmetric(size: int, levels: int | None) -> torch.Tensor:
    """Random; with few levels there are many ties."""
    values = torch.rand(size, size) if levels is None else torch.randint(levels, (size, size)).float()
    return values.triu(1) + values.triu(1).T + torch.eye(size)


@pytest.mark.parametrize("levels", [None, 2, 5])
@pytest.mark.parametrize("size", [3, 4, 20])
def test_rank_correlation_is_spearmans(size, levels):
    stats = pytest.importorskip("scipy.stats")
    a, b = symmetric(size, None), symmetric(size, levels)
    i, j = torch.triu_indices(size, size, offset=1)
    if b[i, j].unique().numel() == 1:
        b[0, 1] += 1
    expected = stats.spearmanr(a[i, j].numpy(), b[i, j].numpy()).statistic
    assert rank_correlation(a, b) == pytest.approx(expected, abs=1e-9)
    assert rank_correlation(b, a) == pytest.approx(expected, abs=1e-9)


def test_the_diagonal_does_not_count():
    a = symmetric(6, None)
    assert rank_correlation(a, a.clone().fill_diagonal_(-5)) == pytest.approx(1)


def test_a_constant_matrix_agrees_with_nothing():
    assert rank_correlation(torch.ones(5, 5), symmetric(5, None)) == 0.0


def test_groups_that_have_nothing_in_common_are_found_again():
    members = torch.randperm(60)[:12].view(3, 4)
    similarity = 0.1 * symmetric(60, None)
    similarity[members.flatten()[:, None], members.flatten()] = -0.5
    for group, closeness in zip(members, (0.9, 0.8, 0.7), strict=True):
        similarity[group[:, None], group] = closeness
    found = related_groups(similarity.fill_diagonal_(1), groups=3, size=4)
    assert [set(group.tolist()) for group in found] == [set(group.tolist()) for group in members]


@pytest.mark.parametrize("similarity", [torch.ones(10, 10), torch.eye(10), symmetric(10, 3)])
@pytest.mark.parametrize(("groups", "size"), [(3, 2), (50, 1), (2, 11)])
def test_groups_are_disjoint_and_full_even_among_ties(groups, size, similarity):
    found = related_groups(similarity, groups, size)
    assert len(found) <= groups
    assert bool(found) == (size <= 10)
    assert all(len(group) == size for group in found)
    members = torch.cat(found).tolist() if found else []
    assert len(members) == len(set(members))
