"""How far the network's similarities follow numbers that are known of held-out pictures."""

from collections.abc import Sequence

import torch
from lightning import LightningModule, Trainer
from scipy.stats import spearmanr
from torch import Tensor

from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.features import projections
from xclr_lightning.data import open_source
from xclr_lightning.errors import UserError

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
            f"agreement/{column}": agreement(z @ z.T, values[features.index[chosen]])
            for column, values in self._values.items()
        }


def agreement(similarity: Tensor, values: Tensor) -> float:
    """Spearman's correlation of similarity and nearness over the pairs whose values differ; ties share their mean rank.

    Args:
        similarity: Symmetric. Shape: ``(n, n)``.
        values: A number of each sample. Shape: ``(n,)``.

    Returns:
        In [−1, 1]; 0 where similarities or distances are constant.

    Example:
        >>> values = torch.tensor([0.0, 0.0, 1.0, 3.0])
        >>> distance = (values[:, None] - values).abs()
        >>> round(agreement(-distance, values), 4), round(agreement(distance, values), 4)
        (1.0, -1.0)
    """
    i, j = torch.triu_indices(len(values), len(values), offset=1)
    distance, learned = (values[i] - values[j]).abs(), similarity[i, j]
    differ = distance > 0
    distance, learned = distance[differ], learned[differ]
    if len(distance.unique()) < 2 or len(learned.unique()) < 2:
        return 0.0
    return float(spearmanr(learned, -distance).statistic)


def _numbers(column: str, values: Sequence[str]) -> Tensor:
    try:
        return torch.tensor([float(value) for value in values], dtype=torch.float64)
    except ValueError as error:
        raise UserError(
            f"column {column!r} of agreement.columns: {error}; a number is expected of each picture"
        ) from error
