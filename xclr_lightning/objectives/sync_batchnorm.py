"""Batch norm whose statistics are those of the whole batch over all processes, on any device."""

import torch
from timm.layers import convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from xclr_lightning.distributed import gather_with_grad, world_size


def synchronized(module: nn.Module, device: torch.device) -> nn.Module:
    """Synchronise a module's batch norms; weights and their names stay.

    PyTorch's own layer wants a GPU. What it converts loses the activation that timm fuses into some norms, so timm's
    conversion is used.

    Args:
        module: Changed in place, and returned unless it is a batch norm itself.
        device: Where it will run.
    """
    if device.type != "cpu":
        converted: nn.Module = convert_sync_batchnorm(module)
        return converted
    for layer in module.modules():
        if isinstance(layer, _BatchNorm) and not isinstance(layer, GatheredBatchNorm):
            layer.__class__ = GatheredBatchNorm
    return module


class GatheredBatchNorm(_BatchNorm):
    """Batch norm over the samples of all processes, each of which has as many; with timm's fused activation."""

    act: nn.Module
    drop: nn.Module

    def forward(self, input: Tensor) -> Tensor:
        """Normalise. Shape: ``(n, C, …)`` → the same, of the same dtype."""
        out = self._normalized(input) if self.training or self.running_mean is None else self._as_tracked(input)
        return self.act(self.drop(out)) if hasattr(self, "act") else out

    def _normalized(self, input: Tensor) -> Tensor:
        # As in PyTorch's own, half precision is for the result only.
        x = input.to(torch.promote_types(input.dtype, torch.float32))
        shape, over = [1, -1, *[1] * (x.ndim - 2)], [0, *range(2, x.ndim)]
        mean = gather_with_grad(x.mean(over)[None]).mean(0)
        centred = x - mean.view(shape)
        variance = gather_with_grad(centred.square().mean(over)[None]).mean(0)
        self._track(mean, variance, world_size() * x.numel() // x.shape[1])
        out = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out.to(input.dtype)

    def _as_tracked(self, input: Tensor) -> Tensor:
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        if not self.training or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = self.momentum or 1 / self.num_batches_tracked.item()
        for running, current in ((self.running_mean, mean), (self.running_var, variance * (count / max(1, count - 1)))):
            running.lerp_(current.to(running.dtype), share)  # type: ignore[union-attr]
