"""Where training stands in its data."""

import logging
from collections.abc import Mapping
from typing import Any

from lightning import Trainer

log = logging.getLogger(__name__)


def position(trainer: Trainer, batch_size: int) -> tuple[int, int]:
    """The epoch that goes on when training does, and how many samples of it the weights have seen.

    Args:
        trainer: Trains, or has trained.
        batch_size: Over all processes together.

    Returns:
        Both; 0 samples at an epoch's end, which is the next one's start.
    """
    loop = trainer.fit_loop
    # A checkpoint may be written in the middle of a step, whose batch is then processed again.
    progress: Any = loop.epoch_loop.batch_progress
    epoch: Any = loop.epoch_progress.current
    batches = progress.current.processed
    if epoch.started == epoch.completed:  # between two epochs, before the first or after the last one
        return epoch.completed, 0
    if batches >= trainer.num_training_batches or epoch.processed > epoch.completed:
        return epoch.completed + 1, 0
    return epoch.completed, batches * batch_size


def warn_of_another_order(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Say so where a sweep over the samples is about to go on in another order than it began in.

    Args:
        before: What a checkpoint says: ``swept``, how many were seen, and what their order depended on.
        now: What the order depends on.
    """
    both = [name for name in now if name in before]
    changed = [f"{name} {now[name]} (checkpoint: {before[name]})" for name in both if now[name] != before[name]]
    if before["swept"] and changed:
        log.warning(
            "going on in the middle of a sweep over samples whose order was another, so that some come twice and some "
            "not at all: %s",
            ", ".join(changed),
        )
