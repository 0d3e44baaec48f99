"""MIT-States: what features say of a thing's state and of the thing (Isola et al. 2015)."""

import torch
from lightning import LightningModule, Trainer

from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.features import chosen
from xclr_lightning.data import ImageFolder, locate
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation import linear_probe_predict, random_halves

# Folders of plain pictures carry this in place of an adjective.
PLAIN = "adj"


class MITStates(Evaluation):
    """Accuracy of a linear layer for attributes and one for objects, ``mit_states/attribute``, ``mit_states/object``.

    ``mit_states/pair`` is the share of pictures of which both are right.

    The pictures of ``release_dataset/images/<adjective> <noun>/`` are split at random into two even halves: the layers
    are trained on one and scored on the other, as X-CLR's authors do.

    Args:
        root: The folder that holds ``release_dataset``.
        seed: Of the split.
        plain: Take the pictures without an adjective too.
        every_n_epochs: How often it runs; 0 turns it off.
        subset: At most so many pictures.

    Reference:
        Isola et al., Discovering States and Transformations in Image Collections, CVPR 2015.
    """

    def __init__(
        self,
        root: str | None = None,
        seed: int = 0,
        plain: bool = False,
        every_n_epochs: int = 1,
        subset: int | None = None,
    ) -> None:
        super().__init__(every_n_epochs, subset)
        self.root, self.seed, self.plain = root, seed, plain

    def open(self) -> bool:
        if self.root is None:
            return False
        images = locate(self.root) / "release_dataset" / "images"
        if not images.is_dir():
            raise UserError(
                f"{images} is missing: mit_states.root {self.root} must hold release_dataset/images/<state> <noun>/ "
                "(the release is at https://web.mit.edu/phillipi/Public/states_and_transformations)"
            )
        self._source = ImageFolder(images)
        pairs = [folder.partition(" ") for folder in self._source.fields("class")]
        self._used = torch.tensor([bool(noun) and (self.plain or adjective != PLAIN) for adjective, _, noun in pairs])
        self._labels = {
            "attribute": _numbers([adjective for adjective, _, _ in pairs]),
            "object": _numbers([noun for _, _, noun in pairs]),
        }
        self._refuse_few(int(self._used[chosen(len(pairs), self.subset)].sum()))
        return True

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        features = self.features(trainer, module, self._source)
        used = self._used[features.index]
        values, index = features.values[used], features.index[used]
        self._refuse_few(len(values))
        train, test = random_halves(len(values), self.seed)
        right = {}
        for name, numbers in self._labels.items():
            found = linear_probe_predict(values[train], numbers[index[train]], values[test])
            right[name] = found == numbers[index[test]]
        right["pair"] = right["attribute"] & right["object"]
        return {f"mit_states/{name}": hit.float().mean().item() for name, hit in right.items()}

    def _refuse_few(self, count: int) -> None:
        """Refuse halves of which one is empty."""
        if count < 2:
            looked_at = min(len(self._source), self.subset or len(self._source))
            raise UserError(
                f"mit_states: {count} of {looked_at:,} pictures in {self._source.path} can be used: expected 2 or more "
                "in folders <state> <noun>; raise mit_states.subset, or take 'adj <noun>' too by mit_states.plain"
            )


def _numbers(values: list[str]) -> torch.Tensor:
    names = {name: i for i, name in enumerate(sorted(set(values)))}
    return torch.tensor([names[value] for value in values])
