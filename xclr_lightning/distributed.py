"""The one gather with gradient, and the ranks it runs over."""

from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from xclr_lightning.errors import UserError

# Rows that processes exchange at once: 64 MB of a ResNet-50's features.
ROWS_AT_ONCE = 8192


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


def gather_lists(items: list[Any]) -> list[Any]:
    """Join every process's list, in the order of the processes; for small things."""
    if world_size() == 1:
        return items
    everyone: list[list[Any]] = [[]] * world_size()
    dist.all_gather_object(everyone, items)
    return [item for each in everyone for item in each]


def gather_rows(rows: Tensor, device: torch.device) -> Tensor:
    """Join every process's rows, in the order of the processes, of which each may have another number, or none.

    Args:
        rows: The same dtype and, but for processes without rows, width everywhere. Shape: ``(n, …)``.
        device: Where processes exchange tensors; only blocks of rows are there at a time.

    Returns:
        Shape: ``(Σ n, …)``, on the device of ``rows``.
    """
    if world_size() == 1:
        return rows
    shapes = gather_lists([tuple(rows.shape)])
    width = next((shape[1:] for shape in shapes if shape[0]), shapes[0][1:])
    joined, start = rows.new_empty(sum(shape[0] for shape in shapes), *width), 0
    for source, (count, *_) in enumerate(shapes):
        for first in range(0, count, ROWS_AT_ONCE):
            number = min(ROWS_AT_ONCE, count - first)
            own = rows[first : first + number] if source == rank() else rows.new_empty(number, *width)
            block = own.to(device).contiguous()
            dist.broadcast(block, source)
            joined[start : start + number] = block.to(rows.device)
            start += number
    return joined


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
