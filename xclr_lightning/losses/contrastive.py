"""The kernel of every contrastive objective: mean cross-entropy between a target and a softmax over keys.

Row blocks keep the memory at ``block_size × K``: the gradient of a block is known as soon as its logits are, so it is
accumulated on the way forward, and the backward pass only scales it. Views of a sample share a row and a column of the
target, which is therefore asked for once a sample, and never spread over the views.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Floats a block: what stays in a CPU's cache, and what keeps a GPU busy. With fewer rows, products are slow.
CPU_BLOCK, GPU_BLOCK, FEWEST_ROWS = 2**22, 2**26, 512


@torch.compiler.disable  # type: ignore[untyped-decorator] # a kernel already; compiled code around it calls it as it is
def contrastive_cross_entropy(
    queries: Tensor,
    keys: Tensor,
    target: Callable[[slice], Tensor],
    temperature: float = 0.1,
    *,
    self_index: Tensor | None = None,
    block_size: int | None = None,
) -> Tensor:
    r"""Mean over queries of the cross-entropy :math:`H(s_i, p_i)` with :math:`p_i = softmax_j(q_i \cdot k_j / τ)`.

    Logits, softmax and gradients are computed in float32 (float64 for float64 input), also under autocast. The loss
    can be differentiated once. Compiled code around it calls it as it is, which ``fullgraph=True`` refuses.

    Args:
        queries: Anchors, usually L2-normalised. Shape: ``(M, d)``, or ``(U, n, d)`` for U views of n samples, floating
            point.
        keys: What each anchor is compared with. Shape: ``(K, d)``, or ``(V, N, d)`` for V views of N samples, same
            dtype as ``queries``.
        target: ``target(rows)`` returns the target probabilities of a slice of queries, each row summing to 1 and
            zero at the anchor itself. Shape: ``(len(rows), K)``. With views it is asked for a slice of samples and
            returns the probability of each sample's every view, shape ``(len(rows), N)``; what it gives an anchor's
            own sample then counts for that sample's other views. It receives no gradient.
        temperature: τ > 0.
        self_index: Column in ``keys`` of each query itself, left out of its softmax. Shape: ``(M,)``, int64. With
            views, the sample in ``keys`` that each sample of ``queries`` is, shape ``(n,)``: view u of it is left out
            for view u of the anchor.
        block_size: Queries a block; memory is a few times ``block_size × K`` floats, the result is the same. By
            default as many as suit the device.

    Returns:
        Scalar loss, float32 or float64.

    Raises:
        ValueError: Shapes do not match, there is no query, the anchor is the only key, or a temperature or block size
            is not positive.

    Example:
        >>> z = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), dim=1)
        >>> partner = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        >>> loss = contrastive_cross_entropy(z, z, lambda rows: partner[rows], 0.5, self_index=torch.arange(3))
        >>> loss.round(decimals=4)
        tensor(0.3761)
    """
    q, k = (x[None] if x.ndim == 2 else x for x in (queries, keys))
    if q.ndim != 3 or k.ndim != 3 or q.shape[2] != k.shape[2] or q.shape[0] * q.shape[1] == 0:
        raise ValueError(
            "queries (M, d) or (U, n, d) and keys (K, d) or (V, N, d) expected, "
            f"got {tuple(queries.shape)} and {tuple(keys.shape)}"
        )
    if self_index is not None and (self_index.shape != q.shape[1:2] or len(q) > len(k)):
        raise ValueError(
            f"self_index of shape ({q.shape[1]},) and no more views of queries than of keys expected, "
            f"got {tuple(self_index.shape)}, {len(q)} and {len(k)} views"
        )
    if self_index is not None and k.shape[0] * k.shape[1] < 2:
        raise ValueError("an anchor is compared with other keys, but its own is the only one")
    if temperature <= 0 or (block_size is not None and block_size <= 0):
        raise ValueError(f"temperature and block_size must be positive, got {temperature} and {block_size}")
    if block_size is None:
        floats = CPU_BLOCK if q.device.type == "cpu" else GPU_BLOCK
        block_size = max(FEWEST_ROWS, floats // (k.shape[0] * k.shape[1]))
    samples = max(1, block_size // len(q))
    loss: Tensor = _BlockwiseCrossEntropy.apply(q, k, target, temperature, self_index, samples)
    return loss


class _BlockwiseCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        queries: Tensor,
        keys: Tensor,
        target: Callable[[slice], Tensor],
        temperature: float,
        self_index: Tensor | None,
        samples: int,
    ) -> Tensor:
        with torch.autocast(queries.device.type, enabled=False):
            dtype = torch.promote_types(queries.dtype, torch.float32)
            q, k = queries.to(dtype) / temperature, keys.to(dtype)
            loss = q.new_zeros(())
            query_grad = torch.empty_like(q) if ctx.needs_input_grad[0] else None
            key_grad = torch.zeros_like(k).flatten(0, 1) if ctx.needs_input_grad[1] else None
            scratch = q.new_empty(len(q) * min(samples, q.shape[1]), k.shape[0] * k.shape[1])
            for start in range(0, q.shape[1], samples):
                rows = slice(start, min(start + samples, q.shape[1]))
                own = None if self_index is None else self_index[rows]
                anchors = q[:, rows].flatten(0, 1)
                logits = torch.mm(anchors, k.flatten(0, 1).T, out=scratch[: len(anchors)])
                loss += _block_(logits, len(k), target(rows).to(dtype), own)
                if query_grad is not None:
                    query_grad[:, rows] = (logits @ k.flatten(0, 1)).view(len(q), -1, q.shape[2])
                if key_grad is not None:
                    key_grad.addmm_(logits.T, anchors)
            count = q.shape[0] * q.shape[1]
            ctx.save_for_backward(
                None if query_grad is None else query_grad.div_(temperature * count).to(queries.dtype),
                None if key_grad is None else key_grad.div_(count).view_as(k).to(keys.dtype),
            )
            return loss / count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        scaled = [None if saved is None else saved * grad.to(saved.dtype) for saved in ctx.saved_tensors]
        return (*scaled, None, None, None, None)


def _block_(logits: Tensor, views: int, target: Tensor, own: Tensor | None) -> Tensor:
    """Sum of a block's losses; its logits become the gradient of that sum by them.

    Args:
        logits: Of U views of b samples, view-major, to V views of N. Shape: ``(U·b, V·N)``.
        views: V.
        target: Shape: ``(b, N)``.
        own: Each sample's own column among N. Shape: ``(b,)``.
    """
    (b, n), query_views = target.shape, len(logits) // len(target)
    mass = (views * target.sum(dim=1)).repeat(query_views)
    if own is not None:
        view = torch.arange(query_views, device=own.device).repeat_interleave(b)
        column = (view * n + own.repeat(query_views))[:, None]
        mass -= target.gather(1, own[:, None])[:, 0].repeat(query_views)
        logits.scatter_(1, column, -torch.inf)
    largest, at = logits.max(dim=1, keepdim=True)
    logits.sub_(largest)
    if own is not None:
        logits.scatter_(1, column, 0)  # for the sum under the target, as 0 · inf is NaN
    # Measured from the largest logit, so that a small loss is not the difference of two large numbers.
    reached = torch.stack([(part.view(b, views, n) @ target[:, :, None]).sum(dim=(1, 2)) for part in logits.split(b)])
    if own is not None:
        logits.scatter_(1, column, -torch.inf)
    # The largest term is 1, beside which small ones would vanish from a sum.
    rest = logits.exp_().scatter_(1, at, 0).sum(dim=1, keepdim=True)
    logits.scatter_(1, at, 1)
    loss = (mass * rest.log1p()[:, 0] - reached.flatten()).sum()
    by_view, share = logits.view(-1, b, views, n), (mass[:, None] / (1 + rest)).view(-1, b, 1, 1)
    torch.addcmul((-target)[:, None].expand_as(by_view), by_view, share, out=by_view)
    if own is not None:
        logits.scatter_(1, column, 0)
    return loss
