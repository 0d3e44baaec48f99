"""What a heat map shows: everything once, related rows side by side."""

import torch

from xclr_lightning.graphs.inspection.clusters import GROUP_SIZE, GROUPS, LABELS, clustered, groups


def blocks(count: int, size: int) -> torch.Tensor:
    """Groups of related things, 0.8 within and about 0.1 between, shuffled."""
    order = torch.randperm(count * size)
    group = torch.arange(count).repeat_interleave(size)[order]
    noise = torch.rand(count * size, count * size) / 20
    similarity = torch.where(group[:, None] == group, 0.8, 0.1) + (noise + noise.T) / 2
    return similarity.fill_diagonal_(1)


def test_clusters_lie_together():
    similarity = blocks(5, 6)
    picture = clustered(similarity)
    assert picture.rows.sort().values.tolist() == list(range(30))
    torch.testing.assert_close(picture.similarity, similarity[picture.rows][:, picture.rows])
    for start in range(0, 30, 6):
        assert picture.similarity[start : start + 6, start : start + 6].min() > 0.7
    assert picture.labelled.tolist() == list(range(30))


def test_of_many_rows_some_have_names():
    picture = clustered(blocks(20, 10))
    assert len(picture.rows) == 200
    assert len(picture.labelled) == LABELS
    assert (picture.labelled[0], picture.labelled[-1]) == (0, 199)
    assert picture.labelled.diff().max() <= 6


def test_groups_of_many():
    similarity = blocks(20, 10)
    picture = groups(similarity)
    assert len(picture.rows) == GROUPS * GROUP_SIZE
    torch.testing.assert_close(picture.similarity, similarity[picture.rows][:, picture.rows])
    assert picture.edges == list(range(GROUP_SIZE, GROUPS * GROUP_SIZE, GROUP_SIZE))
    first = picture.similarity[:GROUP_SIZE]
    assert first[:, :GROUP_SIZE].min() > 0.7
    assert first[:, GROUP_SIZE:].max() < 0.3


def test_of_near_duplicates_one_is_shown():
    similarity = blocks(4, 3)
    similarity[0, 1:5] = similarity[1:5, 0] = 0.99
    assert groups(similarity).rows.sort().values.tolist() == [0, *range(5, 12)]


def test_all_nearly_the_same_are_shown_nevertheless():
    assert len(groups(torch.full((3, 3), 0.99)).rows) == 3
