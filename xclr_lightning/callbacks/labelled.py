"""A bank and queries whose labels share their numbers."""

from dataclasses import dataclass

import torch
from torch import Tensor

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


@dataclass
class Labelled:
    """Pictures whose labels are known, and pictures to classify.

    ``bank_labels`` ``(B,)`` and ``query_labels`` ``(Q,)`` are int64, the latter −1 where ``classes`` lacks the label.
    """

    bank: Source
    queries: Source
    bank_labels: Tensor
    query_labels: Tensor
    classes: list[str]


def open_labelled(names: KNNSet) -> Labelled:
    """Open what a config names."""
    bank, queries = open_source(names.bank), open_source(names.queries)
    known, classes = labels(bank, names.label)
    asked, _ = labels(queries, names.label, classes)
    return Labelled(bank, queries, torch.from_numpy(known), torch.from_numpy(asked), classes)
