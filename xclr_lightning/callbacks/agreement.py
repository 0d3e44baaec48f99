"""How far the network's similarities follow numbers that are known of held-out pictures."""

from collections.abc import Sequence

import torch
from lightning import LightningModule, Trainer
from torch import Tensor

from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.features import projections
from xclr_lightning.data import open_source
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.agreement import order_agreement

# Half a million pairs settle a rank correlation.
MOST_PICTURES = 1000


class Agreement(Evaluation):
    """Rank correlation of z's cosines with nearness in each of some columns, logged as ``agreement/<column>``.

    It is taken over the pairs of pictures that differ in the column, so that telling values apart earns nothing: only
    their order does. Of more than 1,000 pictures, as many are taken at even distances.

    Args:
        pictures: Held-out pictures.
        columns: Their metadata fields with numbers.
        every_n_epochs: How often it runs; 0 turns it off.
    """

    percent = False

    def __init__(self, pictures: str | None = None, columns: list[str] | None = None, every_n_epochs: int = 1) -> None:
        super().__init__(every_n_epochs)
        self.pictures, self.columns = pictures, columns or []

    def open(self) -> bool:
        if self.pictures is None:
            return False
        self._source = open_source(self.pictures)
        self._values = {column: _numbers(column, self._source.fields(column)) for column in self.columns}
        return bool(self.columns)

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        features = self.features(trainer, module, self._source)
        chosen = torch.linspace(0, len(features.index) - 1, min(len(features.index), MOST_PICTURES)).long()
        z = projections(module, features)[chosen]
        return {
            f"agreement/{column}": order_agreement(z @ z.T, values[features.index[chosen]])
            for column, values in self._values.items()
        }


def _numbers(column: str, values: Sequence[str]) -> Tensor:
    try:
        return torch.tensor([float(value) for value in values], dtype=torch.float64)
    except ValueError as error:
        raise UserError(
            f"column {column!r} of agreement.columns: {error}; a number is expected of each picture"
        ) from error
