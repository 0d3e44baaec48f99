"""When an evaluation runs, and where its numbers go."""

import inspect
import logging
from abc import abstractmethod
from dataclasses import asdict, is_dataclass
from typing import Any

from lightning import Callback, LightningModule, Trainer

from xclr_lightning.callbacks.features import Features, features_of, forget, share_of
from xclr_lightning.data import Source
from xclr_lightning.data.views import View
from xclr_lightning.distributed import rank
from xclr_lightning.errors import UserError

log = logging.getLogger(__name__)


class Evaluation(Callback):
    """An evaluation at the end of epochs, and in ``validate`` and ``test``.

    Subclass it with :meth:`open`, which finds the data, and :meth:`evaluate`, which yields names and numbers.

    Args:
        every_n_epochs: How often it runs while training; 0 turns it off. It also runs after the last epoch.
        subset: At most so many pictures of each set, drawn at random but alike in every run; all by default.

    Attributes:
        logged: Names of the numbers that it has logged.
        ran_at: The training step at which it logged them; −1 before that.
    """

    # Whether the numbers are shares, such as accuracies, which people read in percent.
    percent = True

    def __init__(self, every_n_epochs: int = 1, subset: int | None = None) -> None:
        if every_n_epochs < 0 or (subset is not None and subset < 1):
            raise UserError(
                f"{type(self).__name__} with every_n_epochs {every_n_epochs}, subset {subset}: expected 0 or more, and "
                "1 or more or null"
            )
        self.every_n_epochs, self.subset = every_n_epochs, subset
        self.logged: list[str] = []
        self.ran_at = -1
        self._said: set[str] = set()

    @abstractmethod
    def open(self) -> bool:
        """Open the evaluation's data before the first step; False where none is configured."""

    @abstractmethod
    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        """Measure: TensorBoard name → value."""

    def protocol(self) -> dict[str, Any]:
        """What numbers depend on besides the model, to be kept beside them: the settings that it was made with."""
        names = inspect.signature(type(self)).parameters
        return {"percent": self.percent, "crop": self._crop} | {
            name: _plain(getattr(self, name)) for name in names if hasattr(self, name)
        }

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._crop = repr(trainer.datamodule.eval_view)  # type: ignore[attr-defined]
        self._on = bool(self.every_n_epochs) and stage != "predict" and self.open()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        forget(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        forget(trainer)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        forget(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        last = epoch == trainer.max_epochs or 0 < trainer.max_steps <= trainer.global_step or trainer.should_stop
        if self._on and (last or epoch % self.every_n_epochs == 0):
            self._run(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._on and trainer.state.fn == "validate":
            self._run(trainer, pl_module)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._on:
            self._run(trainer, pl_module)

    def features(self, trainer: Trainer, module: LightningModule, source: Source, view: View | None = None) -> Features:
        """Features of a source, the same in every process; names its unreadable pictures once."""
        return self._told(features_of(trainer, module, source, view, self.subset), source)

    def share(self, trainer: Trainer, module: LightningModule, source: Source, view: View | None = None) -> Features:
        """This process's part of a source's features, of which no picture is in two parts."""
        return self._told(share_of(trainer, module, source, view, self.subset), source)

    def _told(self, features: Features, source: Source) -> Features:
        if features.bad and rank() == 0 and str(source.path) not in self._said:
            self._said.add(str(source.path))
            log.warning(
                "%d pictures could not be read and are not evaluated, first %s", len(features.bad), features.bad[0]
            )
        return features

    def _run(self, trainer: Trainer, module: LightningModule) -> None:
        numbers = self.evaluate(trainer, module)
        self.logged, self.ran_at = list(numbers), trainer.global_step
        for name, value in numbers.items():
            # Every process has computed the same number from the same merged features.
            module.log(name, value, rank_zero_only=True)


def _plain(value: Any) -> Any:
    """A setting as JSON can hold it."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    return value if isinstance(value, str | int | float | bool | None) else repr(value)
