"""When an evaluation runs, and where its numbers go."""

import logging
from abc import abstractmethod

from lightning import Callback, LightningModule, Trainer

from xclr_lightning.callbacks.features import Features, features_of
from xclr_lightning.data import Source
from xclr_lightning.data.views import View

log = logging.getLogger(__name__)


class Evaluation(Callback):
    """An evaluation at the end of epochs, and in ``validate`` and ``test``.

    Subclass it with :meth:`open`, which finds the data, and :meth:`evaluate`, which yields names and numbers.

    Args:
        every_n_epochs: How often it runs while training; 0 turns it off. It also runs after the last epoch.
    """

    def __init__(self, every_n_epochs: int = 1) -> None:
        self.every_n_epochs = every_n_epochs
        self._said: set[str] = set()

    @abstractmethod
    def open(self) -> bool:
        """Open the evaluation's data before the first step; False where none is configured."""

    @abstractmethod
    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        """Measure: TensorBoard name → value."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._on = bool(self.every_n_epochs) and stage != "predict" and self.open()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        if self._on and (epoch % self.every_n_epochs == 0 or epoch == trainer.max_epochs or trainer.should_stop):
            self._run(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._on and trainer.state.fn == "validate":
            self._run(trainer, pl_module)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._on:
            self._run(trainer, pl_module)

    def features(self, trainer: Trainer, module: LightningModule, source: Source, view: View | None = None) -> Features:
        """Features of a source; names its unreadable pictures once."""
        features = features_of(trainer, module, source, view)
        if features.bad and str(source.path) not in self._said:
            self._said.add(str(source.path))
            log.warning(
                "%d pictures could not be read and are not evaluated, first %s", len(features.bad), features.bad[0]
            )
        return features

    def _run(self, trainer: Trainer, module: LightningModule) -> None:
        for name, value in self.evaluate(trainer, module).items():
            # Every process has computed the same number from the same merged features.
            module.log(name, value, rank_zero_only=True)
