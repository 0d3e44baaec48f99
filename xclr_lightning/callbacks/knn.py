"""Weighted kNN accuracy of the backbone's features."""

from dataclasses import dataclass

import torch
from lightning import LightningModule, Trainer

from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.voting import neighbours_in, predictions
from xclr_lightning.data import Source, open_source
from xclr_lightning.data.source import labels


@dataclass
class KNNSet:
    """What is classified by what: queries take the ``label`` of their neighbours in the bank.

    Args:
        bank: Pictures whose labels are known.
        queries: Pictures to classify.
        label: The field with the label: ``class`` for one subfolder a class.
    """

    bank: str
    queries: str
    label: str = "class"


class KNN(Evaluation):
    """Weighted kNN, logged as ``NAME/top1@k`` for each set and k.

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
        self._opened: dict[str, tuple[Source, Source]] = {}

    def open(self) -> bool:
        self._opened = {name: (open_source(s.bank), open_source(s.queries)) for name, s in self.sets.items()}
        self._labels = {name: self._number(name) for name in self.sets}
        return bool(self.sets)

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        results = {}
        for name, (bank, queries) in self._opened.items():
            bank_labels, query_labels = self._labels[name]
            known, asked = self.share(trainer, module, bank), self.features(trainer, module, queries)
            neighbours = neighbours_in(module, known, asked, max(self.k))
            classes = int(bank_labels.max()) + 1
            for k, found in predictions(neighbours, bank_labels, classes, self.k, self.temperature).items():
                results[f"{name}/top1@{k}"] = (found == query_labels[asked.index]).float().mean().item()
        return results

    def _number(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        bank, queries = self._opened[name]
        bank_labels, names = labels(bank, self.sets[name].label)
        return torch.from_numpy(bank_labels), torch.from_numpy(labels(queries, self.sets[name].label, names)[0])
