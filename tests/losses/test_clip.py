"""CLIP and soft CLIP against open_clip and a slow float64 reference: values, gradients, limits, symmetries."""

import math

import pytest
import torch
from naive_losses import naive_soft_target
from open_clip import ClipLoss
from torch.nn import functional as F

from xclr_lightning.graphs import EmbeddingGraph
from xclr_lightning.losses import clip_loss, soft_clip_loss

SIZES = [2, 7, 33]
SCALES = [1.0, 1 / 0.07, 100.0]


def pairs(samples: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    image_z, text_z = torch.randn(2, samples, 6, dtype=torch.float64).to(dtype)
    return image_z.clone().requires_grad_(), text_z.clone().requires_grad_()


def scalar(value: float, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(value, dtype=dtype, requires_grad=True)


def cosines(samples: int) -> torch.Tensor:
    vectors = F.normalize(torch.randn(samples, 5).double(), dim=1)
    return (vectors @ vectors.T).float()


def naive(image_z: torch.Tensor, text_z: torch.Tensor, target: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """One row and one direction at a time."""
    x, y = (z / z.norm(dim=1, keepdim=True) for z in (image_z, text_z))
    rows = []
    for queries, keys in ((x, y), (y, x)):
        for query, wanted in zip(queries, target, strict=True):
            rows.append(-(wanted * (scale * keys @ query).log_softmax(0)).sum())
    return torch.stack(rows).mean()


def assert_agree(loss, inputs, expected, exact, tolerance: float = 1e-5) -> None:
    """Relative agreement of losses, and of each gradient by norm."""
    assert loss.item() == pytest.approx(expected.item(), rel=tolerance)
    gradients = zip(torch.autograd.grad(loss, inputs), torch.autograd.grad(expected, exact), strict=True)
    for ours, theirs in gradients:
        assert (ours.double() - theirs.double()).norm() <= tolerance * theirs.double().norm()


@pytest.mark.parametrize("samples", SIZES)
@pytest.mark.parametrize("scale", SCALES)
def test_clip(samples, scale):
    inputs = (*pairs(samples), scalar(scale))
    exact = [x.detach().double().requires_grad_() for x in inputs]
    expected = naive(exact[0], exact[1], torch.eye(samples, dtype=torch.float64), exact[2])
    assert_agree(clip_loss(*inputs), inputs, expected, exact)


@pytest.mark.parametrize("samples", SIZES)
@pytest.mark.parametrize("scale", SCALES)
def test_clip_is_that_of_open_clip(samples, scale):
    inputs = (*pairs(samples, torch.float64), scalar(scale, torch.float64))
    exact = [x.detach().clone().requires_grad_() for x in inputs]
    expected = ClipLoss()(F.normalize(exact[0], dim=1), F.normalize(exact[1], dim=1), exact[2])
    assert_agree(clip_loss(*inputs), inputs, expected, exact, tolerance=1e-10)


@pytest.mark.parametrize("samples", SIZES)
@pytest.mark.parametrize("target_temperature", [0.05, 0.1, 1.0])
@pytest.mark.parametrize("scale", SCALES)
def test_soft_clip(samples, target_temperature, scale):
    inputs, similarity = (*pairs(samples), scalar(scale)), cosines(samples)
    exact = [x.detach().double().requires_grad_() for x in inputs]
    target = (similarity.double() / target_temperature).softmax(1)
    loss = soft_clip_loss(inputs[0], inputs[1], similarity, inputs[2], target_temperature)
    assert_agree(loss, inputs, naive(exact[0], exact[1], target, exact[2]), exact)


def test_the_target_holds_the_pair_itself():
    """Unlike X-CLR's, from which the anchor is deleted."""
    image_z, text_z = pairs(5)
    similarity = cosines(5)
    without = naive(image_z.double(), text_z.double(), naive_soft_target(similarity, 1, 0.1), scalar(10.0))
    assert abs(soft_clip_loss(image_z, text_z, similarity, 10.0) - without) > 0.1


@pytest.mark.parametrize("samples", SIZES)
def test_soft_clip_is_clip_in_the_limit(samples):
    inputs, similarity = (*pairs(samples), scalar(5.0)), cosines(samples)
    soft = soft_clip_loss(inputs[0], inputs[1], similarity, inputs[2], target_temperature=1e-4)
    assert_agree(soft, inputs, clip_loss(*inputs), inputs, tolerance=1e-6)


def test_equal_captions_share_alike_in_the_limit():
    image_z, text_z = pairs(3)
    similarity = torch.tensor([[1.0, 1.0, 0.2], [1.0, 1.0, 0.2], [0.2, 0.2, 1.0]])
    target = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]).double()
    expected = naive(image_z.double(), text_z.double(), target, torch.tensor(5.0))
    assert soft_clip_loss(image_z, text_z, similarity, 5.0, 1e-4).item() == pytest.approx(expected.item(), rel=1e-5)


def test_modalities_may_be_swapped():
    image_z, text_z = pairs(9)
    similarity = cosines(9)
    torch.testing.assert_close(clip_loss(image_z, text_z, 3.0), clip_loss(text_z, image_z, 3.0))
    swapped = soft_clip_loss(text_z, image_z, similarity, 3.0)
    torch.testing.assert_close(soft_clip_loss(image_z, text_z, similarity, 3.0), swapped)


def test_order_of_pairs_and_length_of_z_do_not_matter_but_who_is_paired_does():
    image_z, text_z = pairs(9)
    loss, order = clip_loss(image_z, text_z, 3.0), torch.randperm(9)
    torch.testing.assert_close(clip_loss(image_z[order], text_z[order], 3.0), loss)
    torch.testing.assert_close(clip_loss(7 * image_z, text_z * torch.rand(9, 1).add(0.1), 3.0), loss)
    assert abs(clip_loss(image_z, text_z.roll(1, 0), 3.0) - loss) > 1e-2


def test_a_graph_with_nodes_is_its_matrix():
    graph = EmbeddingGraph([torch.randn(9, 4).half().numpy()])
    nodes = torch.stack([graph.nodes(i) for i in range(9)])
    image_z, text_z = pairs(9)
    losses = [soft_clip_loss(image_z, text_z, g, 3.0) for g in ((graph, nodes), graph.similarity(nodes, nodes))]
    assert torch.equal(*losses)


def test_gradcheck():
    inputs, similarity = (*pairs(4, torch.float64), scalar(3.0, torch.float64)), cosines(4).double()
    assert torch.autograd.gradcheck(clip_loss, inputs)
    assert torch.autograd.gradcheck(lambda x, y, s: soft_clip_loss(x, y, similarity, s, 0.3), inputs)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_z_gives_a_float32_loss(dtype):
    inputs = (*pairs(8, dtype), scalar(1 / 0.07))
    with torch.autocast("cpu", torch.bfloat16):
        loss = clip_loss(*inputs)
    exact = [x.detach().double().requires_grad_() for x in inputs]
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(clip_loss(*exact).item(), rel=1e-5)
    gradients = torch.autograd.grad(loss, inputs)
    assert [gradient.dtype for gradient in gradients] == [dtype, dtype, torch.float32]
    for ours, theirs in zip(gradients, torch.autograd.grad(clip_loss(*exact), exact), strict=True):
        assert (ours.double() - theirs).norm() <= 2 * torch.finfo(dtype).eps * theirs.norm()


@pytest.mark.parametrize("factor", [0.0, 1e-30, 1e30])
def test_rows_of_any_length_give_numbers(factor):
    image_z, text_z, scale = torch.randn(6, 4), torch.randn(6, 4), scalar(100.0)
    image_z = (image_z * factor).requires_grad_()
    text_z = (text_z * factor).requires_grad_()
    for loss in (clip_loss(image_z, text_z, scale), soft_clip_loss(image_z, text_z, cosines(6), scale)):
        assert loss.isfinite()
        if not factor:
            assert loss.item() == pytest.approx(math.log(6))
        assert all(g.isfinite().all() for g in torch.autograd.grad(loss, (image_z, text_z, scale)))


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda z: clip_loss(z, z[:3], 1.0), r"image_z and text_z \(N, d\) .* got \(4, 2\) and \(3, 2\)"),
        (lambda z: clip_loss(z, z[:, :1], 1.0), r"got \(4, 2\) and \(4, 1\)"),
        (lambda z: clip_loss(z[:0], z[:0], 1.0), r"N ≥ 2 expected, got \(0, 2\)"),
        (lambda z: clip_loss(z[:, 0], z[:, 0], 1.0), r"got \(4,\) and \(4,\)"),
        (lambda z: clip_loss(z, z, torch.ones(1)), r"a scalar logit_scale expected, got \(1,\)"),
        (lambda z: soft_clip_loss(z, z, torch.ones(4, 3), 1.0), r"similarity \(N, N\) expected, got \(4, 3\)"),
        (lambda z: soft_clip_loss(z, z, torch.ones(3, 3), 1.0), "similarity of 3 samples does not fit 4 pairs"),
        (lambda z: soft_clip_loss(z, z, torch.eye(4), 1.0, 0.0), "target_temperature must be positive"),
    ],
)
def test_bad_input_is_named(loss, words):
    with pytest.raises(ValueError, match=words):
        loss(torch.ones(4, 2))
