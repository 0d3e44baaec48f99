"""Targets against a row-by-row softmax, and what no target may do."""

import pytest
import torch
from naive_losses import naive_soft_target, naive_uniform_target

from xclr_lightning.losses import soft_target, uniform_target


@pytest.mark.parametrize("target_temperature", [0.05, 0.1, 1.0])
@pytest.mark.parametrize(("views", "samples"), [(1, 5), (2, 2), (2, 7), (3, 4), (4, 3)])
def test_soft_target_is_the_softmax_without_the_anchor(views, samples, target_temperature):
    similarity = torch.rand(samples, samples) * 2 - 1
    own = torch.randperm(views * samples)  # a block of anchors comes in any order
    target = soft_target(similarity[own % samples], own, views, target_temperature)
    torch.testing.assert_close(
        target.double(), naive_soft_target(similarity, views, target_temperature)[own], rtol=2e-5, atol=1e-8
    )


@pytest.mark.parametrize(("views", "samples"), [(1, 6), (2, 5), (4, 3)])
def test_uniform_target_shares_alike(views, samples):
    classes = torch.arange(samples) // 2
    related = classes[:, None] == classes
    own = torch.arange(views * samples)
    target = uniform_target(related[own % samples], own, views)
    torch.testing.assert_close(target.double(), naive_uniform_target(related, views), rtol=1e-6, atol=0)


@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_rows_are_probabilities_that_leave_the_anchor_out(views, dtype):
    own = torch.arange(views * 6)
    target = soft_target(torch.rand(6, 6).to(dtype)[own % 6], own, views)
    assert target.dtype == torch.promote_types(dtype, torch.float32)
    assert (target >= 0).all()
    assert (target.diagonal() == 0).all()
    torch.testing.assert_close(target.sum(1), torch.ones_like(target[0]))


def test_a_constant_on_the_graph_changes_nothing():
    similarity, own = torch.rand(6, 6).double(), torch.arange(12)
    targets = [soft_target(similarity[own % 6] + constant, own, 2, 0.05) for constant in (0.0, 5.0, -300.0)]
    torch.testing.assert_close(targets[1], targets[0], rtol=1e-9, atol=0)
    torch.testing.assert_close(targets[2], targets[0], rtol=1e-9, atol=0)


def test_one_view_keeps_the_nearest_sample_at_a_tiny_temperature():
    similarity = torch.tensor([[1.0, 0.2, 0.1], [0.2, 1.0, 0.3], [0.1, 0.3, 1.0]])
    target = soft_target(similarity, torch.arange(3), views=1, target_temperature=1e-4)
    assert target.tolist() == [[0, 1, 0], [0, 0, 1], [0, 1, 0]]


def test_an_anchor_with_nothing_related_gets_an_empty_row():
    assert uniform_target(torch.eye(3, dtype=torch.bool), torch.arange(3), views=1).tolist() == [[0, 0, 0]] * 3


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_target_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match="target_temperature must be positive"):
        soft_target(torch.eye(2), torch.arange(2), 2, temperature)
