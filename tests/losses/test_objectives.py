"""X-CLR, SimCLR and SupCon against the slow reference, their limits and their symmetries."""

import pytest
import torch
from naive_losses import assert_agrees, dense_loss, naive_soft_target, naive_uniform_target, reference

from xclr_lightning.graphs import EmbeddingGraph
from xclr_lightning.losses import nt_xent_loss, supcon_loss, xclr_loss

SIZES = [(2, 2), (2, 9), (3, 5), (4, 4)]  # views, samples
TINY = 1e-3


def projections(views: int, samples: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(views * samples, 7).to(dtype).requires_grad_()


def cosines(samples: int) -> torch.Tensor:
    vectors = torch.nn.functional.normalize(torch.randn(samples, 5).double(), dim=1)
    return (vectors @ vectors.T).float()


@pytest.mark.parametrize(("views", "samples"), SIZES)
@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
@pytest.mark.parametrize("target_temperature", [0.05, 0.1, 1.0])
def test_xclr(views, samples, temperature, target_temperature):
    z, similarity = projections(views, samples), cosines(samples)
    target = naive_soft_target(similarity, views, target_temperature)
    assert_agrees(xclr_loss(z, similarity, temperature, target_temperature), z, reference(z, target, temperature))


def realistic(views: int, samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Projections that know their sample, a third of them alike, and the cosines of captions that repeat."""
    z = torch.randn(samples, 32).repeat(views, 1) + torch.randn(views * samples, 32)
    z[: samples // 3] = z[0]
    similarity = cosines(samples)
    repeated = torch.arange(samples) // 3
    return z.requires_grad_(), similarity[repeated][:, repeated]


def gradient_error(loss: torch.Tensor, z: torch.Tensor, expected: tuple[torch.Tensor, torch.Tensor]) -> float:
    """The larger of the relative errors of a loss and of its gradient."""
    (gradient,) = torch.autograd.grad(loss, z)
    of_loss = abs(loss.item() - expected[0].item()) / expected[0].item()
    return max(of_loss, ((gradient.double() - expected[1]).norm() / expected[1].norm()).item())


def dense_reference(z, similarity, temperature, target_temperature) -> tuple[torch.Tensor, torch.Tensor]:
    exact = z.detach().double().requires_grad_()
    loss = dense_loss(exact, similarity.double(), temperature, target_temperature)
    return loss.detach(), torch.autograd.grad(loss, exact)[0]


def test_the_dense_reference_is_the_slow_one():
    z, similarity = realistic(3, 5)
    target = naive_soft_target(similarity, 3, 0.1)
    for ours, slow in zip(dense_reference(z, similarity, 0.2, 0.1), reference(z, target, 0.2), strict=True):
        torch.testing.assert_close(ours, slow)


@pytest.mark.parametrize(("views", "samples"), [(2, 2048), (3, 1365), (4, 1000)])
@pytest.mark.parametrize(("temperature", "target_temperature"), [(0.05, 0.05), (0.1, 0.1), (0.05, 1.0), (1.0, 0.05)])
def test_thousands_of_rows(views, samples, temperature, target_temperature):
    z, similarity = realistic(views, samples)
    loss = xclr_loss(z, similarity, temperature, target_temperature)
    assert gradient_error(loss, z, dense_reference(z, similarity, temperature, target_temperature)) < 1e-5


@pytest.mark.parametrize("block_size", [256, 500, 4096])
def test_blocks_of_thousands_of_rows(block_size, monkeypatch):
    """Sizes that divide the rows and such that do not."""
    z, similarity = realistic(2, 1024)
    monkeypatch.setattr("xclr_lightning.losses.contrastive.CPU_BLOCK", block_size * 2048)
    monkeypatch.setattr("xclr_lightning.losses.contrastive.FEWEST_ROWS", 1)
    assert gradient_error(xclr_loss(z, similarity), z, dense_reference(z, similarity, 0.1, 0.1)) < 1e-5


@pytest.mark.parametrize(("temperature", "target_temperature"), [(0.01, 0.01), (0.02, 0.01), (0.01, 0.1)])
def test_no_worse_than_whole_matrices_at_tiny_temperatures(temperature, target_temperature):
    z, similarity = realistic(2, 512)
    expected = dense_reference(z, similarity, temperature, target_temperature)
    settings = (similarity, temperature, target_temperature)
    ours, plain = (gradient_error(loss(z, *settings), z, expected) for loss in (xclr_loss, dense_loss))
    assert ours < max(2 * plain, 1e-5)


@pytest.mark.parametrize("temperature", [0.01, 0.05, 0.1])
def test_a_small_loss_is_no_difference_of_large_numbers(temperature):
    """Views that agree and samples that do not: next to nothing is left to lose."""
    z = torch.randn(256, 32).repeat(2, 1) + 1e-3 * torch.randn(512, 32)
    expected = dense_reference(z, torch.eye(256), temperature, 0.05)[0].item()
    assert xclr_loss(z, torch.eye(256), temperature, 0.05).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("views", "samples"), SIZES)
@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_nt_xent(views, samples, temperature):
    z = projections(views, samples)
    target = naive_uniform_target(torch.eye(samples, dtype=torch.bool), views)
    assert_agrees(nt_xent_loss(z, temperature, views=views), z, reference(z, target, temperature))


@pytest.mark.parametrize(("views", "samples"), SIZES)
@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_supcon(views, samples, temperature):
    z, labels = projections(views, samples), torch.arange(samples) % 2
    target = naive_uniform_target(labels[:, None] == labels, views)
    assert_agrees(supcon_loss(z, labels, temperature), z, reference(z, target, temperature))


@pytest.mark.parametrize(("views", "samples"), SIZES)
def test_identity_graph_is_simclr_in_the_limit(views, samples):
    z = projections(views, samples)
    losses = xclr_loss(z, torch.eye(samples), target_temperature=TINY), nt_xent_loss(z, views=views)
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*(torch.autograd.grad(loss, z)[0] for loss in losses))


@pytest.mark.parametrize(("views", "samples"), SIZES)
def test_label_graph_is_supcon_in_the_limit(views, samples):
    z, labels = projections(views, samples), torch.arange(samples) % 2
    similarity = (labels[:, None] == labels).float()
    losses = xclr_loss(z, similarity, target_temperature=TINY), supcon_loss(z, labels)
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*(torch.autograd.grad(loss, z)[0] for loss in losses))


def test_order_of_samples_and_length_of_z_do_not_matter():
    z, similarity = projections(3, 6), cosines(6)
    order = torch.randperm(6)
    shuffled = z.unflatten(0, (3, 6))[:, order].flatten(0, 1)
    loss = xclr_loss(z, similarity)
    torch.testing.assert_close(xclr_loss(shuffled, similarity[order][:, order]), loss)
    torch.testing.assert_close(xclr_loss(z * torch.rand(18, 1).add(0.1), similarity), loss)
    torch.testing.assert_close(xclr_loss(z, similarity + 3), loss)


def test_the_graph_matters():
    z, similarity = projections(2, 6), cosines(6)
    assert abs(xclr_loss(z, similarity) - xclr_loss(z, -similarity)) > 0.1


def test_a_graph_with_nodes_is_its_matrix():
    graph = EmbeddingGraph([torch.randn(9, 4).half().numpy()])
    nodes = torch.stack([graph.nodes(i) for i in range(9)])
    z = projections(2, 9)
    assert torch.equal(xclr_loss(z, (graph, nodes)), xclr_loss(z, graph.similarity(nodes, nodes)))


def test_gradcheck():
    z, similarity = projections(2, 3, torch.float64), cosines(3).double()
    assert torch.autograd.gradcheck(lambda z: xclr_loss(z, similarity, 0.3, 0.2), z)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("value", [0.0, 1.0, 1e-38, 6e4, 1e38])
def test_identical_rows_give_numbers(dtype, value):
    z = torch.full((8, 5), value).to(dtype).nan_to_num(posinf=6e4).requires_grad_()
    losses = xclr_loss(z, torch.ones(4, 4), 0.05, TINY), nt_xent_loss(z), supcon_loss(z, torch.zeros(4, dtype=int))
    for loss in losses:
        assert loss.item() == pytest.approx(torch.tensor(7.0).log().item(), rel=1e-5)
        assert torch.autograd.grad(loss, z)[0].isfinite().all()


@pytest.mark.parametrize(("dtype", "scale"), [(torch.float16, 2e4), (torch.float32, 1e37), (torch.float32, 1e-10)])
def test_the_scale_of_z_changes_nothing(dtype, scale):
    """Norms that overflow when squared, and small ones."""
    z, similarity = torch.randn(8, 5).clamp(-3, 3).to(dtype), cosines(4)
    large = (z * scale).requires_grad_()
    loss = xclr_loss(large, similarity)
    torch.testing.assert_close(loss, xclr_loss(large.double() / scale, similarity).float())
    assert torch.autograd.grad(loss, large)[0].isfinite().all()


@pytest.mark.parametrize("scale", [0.0, 1e-42, 1e-30])
def test_rows_without_a_direction_do_not_explode(scale):
    z = torch.randn(8, 5)
    z[3] *= scale
    z.requires_grad_()
    (gradient,) = torch.autograd.grad(xclr_loss(z, cosines(4)), z)
    assert (gradient[3] == 0).all()
    assert gradient.abs().max() < 100


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_z_gives_a_float32_loss(dtype):
    z, similarity = projections(2, 5, dtype), cosines(5)
    with torch.autocast("cpu", torch.bfloat16):
        loss = xclr_loss(z, similarity)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, xclr_loss(z.float(), similarity))
    assert torch.autograd.grad(loss, z)[0].dtype == dtype


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda z: xclr_loss(z, torch.ones(4, 3)), r"similarity \(N, N\) expected, got \(4, 3\)"),
        (lambda z: xclr_loss(z, torch.ones(3, 3)), r"got N = 3, z \(8, 2\)"),
        (lambda z: xclr_loss(z, torch.ones(8, 8)), r"got N = 8, z \(8, 2\)"),  # one view a sample
        (lambda z: xclr_loss(z, torch.ones(1, 1)), "got N = 1"),
        (lambda z: supcon_loss(z, torch.arange(3)), "got N = 3"),
        (lambda z: supcon_loss(z[:, 0], torch.arange(4)), r"z \(8,\)"),
        (lambda z: nt_xent_loss(z, views=3), "8 rows of z are not 3 views"),
        (lambda z: nt_xent_loss(z, views=1), "got N = 8"),
        (lambda z: nt_xent_loss(z, temperature=-1.0), "temperature and block_size must be positive"),
        (lambda z: xclr_loss(z, torch.eye(4), target_temperature=0.0), "target_temperature must be positive"),
    ],
)
def test_bad_input_is_named(loss, words):
    with pytest.raises(ValueError, match=words):
        loss(torch.ones(8, 2))
