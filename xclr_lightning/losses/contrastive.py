"""The kernel of every contrastive objective: mean cross-entropy between a target and a softmax over keys.

Row blocks keep the memory at ``block_size × K``: the gradient of a row block is known as soon as its logits are, so it
is accumulated on the way forward, and the backward pass only scales it.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def contrastive_cross_entropy(
    queries: Tensor,
    keys: Tensor,
    target: Callable[[slice], Tensor],
    temperature: float = 0.1,
    *,
    self_index: Tensor | None = None,
    block_size: int = 1024,
) -> Tensor:
    r"""Mean over queries of the cross-entropy :math:`H(s_i, p_i)` with :math:`p_i = softmax_j(q_i \cdot k_j / τ)`.

    Logits, softmax and gradients are computed in float32 (float64 for float64 input), also under autocast. The loss
    can be differentiated once.

    Args:
        queries: Anchors, usually L2-normalised. Shape: ``(M, d)``, floating point.
        keys: What each anchor is compared with. Shape: ``(K, d)``, same dtype as ``queries``.
        target: ``target(rows)`` returns the target probabilities of a slice of queries, each row summing to 1 and
            zero at the anchor itself. Shape: ``(len(rows), K)``. It receives no gradient.
        temperature: τ > 0.
        self_index: Column in ``keys`` of each query itself, left out of its softmax. Shape: ``(M,)``, int64.
        block_size: Queries a block; memory is a few times ``block_size × K`` floats, the result is the same.

    Returns:
        Scalar loss, float32 or float64.

    Raises:
        ValueError: Shapes do not match, there is no query, or a temperature or block size is not positive.

    Example:
        >>> z = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), dim=1)
        >>> partner = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        >>> loss = contrastive_cross_entropy(z, z, lambda rows: partner[rows], 0.5, self_index=torch.arange(3))
        >>> loss.round(decimals=4)
        tensor(0.3761)
    """
    if queries.ndim != 2 or keys.ndim != 2 or queries.shape[1] != keys.shape[1] or len(queries) == 0:
        raise ValueError(f"queries (M, d) and keys (K, d) expected, got {tuple(queries.shape)} and {tuple(keys.shape)}")
    if self_index is not None and self_index.shape != queries.shape[:1]:
        raise ValueError(f"self_index of shape ({len(queries)},) expected, got {tuple(self_index.shape)}")
    if temperature <= 0 or block_size <= 0:
        raise ValueError(f"temperature and block_size must be positive, got {temperature} and {block_size}")
    return _BlockwiseCrossEntropy.apply(queries, keys, target, temperature, self_index, block_size)


class _BlockwiseCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        queries: Tensor,
        keys: Tensor,
        target: Callable[[slice], Tensor],
        temperature: float,
        self_index: Tensor | None,
        block_size: int,
    ) -> Tensor:
        with torch.autocast(queries.device.type, enabled=False):
            dtype = torch.promote_types(queries.dtype, torch.float32)
            q, k = queries.to(dtype), keys.to(dtype)
            loss = q.new_zeros(())
            query_grad = torch.empty_like(q) if ctx.needs_input_grad[0] else None
            key_grad = torch.zeros_like(k) if ctx.needs_input_grad[1] else None
            for start in range(0, len(q), block_size):
                rows = slice(start, min(start + block_size, len(q)))
                own = None if self_index is None else self_index[rows]
                block_loss, weights = _block(q[rows], k, target(rows).to(dtype), temperature, own)
                loss += block_loss
                if query_grad is not None:
                    torch.mm(weights, k, out=query_grad[rows])
                if key_grad is not None:
                    key_grad.addmm_(weights.T, q[rows])
            scale = 1 / (temperature * len(q))
            ctx.save_for_backward(
                *(None if g is None else g.mul_(scale).to(queries.dtype) for g in (query_grad, key_grad))
            )
            return loss / len(q)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        scaled = [None if saved is None else saved * grad.to(saved.dtype) for saved in ctx.saved_tensors]
        return (*scaled, None, None, None, None)


def _block(q: Tensor, k: Tensor, target: Tensor, temperature: float, own: Tensor | None) -> tuple[Tensor, Tensor]:
    """Sum of a block's losses, and the gradient of that sum by its logits, ``(b, K)``."""
    logits = (q @ k.T).div_(temperature)
    if own is not None:
        column = own[:, None]
        # Not −inf, since the target's 0 · inf would be NaN.
        logits.scatter_(1, column, torch.finfo(logits.dtype).min)
    normaliser = logits.logsumexp(dim=1)
    mass = target.sum(dim=1)
    loss = (mass * normaliser - (target * logits).sum(dim=1)).sum()
    weights = logits.sub_(normaliser[:, None]).exp_().mul_(mass[:, None]).sub_(target)
    return loss, weights
