"""The kernel: value and gradient whatever the blocks, its precision, and what it refuses."""

import pytest
import torch
from naive_losses import assert_agrees, reference
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from xclr_lightning.losses import contrastive_cross_entropy, normalize_target


def random_problem(rows: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit rows, and a target with an empty diagonal."""
    z = F.normalize(torch.randn(rows, 6, dtype=torch.float64), dim=1).to(dtype)
    target = torch.rand(rows, rows, dtype=torch.float64).fill_diagonal_(0)
    return z, target / target.sum(1, keepdim=True)


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
@pytest.mark.parametrize("block_size", [1, 5, 8, 24, 1000])
def test_value_and_gradient_in_blocks(block_size, temperature):
    z, target = random_problem(24)
    z.requires_grad_()
    own = torch.arange(24)
    # The reference normalises its rows, so here the gradient has to pass a normalisation as well.
    unit = F.normalize(z, dim=1)
    loss = contrastive_cross_entropy(
        unit, unit, lambda rows: target[rows], temperature, self_index=own, block_size=block_size
    )
    assert_agrees(loss, z, reference(z, target, temperature))


def test_some_queries_against_more_keys():
    keys, target = random_problem(10, torch.float64)
    own = torch.tensor([7, 0, 3])
    queries = keys[own].clone().requires_grad_()
    keys.requires_grad_()
    loss = contrastive_cross_entropy(queries, keys, lambda rows: target[own[rows]], 0.2, self_index=own, block_size=2)
    logits = (queries @ keys.T / 0.2).masked_fill(F.one_hot(own, 10).bool(), -1e9)
    expected = F.cross_entropy(logits, target[own])
    torch.testing.assert_close(loss, expected)
    for ours, theirs in zip(*(torch.autograd.grad(x, (queries, keys)) for x in (loss, expected)), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("block_size", [1, 4, 6, 7, 100, None])
@pytest.mark.parametrize(("query_views", "key_views"), [(2, 2), (1, 3), (2, 4), (3, 3)])
def test_views_share_a_row_and_a_column_of_the_target(query_views, key_views, block_size):
    samples, own = 5, torch.tensor([3, 0, 4])
    keys = F.normalize(torch.randn(key_views, samples, 6, dtype=torch.float64), dim=2)
    queries = keys[:query_views, own].clone().requires_grad_()
    keys.requires_grad_()
    target = normalize_target(torch.rand(3, samples, dtype=torch.float64), own, key_views)
    loss = contrastive_cross_entropy(
        queries, keys, lambda rows: target[rows], 0.2, self_index=own, block_size=block_size
    )
    # The same without views: every query on its own, the target spread over all keys.
    columns = torch.cat([own + view * samples for view in range(query_views)])
    spread = target.repeat(query_views, key_views).scatter(1, columns[:, None], 0)
    flat_queries, flat_keys = queries.flatten(0, 1), keys.flatten(0, 1)
    logits = (flat_queries @ flat_keys.T / 0.2).scatter(1, columns[:, None], -1e9)
    expected = F.cross_entropy(logits, spread)
    torch.testing.assert_close(loss, expected)
    for ours, theirs in zip(*(torch.autograd.grad(x, (queries, keys)) for x in (loss, expected)), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_target_is_asked_for_once_a_sample():
    z = F.normalize(torch.randn(3, 7, 4), dim=2)
    asked = []

    def target(rows: slice) -> torch.Tensor:
        asked.extend(range(7)[rows])
        return torch.full((7, 7), 1 / 21)[rows]

    contrastive_cross_entropy(z, z, target, self_index=torch.arange(7), block_size=6)
    assert asked == list(range(7))


def test_nothing_of_all_pairs_is_kept():
    """The largest tensor alive in a step is a block, not M × M."""
    z = F.normalize(torch.randn(2, 512, 8), dim=2).requires_grad_()
    own, sizes = torch.arange(512), [0]

    class Largest(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            sizes.extend(
                x.untyped_storage().nbytes() for x in torch.utils._pytree.tree_leaves(out) if hasattr(x, "numel")
            )
            return out

    def target(rows: slice) -> torch.Tensor:
        return normalize_target(own[rows, None] == own, own[rows], 2)

    with Largest():
        contrastive_cross_entropy(z, z, target, self_index=own, block_size=32).backward()
    assert max(sizes) == 4 * 32 * 1024


def test_compiled_code_around_it_gives_the_same():
    z, target = random_problem(12)
    z.requires_grad_()

    def loss(z: torch.Tensor) -> torch.Tensor:
        unit = F.normalize(z * 2, dim=1)
        return 3 * contrastive_cross_entropy(unit, unit, lambda rows: target[rows], self_index=torch.arange(12))

    plain, compiled = loss(z), torch.compile(loss, backend="aot_eager")(z)
    torch.testing.assert_close(compiled, plain)
    torch.testing.assert_close(*(torch.autograd.grad(x, z)[0] for x in (compiled, plain)))


def test_without_self_index_every_key_counts():
    queries, keys = random_problem(5)[0], random_problem(5)[0]
    loss = contrastive_cross_entropy(queries, keys, lambda rows: torch.eye(5)[rows], 0.3)
    torch.testing.assert_close(loss, F.cross_entropy(queries @ keys.T / 0.3, torch.arange(5)))


def test_gradcheck():
    z, target = random_problem(7, torch.float64)
    queries, keys = z[:4].clone().requires_grad_(), z.clone().requires_grad_()

    def loss(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        own = torch.arange(4)
        return 3 * contrastive_cross_entropy(
            queries, keys, lambda rows: target[rows], 0.5, self_index=own, block_size=3
        )

    assert torch.autograd.gradcheck(loss, (queries, keys))


def test_only_what_needs_a_gradient_gets_one():
    z, target = random_problem(6)
    queries, keys = z.clone().requires_grad_(), z.clone()
    contrastive_cross_entropy(queries, keys, lambda rows: target[rows], self_index=torch.arange(6)).backward()
    assert queries.grad is not None
    assert keys.grad is None


def test_rows_without_a_target_cost_nothing():
    z, target = random_problem(6)
    z.requires_grad_()
    target[2:] = 0
    own = torch.arange(6)
    all_rows = contrastive_cross_entropy(z, z, lambda rows: target[rows], self_index=own)
    two_rows = contrastive_cross_entropy(z[:2], z, lambda rows: target[:2][rows], self_index=own[:2])
    torch.testing.assert_close(all_rows, two_rows * 2 / 6)


def test_a_second_derivative_is_refused():
    z, target = random_problem(5)
    z.requires_grad_()
    loss = contrastive_cross_entropy(z, z, lambda rows: target[rows], self_index=torch.arange(5))
    (gradient,) = torch.autograd.grad(loss * z.sum(), z, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_input_is_computed_in_float32(dtype):
    z, target = random_problem(12, dtype)
    z.requires_grad_()
    own = torch.arange(12)
    loss = contrastive_cross_entropy(z, z, lambda rows: target[rows], self_index=own)
    exact = z.detach().double().requires_grad_()
    expected = contrastive_cross_entropy(exact, exact, lambda rows: target[rows], self_index=own)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    (gradient,), (true,) = torch.autograd.grad(loss, z), torch.autograd.grad(expected, exact)
    assert gradient.dtype == dtype
    assert (gradient.double() - true).norm() <= 2 * torch.finfo(dtype).eps * true.norm()


def test_autocast_changes_nothing():
    z, target = random_problem(12)
    z.requires_grad_()
    own = torch.arange(12)
    plain = contrastive_cross_entropy(z, z, lambda rows: target[rows], self_index=own)
    with torch.autocast("cpu", torch.bfloat16):
        loss = contrastive_cross_entropy(z, z, lambda rows: target[rows], self_index=own)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, plain)
    assert torch.equal(*(torch.autograd.grad(x, z)[0] for x in (loss, plain)))


@pytest.mark.parametrize(
    ("queries", "keys", "settings", "words"),
    [
        ((4,), (4,), {}, r"queries \(M, d\) or \(U, n, d\) and keys \(K, d\) or \(V, N, d\) expected, got \(4,\)"),
        ((4, 3), (4, 2), {}, r"expected, got \(4, 3\) and \(4, 2\)"),
        ((0, 3), (4, 3), {}, r"expected, got \(0, 3\)"),
        ((4, 3), (4, 3), {"self_index": torch.arange(3)}, r"self_index of shape \(4,\) .* got \(3,\)"),
        ((3, 4, 3), (2, 4, 3), {"self_index": torch.arange(4)}, r"no more views .* got \(4,\), 3 and 2 views"),
        ((1, 3), (1, 3), {"self_index": torch.arange(1)}, "its own is the only one"),
        ((4, 3), (4, 3), {"temperature": 0.0}, "must be positive, got 0.0 and None"),
        ((4, 3), (4, 3), {"block_size": 0}, "must be positive, got 0.1 and 0"),
    ],
)
def test_bad_input_is_named(queries, keys, settings, words):
    with pytest.raises(ValueError, match=words):
        contrastive_cross_entropy(
            torch.ones(queries), torch.ones(keys), lambda rows: torch.ones(4, 4)[rows], **settings
        )
