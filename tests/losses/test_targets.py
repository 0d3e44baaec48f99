"""Targets against a row-by-row softmax, and what no target may do."""

import pytest
import torch
from naive_losses import naive_soft_target, naive_uniform_target

from xclr_lightning.losses import normalize_target, soft_weights


def over_views(target: torch.Tensor, views: int) -> torch.Tensor:
    """A block over samples, for all anchors in order, as the full matrix over views."""
    return target.repeat(views, views).fill_diagonal_(0)


@pytest.mark.parametrize("target_temperature", [0.01, 0.05, 0.1, 1.0])
@pytest.mark.parametrize(("views", "samples"), [(2, 2), (2, 7), (3, 4), (4, 3)])
def test_soft_target_is_the_softmax_without_the_anchor(views, samples, target_temperature):
    similarity = (torch.rand(samples, samples) * 2 - 1).fill_diagonal_(1)
    target = normalize_target(soft_weights(similarity, target_temperature), torch.arange(samples), views)
    torch.testing.assert_close(
        over_views(target, views).double(),
        naive_soft_target(similarity, views, target_temperature),
        rtol=1e-4 if target_temperature < 0.05 else 2e-5,
        atol=1e-8,
    )


@pytest.mark.parametrize(("views", "samples"), [(1, 6), (2, 5), (4, 3)])
def test_related_samples_share_alike(views, samples):
    classes = torch.arange(samples) // 2
    related = classes[:, None] == classes
    target = normalize_target(related, torch.arange(samples), views)
    expected = naive_uniform_target(related, views)
    torch.testing.assert_close(over_views(target, views).double(), expected, rtol=1e-6, atol=0)


def test_a_block_of_anchors_comes_in_any_order():
    similarity, order = torch.rand(6, 6), torch.tensor([4, 0, 5])
    whole = normalize_target(soft_weights(similarity), torch.arange(6), 2)
    assert torch.equal(normalize_target(soft_weights(similarity[order]), order, 2), whole[order])


@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.bool, torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_rows_are_probabilities(views, dtype):
    weights = torch.tensor([[1.0, 0.25, 3.0], [0.5, 1.0, 0.75]]).to(dtype)
    own = torch.tensor([0, 1])
    target = normalize_target(weights, own, views)
    assert target.dtype == torch.promote_types(dtype, torch.float32)
    assert (target >= 0).all()
    total = views * target.sum(1) - target.gather(1, own[:, None])[:, 0]
    torch.testing.assert_close(total, torch.ones_like(total))


def test_a_constant_on_the_graph_changes_nothing():
    similarity = torch.rand(6, 6).double()
    weights = [soft_weights(similarity + constant, 0.05) for constant in (0.0, 5.0, -300.0)]
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-9, atol=0)
    torch.testing.assert_close(weights[2], weights[0], rtol=1e-9, atol=0)


def test_the_graph_itself_is_left_as_it_is():
    similarity = torch.rand(3, 3)
    before = similarity.clone()
    normalize_target(soft_weights(similarity, 0.2), torch.arange(3), 1)
    assert torch.equal(similarity, before)


def test_an_anchor_with_nothing_related_gets_an_empty_row():
    assert normalize_target(torch.eye(3, dtype=torch.bool), torch.arange(3), views=1).tolist() == [[0, 0, 0]] * 3


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_target_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match="target_temperature must be positive"):
        soft_weights(torch.eye(2), temperature)
