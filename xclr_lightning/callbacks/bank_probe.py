"""A linear classifier fitted to a bank that is spread over the processes, once for all evaluations of a step."""

from lightning import LightningModule, Trainer
from torch import Tensor
from torch import distributed as dist

from xclr_lightning.callbacks.features import Features, of_this_step
from xclr_lightning.distributed import world_size
from xclr_lightning.evaluation.linear_head import LinearHead
from xclr_lightning.evaluation.ridge import Ridge, RidgeMoments, ridge_moments


def bank_probe(
    trainer: Trainer, module: LightningModule, name: str, bank: Features, labels: Tensor, num_classes: int
) -> LinearHead:
    """Ridge regression on the bank's features, of the strength that tells most of them apart when they are left out.

    Args:
        trainer: Whose step it is; at another one the layer is fitted anew.
        module: On whose device it is fitted.
        name: What bank and labels are, so that evaluations that say the same share a layer.
        bank: This process's part of the bank.
        labels: The class of every picture of the bank, of this process or not. Shape: ``(B,)``, int64.
        num_classes: C.

    Returns:
        The same layer in every process, on the module's device.
    """
    known, name = of_this_step(trainer), f"probe {name}"
    if name not in known:
        own = labels[bank.index]
        moments = RidgeMoments(*map(_summed, ridge_moments(bank.values, own, num_classes, module.device)))
        ridge = Ridge(moments)
        known[name] = ridge.head(ridge.strongest(_summed(ridge.left_out_hits(bank.values, own))))
    head: LinearHead = known[name]
    return head


def _summed(part: Tensor) -> Tensor:
    """The sum over all processes."""
    if world_size() > 1:
        dist.all_reduce(part)
    return part
