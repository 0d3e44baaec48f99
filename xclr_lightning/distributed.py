"""The one gather with gradient, and the ranks it runs over."""

from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from xclr_lightning.errors import UserError


def world_size() -> int:
    """Number of processes that train together, 1 without ``torch.distributed``."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's number, 0 without ``torch.distributed``."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def refuse_disagreement(**values: Any) -> None:
    """Let processes compare what must be the same in all of them, before they wait for each other in vain.

    Raises:
        UserError: A value differs; in every process.
    """
    if world_size() == 1:
        return
    everyone: list[dict[str, Any]] = [{}] * world_size()
    dist.all_gather_object(everyone, values)
    for name in values:
        found = [each[name] for each in everyone]
        if other := next((number for number, value in enumerate(found) if value != found[0]), 0):
            raise UserError(
                f"processes disagree on {name}: {found[0]} in process 0, {found[other]} in process {other}; each needs "
                "the same data, cache and run folder, such as on a shared disk"
            )


def gather_with_grad(tensor: Tensor) -> Tensor:
    """Concatenate every rank's tensor; the gradient is the sum of what all ranks ask of this rank's part.

    With a loss that is the mean over a rank's own rows, and gradients averaged over ranks as DDP does, this gives
    the gradient of the mean over all rows.

    Args:
        tensor: The same shape and dtype on every rank. Shape: ``(n, …)``.

    Returns:
        Rank-major concatenation, the input itself for one process. Shape: ``(W·n, …)``.

    Example:
        >>> gather_with_grad(torch.ones(2, 3)).shape
        torch.Size([2, 3])
    """
    return tensor if world_size() == 1 else _Gather.apply(tensor)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        parts = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(world_size())]
        dist.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        # A copy: what arrives may be the gradient of other tensors too.
        grad = grad.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(grad)
        return grad.chunk(world_size())[rank()]
