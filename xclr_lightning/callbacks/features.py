"""Features of evaluation sets: each picture exactly once over all processes, each set once an epoch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.utilities import move_data_to_device
from torch import Tensor
from torch import distributed as dist
from torch.nn import functional as F

from xclr_lightning.data import Source
from xclr_lightning.data.views import View
from xclr_lightning.distributed import rank, world_size
from xclr_lightning.errors import UserError


@dataclass
class Features:
    """Features of the pictures that could be read, in the order of their numbers.

    ``values`` is ``(n, D)`` float32 and ``index`` ``(n,)`` int64, both on the CPU; ``bad`` names the other pictures.
    """

    values: Tensor
    index: Tensor
    bad: list[str]


_cache: WeakKeyDictionary[Trainer, tuple[int, dict[str, Features]]] = WeakKeyDictionary()


def features_of(trainer: Trainer, module: LightningModule, source: Source, view: View | None = None) -> Features:
    """Features of a source under the current weights, computed at most once a training step.

    Args:
        trainer: Whose DataModule gives batch size, workers and, by default, the crop.
        module: Encodes pictures; its mode is restored.
        source: The pictures.
        view: How they are cropped.

    Raises:
        UserError: Not one picture can be read.
    """
    step, known = _cache.get(trainer, (-1, {}))
    if step != trainer.global_step:
        known = {}
        _cache[trainer] = (trainer.global_step, known)
    name = f"{source.path} {id(view)}"
    if name not in known:
        known[name] = _merge(_extract(trainer, module, source, view))
        if not len(known[name].index):
            raise UserError(f"none of the {len(source)} pictures can be read, first {known[name].bad[0]}")
    return known[name]


def projections(module: LightningModule, features: Features) -> Tensor:
    """Unit vectors z of features under the current weights. Shape: ``(n, d)``, float32, on the CPU."""
    with evaluating(module):
        z = module.project(features.values.to(module.device))  # type: ignore[operator]
    return F.normalize(z.float().cpu(), dim=1)


@contextmanager
def evaluating(module: LightningModule) -> Iterator[None]:
    """Nothing random and no gradient; afterwards the module is in the mode that it was in."""
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(training)


def _extract(trainer: Trainer, module: LightningModule, source: Source, view: View | None) -> Features:
    """This process's share: every ``world_size``-th picture."""
    numbers = range(rank(), len(source), world_size())
    loader = trainer.datamodule.picture_loader(source, view, numbers)  # type: ignore[attr-defined]
    values, index, bad = [torch.zeros(0)], [torch.zeros(0, dtype=torch.int64)], []
    with evaluating(module):
        for batch in loader:
            bad += batch["bad"]
            if len(batch["image"]):
                with trainer.precision_plugin.forward_context():
                    features = module(move_data_to_device(batch["image"], module.device))
                values.append(features.float().cpu())
                index.append(batch["index"])
    return Features(torch.cat(values), torch.cat(index), bad)


def _merge(share: Features) -> Features:
    shares = [share]
    if world_size() > 1:
        shares = [None] * world_size()  # type: ignore[list-item]
        dist.all_gather_object(shares, share)
    index = torch.cat([part.index for part in shares])
    order = index.argsort()
    values = torch.cat([part.values for part in shares])[order]
    return Features(values, index[order], [name for part in shares for name in part.bad])
