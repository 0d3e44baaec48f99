"""Where training stands in its data."""

from lightning import Trainer


def position(trainer: Trainer, batch_size: int) -> dict[str, int]:
    """The epoch that goes on when training does, and how many samples of it were trained on before.

    Args:
        trainer: Has counted batches over all epochs.
        batch_size: Over all processes together.

    Returns:
        ``{"epoch": …, "samples": …}``; 0 samples at an epoch's end, which is the next one's start.
    """
    batches = trainer.num_training_batches
    if not batches or batches == float("inf"):
        return {"epoch": 0, "samples": 0}
    done = trainer.fit_loop.epoch_loop.batch_progress.total.ready
    epoch, batch = divmod(done, int(batches))
    return {"epoch": epoch, "samples": batch * batch_size}
