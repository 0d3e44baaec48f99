"""Weighted kNN accuracy of the backbone's features."""

from lightning import LightningModule, Trainer

from xclr_lightning.callbacks.charts import draw_over_k
from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.figures import after_epoch, show
from xclr_lightning.callbacks.labelled import KNNSet, open_labelled
from xclr_lightning.callbacks.voting import check_voting, neighbours_in, predictions, without_self


class KNN(Evaluation):
    """Weighted kNN, logged as ``NAME/top1@k`` for each set and k, and over several k as the figure ``knn/over_k``.

    Where the queries are the bank's own pictures, each is classified by the others.

    Args:
        sets: NAME → what is classified by what.
        k: Numbers of neighbours.
        temperature: T of the weights exp(similarity / T).
        every_n_epochs: How often it runs; 0 turns it off.
        subset: At most so many pictures of each bank and each set of queries.
    """

    def __init__(
        self,
        sets: dict[str, KNNSet] | None = None,
        k: list[int] | int = [10, 20, 100, 200],  # noqa: B006 - never changed
        temperature: float = 0.07,
        every_n_epochs: int = 1,
        subset: int | None = None,
    ) -> None:
        super().__init__(every_n_epochs, subset)
        self.sets, self.temperature = sets or {}, temperature
        self.k = [k] if isinstance(k, int) else k
        check_voting("knn", self.k, temperature)

    def open(self) -> bool:
        self._opened = {name: open_labelled(f"knn.sets.{name}", one) for name, one in self.sets.items()}
        return bool(self.sets)

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        curves: dict[str, dict[int, float]] = {}
        for name, one in self._opened.items():
            bank, queries = self.share(trainer, module, one.bank), self.features(trainer, module, one.queries)
            neighbours = neighbours_in(module, bank, queries, max(self.k) + one.own)
            if one.own:
                neighbours = without_self(neighbours, queries.index)
            found = predictions(neighbours, one.bank_labels, len(one.classes), self.k, self.temperature)
            truth = one.query_labels[queries.index]
            curves[name] = {k: (best == truth).float().mean().item() for k, best in found.items()}
        if len(self.k) > 1 and trainer.is_global_zero:
            show(trainer, "knn/over_k", draw_over_k(curves, f"kNN accuracy{after_epoch(trainer)}"))
        return {f"{name}/top1@{k}": value for name, curve in curves.items() for k, value in curve.items()}
