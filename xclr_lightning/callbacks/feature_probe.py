"""Linear evaluation on stored features: no views, no backbone in the loop."""

from typing import Literal

from lightning import LightningModule, Trainer

from xclr_lightning.callbacks.bank_probe import bank_probe
from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.labelled import KNNSet, open_labelled, warn_if_fitted_to
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.sgd_probe import sgd_probe


class FeatureProbe(Evaluation):
    """Accuracy of a linear classifier fitted to a bank's features, as ``NAME/ridge`` and ``NAME/sgd`` for each set.

    Nothing is chosen on the queries: ridge regression's strength is chosen by leave-one-out on the bank, SGD's learning
    rate on a part of the bank that is held out.

    Args:
        sets: NAME → bank, queries and label.
        classifiers: ``ridge``, in closed form, for which the bank may be spread over the processes; and ``sgd``, on
            several learning rates at once, for which every process keeps the whole bank.
        epochs: Of SGD.
        batch_size: Of SGD.
        seed: Of SGD.
        every_n_epochs: How often it runs; 0 turns it off.
        subset: At most so many pictures of each bank and each set of queries.
    """

    def __init__(
        self,
        sets: dict[str, KNNSet] | None = None,
        classifiers: list[Literal["ridge", "sgd"]] = ["ridge"],  # noqa: B006 - never changed
        epochs: int = 10,
        batch_size: int = 1024,
        seed: int = 0,
        every_n_epochs: int = 1,
        subset: int | None = None,
    ) -> None:
        super().__init__(every_n_epochs, subset)
        self.sets, self.classifiers = sets or {}, classifiers
        self.epochs, self.batch_size, self.seed = epochs, batch_size, seed
        if not classifiers or min(epochs, batch_size) < 1:
            raise UserError(
                f"feature_probe.classifiers {classifiers}, epochs {epochs}, batch_size {batch_size}: expected 1 or more"
            )

    def open(self) -> bool:
        self._opened = {name: open_labelled(f"feature_probe.sets.{name}", one) for name, one in self.sets.items()}
        for name, one in self._opened.items():
            warn_if_fitted_to(f"feature_probe.sets.{name}", one)
        return bool(self.sets)

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        results = {}
        for name, one in self._opened.items():
            queries, classes = self.features(trainer, module, one.queries), len(one.classes)
            truth = one.query_labels[queries.index]
            for classifier in self.classifiers:
                if classifier == "ridge":
                    share = self.share(trainer, module, one.bank)
                    known = f"{self.sets[name]} {self.subset}"
                    head = bank_probe(trainer, module, known, share, one.bank_labels, classes)
                else:
                    bank = self.features(trainer, module, one.bank)
                    head, _ = sgd_probe(
                        bank.values, one.bank_labels[bank.index], classes, epochs=self.epochs,
                        batch_size=self.batch_size, seed=self.seed, device=module.device,
                    )  # fmt: skip
                results[f"{name}/{classifier}"] = head.accuracy(queries.values, truth)
        return results
