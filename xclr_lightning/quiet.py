"""What a user hears: our own warnings, and of libraries only what can be acted upon."""

import logging
import sys
import warnings


class _Stderr(logging.Handler):
    """Prints our own warnings to whatever stderr is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


def quiet() -> None:
    """Say our own warnings plainly, and silence what libraries say that a user can do nothing about."""
    ours = logging.getLogger("xclr_lightning")
    ours.propagate = False
    ours.handlers = [_Stderr()]
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # of a compiler without a GPU
    for message in (
        "LightningCLI's args parameter",
        ".*isinstance\\(treespec, LeafSpec\\)",
        ".*does not have many workers",
        ".*number of training batches .* is smaller than the logging interval",
        "The dirpath has changed from",
        "Checkpoint directory .* exists and is not empty",
        "Found .* in eval mode at the start of training",  # the moving average, which is never trained
        "It is recommended to use .* when logging on epoch level",  # evaluations log one number in every process
        "Total length of `list` across ranks is zero",
        "You requested to overfit but enabled train dataloader shuffling",  # as its config says
    ):
        warnings.filterwarnings("ignore", message)
