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
        return convert_sync_batchnorm(module)
    for layer in module.modules():
        if isinstance(layer, _BatchNorm) and not isinstance(layer, GatheredBatchNorm):
            layer.__class__ = GatheredBatchNorm
    return module


class GatheredBatchNorm(_BatchNorm):
    """Batch norm over the samples of all processes, each of which has as many; with timm's fused activation."""

    act: nn.Module
    drop: nn.Module

    def forward(self, input: Tensor) -> Tensor:
        """Normalise. Shape: ``(n, C, …)`` → the same."""
        shape = [1, -1, *[1] * (input.ndim - 2)]
        if self.training:
            over = [0, *range(2, input.ndim)]
            mean = gather_with_grad(input.mean(over)[None]).mean(0)
            centred = input - mean.view(shape)
            variance = gather_with_grad(centred.square().mean(over)[None]).mean(0)
            self._track(mean, variance, world_size() * input.numel() // input.shape[1])
            out = centred * (variance + self.eps).rsqrt().view(shape)
            if self.affine:
                out = out * self.weight.view(shape) + self.bias.view(shape)
        else:
            out = F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return self.act(self.drop(out)) if hasattr(self, "act") else out

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        unbiased = variance * (count / max(1, count - 1))
        for running, current in ((self.running_mean, mean), (self.running_var, unbiased)):
            running.lerp_(current.to(running.dtype), self.momentum)  # type: ignore[union-attr, arg-type]
        self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
