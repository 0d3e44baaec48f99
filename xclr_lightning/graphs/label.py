"""A graph of plain labels: the same class or not, as in supervised contrastive learning."""

from typing import Any

import torch
from torch import Tensor

from xclr_lightning.graphs.base import Captioned
from xclr_lightning.graphs.class_graph import classes_of
from xclr_lightning.graphs.formula import FormulaGraph


class LabelGraph(FormulaGraph):
    """1 where classes agree, else 0, for any number of classes; a node is the class's number.

    X-CLR over it is SupCon as τ_s goes to 0.

    Args:
        field: Metadata field with a sample's class; ``class`` is the name of a picture's subfolder.
    """

    def __init__(self, field: str = "class") -> None:
        self.field = field

    def numbers(self, data: Captioned) -> Tensor:
        return torch.from_numpy(classes_of(data, self.field)[1])

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        return (a[:, None] == b[None, :]).float()

    def settings(self) -> dict[str, Any]:
        return {"field": self.field}
