"""Features of evaluation sets: each picture exactly once over all processes, each set once an epoch."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.utilities import move_data_to_device
from torch import Tensor
from torch.nn import functional as F

from xclr_lightning.data import Source
from xclr_lightning.data.views import View
from xclr_lightning.distributed import gather_lists, gather_rows, rank, world_size
from xclr_lightning.errors import UserError

# Beyond these, half precision is infinite.
LARGEST_HALF = torch.finfo(torch.float16).max


@dataclass
class Features:
    """Features of the pictures that could be read, in the order of their numbers.

    ``values`` is ``(n, D)``, float32 or, with ``data.half_features``, float16, and ``index`` ``(n,)`` int64, both on
    the CPU; ``bad`` names the other pictures, and ``not_finite`` counts those whose features are not, of all processes.
    """

    values: Tensor
    index: Tensor
    bad: list[str]
    not_finite: int = 0


class NotFinite(UserError):
    """Features are NaN or infinite, so that whatever is measured of them would be chance."""


_of_this_step: WeakKeyDictionary[Trainer, tuple[int, dict[str, Any]]] = WeakKeyDictionary()
_digests: WeakKeyDictionary[Source, str] = WeakKeyDictionary()
_said: WeakKeyDictionary[Trainer, set[str]] = WeakKeyDictionary()


def first_time(trainer: Trainer, what: str) -> bool:
    """Whether something is to be said now: by one process, and by the first evaluation of a run that meets it."""
    said = _said.setdefault(trainer, set())
    new = what not in said
    said.add(what)
    return new and rank() == 0


def of_this_step(trainer: Trainer) -> dict[str, Any]:
    """What evaluations have computed under the current weights, by a name of theirs."""
    step, known = _of_this_step.get(trainer, (-1, {}))
    if step != trainer.global_step:
        known = {}
        _of_this_step[trainer] = trainer.global_step, known
    return known


def forget(trainer: Trainer) -> None:
    """Drop it: weights may have been loaded, and are about to be trained."""
    _of_this_step.pop(trainer, None)


def features_of(
    trainer: Trainer, module: LightningModule, source: Source, view: View | None = None, subset: int | None = None
) -> Features:
    """Features of a source under the current weights, the same in every process; computed at most once a training step.

    They are also the same, to the last bit, for any number of processes: the batches are.

    Args:
        trainer: Whose DataModule gives batch size, workers, precision and, by default, the crop.
        module: Encodes pictures; its mode is restored.
        source: The pictures.
        view: How they are cropped.
        subset: At most so many pictures, see :func:`chosen`.

    Raises:
        UserError: Not one picture can be read.
        NotFinite: Some features are NaN or infinite; in every process.
    """
    share = share_of(trainer, module, source, view, subset)
    if world_size() == 1:
        return share
    known, name = of_this_step(trainer), f"whole {_name(trainer, source, view, subset)}"
    if name not in known:
        index = gather_rows(share.index, module.device)
        order = index.argsort()
        known[name] = Features(gather_rows(share.values, module.device)[order], index[order], share.bad)
    features: Features = known[name]
    return features


def share_of(
    trainer: Trainer, module: LightningModule, source: Source, view: View | None = None, subset: int | None = None
) -> Features:
    """This process's part of :func:`features_of`, for sets too large to be in every process's memory."""
    known, name = of_this_step(trainer), f"share {_name(trainer, source, view, subset)}"
    if name not in known:
        known[name] = _extract(trainer, module, source, view, chosen(len(source), subset))
    features: Features = known[name]
    if features.not_finite:
        raise NotFinite(
            f"features of {features.not_finite:,} pictures in {source.path} are not finite: training has diverged, or "
            "trainer.precision is too low; lower model.lr"
        )
    return features


def chosen(count: int, subset: int | None) -> np.ndarray:
    """Numbers of the pictures that are looked at, ascending: all, or ``subset`` of them, drawn alike in every run.

    Example:
        >>> chosen(4, None), chosen(1000, 3)
        (array([0, 1, 2, 3]), array([511, 636, 848]))
    """
    if subset is None or subset >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, subset, replace=False))


def projections(module: LightningModule, features: Features) -> Tensor:
    """Unit vectors z of features under the current weights. Shape: ``(n, d)``, float32, on the CPU."""
    with evaluating(module):
        z = module.project(features.values.float().to(module.device))  # type: ignore[operator]
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


def _name(trainer: Trainer, source: Source, view: View | None, subset: int | None) -> str:
    """Evaluations that say the same of the same pictures share their features."""
    if source not in _digests:
        _digests[source] = hashlib.sha256(source.keys().tobytes()).hexdigest()
    view = view or trainer.datamodule.eval_view  # type: ignore[attr-defined]
    return f"{source.path} {_digests[source]} {type(view)} {vars(view)} {subset}"


def _extract(
    trainer: Trainer, module: LightningModule, source: Source, view: View | None, numbers: np.ndarray
) -> Features:
    """Features of this process's batches: every ``world_size``-th of those of one process."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    size, half = data.batch_size, data.half_features
    own = [batch for start in range(0, len(numbers), size) for batch in numbers[start : start + size].tolist()
           if start // size % world_size() == rank()]  # fmt: skip
    values, index, bad, done = torch.zeros(0, 0), torch.zeros(len(own), dtype=torch.int64), [], 0
    strange = 0
    with evaluating(module):
        for batch in data.picture_loader(source, view, own):
            bad += batch["bad"]
            if not len(batch["image"]):
                continue
            with trainer.precision_plugin.forward_context():
                features = module(move_data_to_device(batch["image"], module.device)).float()
            strange += int((~features.isfinite()).any(1).sum())
            if half:
                features = features.clamp(-LARGEST_HALF, LARGEST_HALF).half()
            if not done:
                values = features.new_empty(len(own), features.shape[1], device="cpu")
            until = done + len(features)
            values[done:until], index[done:until] = features.cpu(), batch["index"]
            done = until
    bad, widths = gather_lists(bad), gather_lists([values.shape[1]] if done else [])
    if not widths:
        raise UserError(f"none of the {len(numbers)} pictures can be read, first {bad[0]}")
    if not done:  # of fewer batches than processes
        values = torch.zeros(0, widths[0], dtype=torch.float16 if half else torch.float32)
    return Features(values[:done], index[:done], bad, sum(gather_lists([strange])))
