"""A bank and queries whose labels share their numbers."""

import logging
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from xclr_lightning.data import Source, open_source
from xclr_lightning.data.source import labels
from xclr_lightning.distributed import rank
from xclr_lightning.errors import UserError

log = logging.getLogger(__name__)


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


@dataclass
class Labelled:
    """Pictures whose labels are known, and pictures to classify.

    ``bank_labels`` ``(B,)`` and ``query_labels`` ``(Q,)`` are int64, the latter −1 where ``classes`` lacks the label;
    ``own`` is whether the queries are the bank's own pictures.
    """

    bank: Source
    queries: Source
    bank_labels: Tensor
    query_labels: Tensor
    classes: list[str]
    own: bool


def open_labelled(setting: str, names: KNNSet) -> Labelled:
    """Open what a config names.

    Args:
        setting: Where it does so, such as ``knn.sets.NAME``, for messages.
        names: The bank, the queries and their label.

    Raises:
        UserError: No query is of a class that the bank has.
    """
    bank, queries = open_source(names.bank), open_source(names.queries)
    known, classes = labels(bank, names.label)
    asked = query_labels(setting, queries, names.label, classes, f"the bank {bank.path}")
    return Labelled(bank, queries, torch.from_numpy(known), asked, classes, same_pictures(bank, queries))


def query_labels(setting: str, queries: Source, label: str, classes: list[str], known: str) -> Tensor:
    """Numbers of the queries' classes among those that are known, −1 for others, which count as wrong.

    Args:
        setting: What names the queries, for messages.
        queries: The pictures.
        label: The field with their class.
        classes: The classes that are known.
        known: What has them, for messages.

    Returns:
        Shape: ``(Q,)``, int64.

    Raises:
        UserError: None is known.
    """
    numbers, _ = labels(queries, label, classes)
    strange = int((numbers < 0).sum())
    if strange == len(numbers):
        raise UserError(
            f"{setting}: no {label!r} of the queries {queries.path} occurs in {known}, which has "
            f"{', '.join(classes[:5])} …; check its label"
        )
    if strange and rank() == 0:
        log.warning(
            "%s: %s of %s queries are of a class that %s lacks, and count as wrong",
            setting,
            f"{strange:,}",
            f"{len(numbers):,}",
            known,
        )
    return torch.from_numpy(numbers)


def warn_if_fitted_to(setting: str, one: Labelled) -> None:
    """Say that a classifier is scored on the very pictures that it is fitted to."""
    if one.own and rank() == 0:
        log.warning("%s: bank and queries are the same pictures: it is scored on what it has been told", setting)


def same_pictures(one: Source, other: Source) -> bool:
    """Whether two sources are one and the same, however their paths are spelt."""
    return one.path.resolve() == other.path.resolve() and np.array_equal(one.keys(), other.keys())
