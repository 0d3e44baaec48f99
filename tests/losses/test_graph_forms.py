"""VICReg and Barlow Twins with a graph: as published for the binary graph, and what a soft one adds."""

import pytest
import torch
from lightly.loss import BarlowTwinsLoss, VICRegLoss
from torch.nn import functional as F

from xclr_lightning.graphs import EmbeddingGraph
from xclr_lightning.losses import barlow_twins_graph_loss, vicreg_graph_loss
from xclr_lightning.losses.vicreg import edge_energy

LOSSES = [vicreg_graph_loss, barlow_twins_graph_loss]
SIZES = [(2, 8), (3, 5), (4, 6)]  # views, samples


def projections(views: int, samples: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return (torch.randn(views * samples, 6, dtype=torch.float64) * 0.8 + 0.3).to(dtype).requires_grad_()


def graph(samples: int) -> torch.Tensor:
    vectors = F.normalize(torch.randn(samples, 4, dtype=torch.float64), dim=1)
    return vectors @ vectors.T


def off_diagonal(matrix: torch.Tensor) -> torch.Tensor:
    return matrix[~torch.eye(len(matrix), dtype=torch.bool)]


def naive_vicreg(z: torch.Tensor, similarity: torch.Tensor) -> torch.Tensor:
    """Equation by equation, edge by edge."""
    samples = len(similarity)
    views = z.split(samples)
    invariance = z.new_zeros(())
    for i in range(len(z)):
        edges = [similarity[i % samples, j % samples] * (j != i) for j in range(len(z))]
        invariance += sum(edge * F.mse_loss(z[i], z[j]) for j, edge in enumerate(edges)) / sum(edges) / len(z)
    variance = sum(F.relu(1 - (view.var(0) + 1e-4).sqrt()).mean() for view in views) / len(views)
    covariance = sum(off_diagonal(view.T.cov()).square().sum() / z.shape[1] for view in views) * 2 / len(views)
    return 25 * invariance + 25 * variance + covariance


def naive_barlow_twins(z: torch.Tensor, similarity: torch.Tensor) -> torch.Tensor:
    samples = len(similarity)
    views = [F.batch_norm(view, None, None, training=True, eps=1e-5) for view in z.split(samples)]
    losses = []
    for u, first in enumerate(views):
        for v, second in enumerate(views):
            if u != v:
                correlation = z.new_zeros(z.shape[1], z.shape[1])
                for i in range(samples):
                    related = sum(similarity[i, j] * second[j] for j in range(samples)) / similarity[i].sum()
                    correlation = correlation + torch.outer(first[i], related) / samples
                on = (correlation.diagonal() - 1).square().sum()
                losses.append(on + 0.005 * off_diagonal(correlation).square().sum())
    return torch.stack(losses).mean()


def assert_same(loss: torch.Tensor, expected: torch.Tensor, z: torch.Tensor, tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(loss.double(), expected.double(), rtol=tolerance, atol=0)
    ours, theirs = (torch.autograd.grad(x, z)[0] for x in (loss, expected))
    assert (ours - theirs).norm() <= tolerance * theirs.norm()


@pytest.mark.parametrize(("views", "samples"), SIZES)
@pytest.mark.parametrize(
    ("loss", "naive"), [(vicreg_graph_loss, naive_vicreg), (barlow_twins_graph_loss, naive_barlow_twins)]
)
def test_any_graph(loss, naive, views, samples):
    z, similarity = projections(views, samples), graph(samples).abs()
    assert_same(loss(z, similarity), naive(z, similarity), z)
    assert_same(loss(z, similarity, 0.3), naive(z, (similarity / 0.3).exp()), z)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_binary_graph_is_the_published_loss(dtype):
    z = projections(2, 16, dtype)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-9
    assert_same(vicreg_graph_loss(z, torch.eye(16)), VICRegLoss()(*z.split(16)), z, tolerance)
    assert_same(
        barlow_twins_graph_loss(z, torch.eye(16)), BarlowTwinsLoss(lambda_param=0.005)(*z.split(16)), z, tolerance
    )


@pytest.mark.parametrize("noise", [1e-2, 1e-3])
def test_views_that_agree_lose_no_precision(noise):
    first = torch.randn(32, 6)
    z = torch.cat([first, first + noise * torch.randn(32, 6)]).requires_grad_()
    settings = {"variance": 0.0, "covariance": 0.0}
    loss, exact = vicreg_graph_loss(z, torch.eye(32), **settings), 25 * F.mse_loss(*z.double().split(32))
    assert_same(loss, exact, z, 1e-5)


def test_a_sample_that_is_related_to_nothing_gives_a_number():
    similarity = torch.eye(5)
    similarity[0] = 0
    z = projections(2, 5, torch.float32)
    for loss in LOSSES:
        found = loss(z, similarity)
        assert found.isfinite()
        assert torch.autograd.grad(found, z)[0].isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
def test_identity_is_the_limit_of_a_soft_graph(loss):
    z, similarity = projections(2, 6), graph(6)
    assert_same(loss(z, similarity, 1e-3), loss(z, torch.eye(6)), z)


def test_theorem_1():
    """For weights that sum to 1 both ways, ‖ZZᵀ − G‖² is the edges' energy and ‖ZᵀZ − I‖², up to a constant."""
    circle = (torch.arange(6)[:, None] - torch.arange(6)).abs()
    target = torch.tensor([0.2, 0.15, 0.05, 0.1, 0.05, 0.15], dtype=torch.float64)[circle]
    target /= 2 * target[0].sum() - target[0, 0]  # over two views but the anchor
    G = target.repeat(2, 2).fill_diagonal_(0)
    torch.testing.assert_close(G.sum(0), torch.ones(12, dtype=torch.float64))
    z = projections(2, 6)
    gram = (z @ z.T - G).square().sum()
    halves = 12 * edge_energy(z.unflatten(0, (2, 6)), target) + (z.T @ z - torch.eye(6)).square().sum()
    torch.testing.assert_close(gram, halves + G.square().sum() - 6)


@pytest.mark.parametrize("loss", LOSSES)
def test_order_of_samples_and_of_views_does_not_matter(loss):
    z, similarity = projections(3, 6), graph(6)
    order = torch.randperm(6)
    shuffled = z.unflatten(0, (3, 6))[[2, 0, 1]][:, order].flatten(0, 1)
    torch.testing.assert_close(loss(shuffled, similarity[order][:, order], 0.1), loss(z, similarity, 0.1))


@pytest.mark.parametrize("loss", LOSSES)
def test_related_samples_that_agree_cost_less(loss):
    related = torch.arange(8)[:, None] // 2 == torch.arange(8) // 2
    z = torch.randn(4, 6, dtype=torch.float64).repeat_interleave(2, dim=0).repeat(2, 1)
    other = z.unflatten(0, (2, 8))[:, [0, 2, 1, 4, 3, 6, 5, 7]].flatten(0, 1)
    assert loss(z, related.double()) < loss(other, related.double())


@pytest.mark.parametrize("loss", LOSSES)
def test_a_graph_with_nodes_is_its_matrix(loss):
    vectors = EmbeddingGraph([torch.randn(9, 4).numpy()])
    nodes = torch.stack([vectors.nodes(i) for i in range(9)])
    z = projections(2, 9)
    assert torch.equal(loss(z, (vectors, nodes), 0.1), loss(z, vectors.similarity(nodes, nodes), 0.1))


@pytest.mark.parametrize("loss", LOSSES)
def test_gradcheck(loss):
    z, similarity = projections(2, 4), graph(4)
    assert torch.autograd.gradcheck(lambda z: loss(z, similarity, 0.2), z)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_z_gives_a_float32_loss(loss, dtype):
    z, similarity = projections(2, 5, dtype), graph(5).float()
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(z, similarity, 0.1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss(z.float(), similarity, 0.1))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("value", [0.0, 1.0, 1e4])
def test_identical_rows_give_numbers(loss, value):
    z = torch.full((8, 5), value, requires_grad=True)
    found = loss(z, torch.ones(4, 4))
    assert found.isfinite()
    assert torch.autograd.grad(found, z)[0].isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("similarity", "words"),
    [
        (torch.ones(4, 3), r"similarity \(N, N\) expected, got \(4, 3\)"),
        (torch.ones(8, 8), r"got N = 8, z \(8, 2\)"),
        (-torch.eye(4), "weights ≥ 0 expected, got -1; give a target_temperature"),
    ],
)
def test_bad_input_is_named(loss, similarity, words):
    with pytest.raises(ValueError, match=words):
        loss(torch.ones(8, 2), similarity)
