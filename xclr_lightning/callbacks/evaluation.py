"""When an evaluation runs, and where its numbers go."""

import inspect
import logging
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

from lightning import Callback, LightningModule, Trainer

from xclr_lightning.callbacks.features import Features, NotFinite, features_of, first_time, forget, share_of
from xclr_lightning.callbacks.plain import as_plain
from xclr_lightning.data import Source
from xclr_lightning.data.views import View
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
        self._pictures: dict[str, int] = {}

    @abstractmethod
    def open(self) -> bool:
        """Open the evaluation's data before the first step; False where none is configured."""

    @abstractmethod
    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        """Measure: TensorBoard name → value."""

    def protocol(self) -> dict[str, Any]:
        """What numbers depend on besides the model, to be kept beside them.

        The settings that it was made with, how pictures were cropped, how many of each place could be read, and whether
        their features were kept in half precision.
        """
        names = inspect.signature(type(self)).parameters
        settings = {name: as_plain(getattr(self, name)) for name in names if hasattr(self, name)}
        facts = {"crop": self._crop, "half_features": self._half_features, "pictures": self._pictures}
        return {"percent": self.percent} | facts | settings

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        self._crop, self._half_features = repr(data.eval_view), data.half_features
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
        """Features of a source, the same in every process; its unreadable pictures are named once a run."""
        features = features_of(trainer, module, source, view, self.subset)
        self._crop = repr(view or trainer.datamodule.eval_view)  # type: ignore[attr-defined]
        return self._told(trainer, features, source, self.subset)

    def share(
        self,
        trainer: Trainer,
        module: LightningModule,
        source: Source,
        view: View | None = None,
        whole: bool = False,
    ) -> Features:
        """This process's part of a source's features, of which no picture is in two parts; of all, or of ``subset``."""
        subset = None if whole else self.subset
        return self._told(trainer, share_of(trainer, module, source, view, subset), source, subset)

    def _told(self, trainer: Trainer, features: Features, source: Source, subset: int | None) -> Features:
        self._pictures[str(source.path)] = min(len(source), subset or len(source)) - len(features.bad)
        if features.bad and first_time(trainer, str(source.path)):
            log.warning(
                "%d pictures could not be read and are not evaluated, first %s", len(features.bad), features.bad[0]
            )
        return features

    def _run(self, trainer: Trainer, module: LightningModule) -> None:
        try:
            numbers = self.evaluate(trainer, module)
        except NotFinite as error:
            if trainer.state.fn != "fit":
                raise
            if first_time(trainer, "not finite"):
                log.warning("%s; numbers that follow from them are nan", error)
            numbers = dict.fromkeys(self.logged, float("nan"))
        self._refuse_names_of_others(trainer, numbers)
        self.logged, self.ran_at = list(numbers), trainer.global_step
        for name, value in numbers.items():
            # Every process has computed the same number from the same merged features.
            module.log(name, value, rank_zero_only=True)

    def _refuse_names_of_others(self, trainer: Trainer, numbers: Iterable[str]) -> None:
        """Lightning would average numbers of one name, and say nothing."""
        for other in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(other, Evaluation) and other is not self and (both := set(numbers) & set(other.logged)):
                raise UserError(
                    f"{min(both)} is logged by {type(other).__name__} and by {type(self).__name__}: give the sets of "
                    "one of them other names, or leave it out"
                )
