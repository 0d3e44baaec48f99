"""Accuracy from a few examples of each class."""

from typing import Literal

from lightning import LightningModule, Trainer

from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.features import chosen
from xclr_lightning.callbacks.labelled import KNNSet, open_labelled, warn_if_fitted_to
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.few_shot import few_shot_accuracy


class FewShot(Evaluation):
    """Classification from n random examples a class, as ``NAME/top1@5shot`` and ``NAME/std@5shot`` for each set and n.

    The examples are drawn anew several times; the numbers are mean and standard deviation of the accuracy over draws.

    Args:
        sets: NAME → bank, from which examples are drawn, queries and label.
        shots: Numbers n of examples a class.
        repeats: Draws of the examples.
        seed: Of the draws.
        classifier: ``mean``: the class whose examples' mean direction is nearest; ``ridge``: ridge regression.
        every_n_epochs: How often it runs; 0 turns it off.
        subset: At most so many pictures of each bank and each set of queries.
    """

    def __init__(
        self,
        sets: dict[str, KNNSet] | None = None,
        shots: list[int] | int = [1, 2, 5, 10],  # noqa: B006 - never changed
        repeats: int = 10,
        seed: int = 0,
        classifier: Literal["mean", "ridge"] = "mean",
        every_n_epochs: int = 1,
        subset: int | None = None,
    ) -> None:
        super().__init__(every_n_epochs, subset)
        self.sets = sets or {}
        self.shots = [shots] if isinstance(shots, int) else shots
        self.repeats, self.seed, self.classifier = repeats, seed, classifier
        if not self.shots or min(self.shots) < 1 or repeats < 1:
            raise UserError(f"few_shot.shots {self.shots}, few_shot.repeats {repeats}: expected 1 or more of each")

    def open(self) -> bool:
        self._opened = {name: open_labelled(f"few_shot.sets.{name}", one) for name, one in self.sets.items()}
        for name, one in self._opened.items():
            warn_if_fitted_to(f"few_shot.sets.{name}", one)
            sizes = one.bank_labels[chosen(len(one.bank), self.subset)].bincount(minlength=len(one.classes))
            if sizes.min() < max(self.shots):
                raise UserError(
                    f"{name} draws {max(self.shots)} examples a class, and class {one.classes[sizes.argmin()]!r} of "
                    f"{one.bank.path} has {sizes.min()}: take {max(self.shots)} out of few_shot.shots"
                )
        return bool(self.sets)

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        results = {}
        for name, one in self._opened.items():
            bank, queries = (self.features(trainer, module, source) for source in (one.bank, one.queries))
            known, truth = one.bank_labels[bank.index], one.query_labels[queries.index]
            values, asked = bank.values.to(module.device), queries.values.to(module.device)
            for shots in self.shots:
                accuracies = few_shot_accuracy(
                    values, known.to(values.device), asked, truth, len(one.classes), shots, self.repeats, self.seed,
                    self.classifier,
                )  # fmt: skip
                results[f"{name}/top1@{shots}shot"] = accuracies.mean().item()
                results[f"{name}/std@{shots}shot"] = accuracies.std(correction=0).item()
        return results
