"""Nearest neighbours of pictures in a bank that is spread over the processes."""

import torch
from lightning import LightningModule
from torch import Tensor

from xclr_lightning.callbacks.features import Features
from xclr_lightning.distributed import gather_rows, world_size
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.knn import knn_votes
from xclr_lightning.evaluation.neighbours import merge_nearest, nearest

# Queries whose neighbours the processes exchange at once.
QUERIES = 8192


def neighbours_in(module: LightningModule, bank: Features, queries: Features, k: int) -> tuple[Tensor, Tensor]:
    """Each query's nearest pictures among those of all processes, the same in every process and for any number of them.

    Args:
        module: On whose device they are sought.
        bank: This process's part of the bank.
        queries: Of all processes.
        k: Neighbours, or as many as the bank has.

    Returns:
        Cosines, float32, and numbers of the pictures, int64, best first. Shapes: ``(Q, k)``, on the CPU.
    """
    values, found = bank.values.to(module.device), []
    for block in queries.values.split(QUERIES):
        similarity, place = nearest(values, block.to(module.device), k)
        number = bank.index.to(place.device)[place]
        if world_size() > 1:
            similarity, number = _merged(similarity, number, k)
        found.append((similarity.cpu(), number.cpu()))
    similarities, numbers = zip(*found, strict=True)
    return torch.cat(similarities), torch.cat(numbers)


def _merged(similarity: Tensor, number: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Every process has another number of columns: rows are exchanged, so columns travel as rows."""
    columns = [gather_rows(part.T.contiguous(), part.device) for part in (similarity, number)]
    return merge_nearest([(columns[0].T, columns[1].T)], k)


def without_self(neighbours: tuple[Tensor, Tensor], own: Tensor) -> tuple[Tensor, Tensor]:
    """Neighbours of a bank's own pictures among the others, one fewer of each.

    Args:
        neighbours: As :func:`neighbours_in` gives them.
        own: Each query's number in the bank. Shape: ``(Q,)``, int64.

    Example:
        >>> cosines, numbers = torch.tensor([[1.0, 0.9], [1.0, 1.0]]), torch.tensor([[7, 3], [2, 5]])
        >>> without_self((cosines, numbers), torch.tensor([7, 8]))[1].tolist()  # two copies of 8 came before it
        [[3], [2]]
    """
    similarity, number = neighbours
    others = (number == own[:, None]).byte().argsort(dim=1, stable=True)[:, :-1]
    return similarity.gather(1, others), number.gather(1, others)


def check_voting(group: str, k: list[int], temperature: float) -> None:
    """Refuse settings by which no neighbour could vote.

    Raises:
        UserError: They are such.
    """
    if not k or min(k) < 1 or not temperature > 0:
        raise UserError(f"{group}.k {k}, {group}.temperature {temperature}: expected 1 or more of each k, and above 0")


def predictions(
    neighbours: tuple[Tensor, Tensor], labels: Tensor, num_classes: int, k: list[int], temperature: float
) -> dict[int, Tensor]:
    """The class that neighbours vote for, with a part of the scores in memory at a time.

    Args:
        neighbours: As :func:`neighbours_in` gives them.
        labels: The class of every picture of the bank, int64.
        num_classes: C.
        k: Numbers of neighbours that vote.
        temperature: T of the weights exp(similarity / T).

    Returns:
        For each k, classes. Shape: ``(Q,)``, int64.
    """
    best: dict[int, list[Tensor]] = {size: [] for size in k}
    for similarity, number in zip(*(part.split(QUERIES) for part in neighbours), strict=True):
        for size, votes in knn_votes(similarity, labels[number], num_classes, k, temperature).items():
            best[size].append(votes.argmax(1))
    return {size: torch.cat(blocks) for size, blocks in best.items()}
