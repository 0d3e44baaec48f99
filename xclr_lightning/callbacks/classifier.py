"""Evaluations that tell classes: by the module's own head, by neighbours in a bank, or by a linear layer."""

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import torch
from lightning import LightningModule, Trainer
from torch import Tensor

from xclr_lightning.callbacks.bank_probe import bank_probe
from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.features import Features, evaluating
from xclr_lightning.callbacks.voting import QUERIES, check_voting, neighbours_in
from xclr_lightning.data import open_source
from xclr_lightning.data.source import labels
from xclr_lightning.distributed import rank
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.class_scores import best_classes, scores_over
from xclr_lightning.evaluation.knn import knn_votes

log = logging.getLogger(__name__)


class ClassEvaluation(Evaluation):
    """An evaluation of which class a picture is taken for.

    Subclass it with :meth:`open`, which begins with :meth:`refuse_guessing`, :meth:`check_classes` and
    :meth:`evaluate`, which asks :meth:`ranked`.

    Args:
        bank: Pictures whose classes are known, for ``knn`` and ``probe``.
        label: The bank's field with the class, whose values are ImageNet's wnids.
        by: ``head`` is the module's own classifier, ``knn`` weighted votes of the nearest pictures of the bank,
            ``probe`` a linear layer fitted to the bank; by default the head where there is one, else ``knn``.
        k: Number of neighbours.
        temperature: T of their weights exp(similarity / T).
        every_n_epochs: How often it runs; 0 turns it off.
        subset: At most so many pictures to classify of each set, drawn at random but alike in every run; all by
            default. The bank is used whole.

    Attributes:
        group: Its name in configs.
        classes: Names of the classes that can be told apart, from the first step on.
    """

    group: str
    classes: list[str]

    def __init__(
        self,
        bank: str | None = None,
        label: str = "class",
        by: Literal["head", "knn", "probe"] | None = None,
        k: int = 20,
        temperature: float = 0.07,
        every_n_epochs: int = 1,
        subset: int | None = None,
    ) -> None:
        super().__init__(every_n_epochs, subset)
        self.bank, self.label, self.by = bank, label, by
        self.k, self.temperature = k, temperature
        check_voting(self.group, [k], temperature)
        self._has_head, self._by = False, by

    @abstractmethod
    def check_classes(self) -> None:
        """Refuse ``classes`` that have nothing to do with the pictures'."""

    def protocol(self) -> dict[str, Any]:
        """What numbers depend on besides the model; ``by`` is what was taken where it was left open."""
        how = {"by": self._by, "bank": self.bank, "label": self.label, "k": self.k, "temperature": self.temperature}
        return super().protocol() | how | {"every_n_epochs": self.every_n_epochs, "subset": self.subset}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._has_head = hasattr(pl_module, "classify")
        super().setup(trainer, pl_module, stage)

    # The head's classes may come with the data or with a checkpoint, both of which are there only now.
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._begin(pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_validation_start(trainer, pl_module)
        if trainer.state.fn == "validate":
            self._begin(pl_module)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_test_start(trainer, pl_module)
        self._begin(pl_module)

    def refuse_guessing(self) -> None:
        """Refuse to tell classes by nothing.

        Raises:
            UserError: There is no bank where one is needed.
        """
        if self.bank is None and not (self._has_head and self.by in (None, "head")):
            raise UserError(f"{self.group}.bank is not set: name the pictures whose classes are known")

    def ranked(
        self, trainer: Trainer, module: LightningModule, asked: Features, *choices: Sequence[Sequence[str]], k: int = 1
    ) -> list[Tensor]:
        """What pictures are taken for, among groups of classes of which the best class counts.

        Args:
            trainer: Whose run it is.
            module: The model.
            asked: Features of the pictures, of all processes.
            choices: The groups to choose from, each the names of its classes; one choice or several.
            k: How many guesses.

        Returns:
            For each choice, numbers of the groups, best first; −1 where nothing speaks for any more. Shape: ``(n, k)``,
            int64.
        """
        found: list[list[Tensor]] = [[] for _ in choices]
        for scores in self._scores(trainer, module, asked):
            for best, groups in zip(found, choices, strict=True):
                best.append(best_classes(scores_over(scores, self.classes, groups), k))
        return [torch.cat(best) for best in found]

    def refuse_strangers(self, wanted: Sequence[str]) -> None:
        """Refuse a classifier that knows none of the classes, and say how many it knows where it is not all.

        Raises:
            UserError: It knows none.
        """
        known = len(set(wanted) & set(self.classes))
        if not known:
            raise UserError(
                f"{self.group} asks for ImageNet's classes by wnid, such as {wanted[0]}, and the classes "
                f"{self._whose()} are others: {', '.join(self.classes[:3])} …"
            )
        if known < len(set(wanted)):
            self.warn(
                f"only {known} of its {len(set(wanted)):,} classes are among those {self._whose()}; pictures of the "
                "others count as wrong"
            )

    def warn(self, message: str) -> None:
        """Say something, once for all processes."""
        if rank() == 0:
            log.warning("%s: %s", self.group, message)

    def _begin(self, module: LightningModule) -> None:
        if not self._on:
            return
        own = getattr(module, "classes", None) if self._has_head else None
        self._by = self.by or ("head" if own else "knn")
        if self._by == "head":
            if not own:
                raise UserError(f"{self.group}.by is head, and {type(module).__name__} has none: choose knn or probe")
            self.classes = list(own)
            try:
                self.check_classes()
                return
            except UserError:
                if self.by or self.bank is None:
                    raise
            self._by = "knn"  # the head tells other classes than these
        if self.bank is None:
            raise UserError(f"{self.group}.bank is not set: name the pictures whose classes are known")
        self._bank = open_source(self.bank)
        numbers, self.classes = labels(self._bank, self.label)
        self._labels = torch.from_numpy(numbers)
        self.check_classes()

    def _whose(self) -> str:
        return "of the module's head" if self._by == "head" else f"in {self.label!r} of {self.bank}"

    def _scores(self, trainer: Trainer, module: LightningModule, asked: Features) -> Iterator[Tensor]:
        """Scores of all classes, −inf for none, for some of the pictures at a time."""
        if self._by == "knn":
            bank = self._whole_bank(trainer, module)
            neighbours = neighbours_in(module, bank, asked, self.k)
            for similarity, number in zip(*(part.split(QUERIES) for part in neighbours), strict=True):
                votes = knn_votes(similarity, self._labels[number], len(self.classes), (self.k,), self.temperature)
                yield votes[self.k].masked_fill(votes[self.k] == 0, -torch.inf)
            return
        score = self._linear(trainer, module)
        with evaluating(module):
            for values in asked.values.split(QUERIES):
                yield score(values.float().to(module.device)).float().cpu()

    def _linear(self, trainer: Trainer, module: LightningModule) -> Callable[[Tensor], Tensor]:
        """Scores of features, by the module's head or by a layer fitted to the bank."""
        if self._by == "head":
            return module.classify  # type: ignore[return-value]
        name, bank = f"{self._bank.path} {self.label}", self._whole_bank(trainer, module)
        return bank_probe(trainer, module, name, bank, self._labels, len(self.classes))

    def _whole_bank(self, trainer: Trainer, module: LightningModule) -> Features:
        """A part of it would be another classifier: fewer pictures are asked about, not known."""
        return self.share(trainer, module, self._bank, whole=True)
