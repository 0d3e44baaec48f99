"""Two real processes with different data: loss and gradient are those of one process on the joined batch."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch import distributed as dist
from torch import multiprocessing as mp

from xclr_lightning.distributed import gather_with_grad, rank, world_size
from xclr_lightning.objectives import XCLR, ContrastiveModule, Samples, SimCLR, SupCon

RANKS, VIEWS, PER_RANK, DIMENSION = 2, 2, 3, 5


class DotProductXCLR(XCLR):
    """X-CLR whose graph is the nodes' own, without a trainer."""

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b.T


def objectives() -> list[ContrastiveModule]:
    settings = {"backbone": "test_resnet", "projector": (8,), "temperature": 0.2}
    return [SimCLR(**settings), SupCon(**settings), DotProductXCLR(target_temperature=0.3, **settings)]


def joined_batch() -> tuple[Tensor, Samples]:
    """Projections ``(V, n, d)`` and samples of all ranks, rank-major; no two samples are alike."""
    draw = torch.Generator().manual_seed(1)
    z = torch.randn(VIEWS, RANKS * PER_RANK, DIMENSION, generator=draw, dtype=torch.float64).float()
    nodes = torch.nn.functional.normalize(torch.randn(RANKS * PER_RANK, 4, generator=draw), dim=1)
    # Number 4 occurs on both ranks, as it does where one picture stands in for another.
    return z, Samples(torch.tensor([4, 8, 1, 9, 4, 2]), torch.tensor([0, 1, 1, 0, 2, 1]), nodes)


def loss_and_gradient(objective: ContrastiveModule, z: Tensor, samples: Samples) -> tuple[Tensor, Tensor]:
    z = z.clone().requires_grad_()
    loss = objective.loss(z, samples)
    return loss.detach(), torch.autograd.grad(loss, z)[0]


def gather_alone(number: int) -> dict[str, Tensor]:
    """Gather a matrix that differs by rank, under a loss that differs by rank."""
    part = (torch.arange(4.0).view(2, 2) + 10 * number).requires_grad_()
    neighbour = torch.zeros(4, 2, requires_grad=True)
    doubled = 2 * neighbour  # made before the gather, so its backward runs after the gather's
    everything = gather_with_grad(part)
    # An addition hands one and the same gradient tensor to both of its inputs.
    ((everything + doubled) * (number + 1) * torch.arange(8.0).view(4, 2)).sum().backward()
    return {"gathered": everything.detach(), "gradient": part.grad, "neighbour": neighbour.grad}


def run_rank(number: int, folder: Path) -> None:
    """What each process does: its share of the joined batch, and its findings in a file."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=number, world_size=RANKS)
    assert (rank(), world_size()) == (number, RANKS)
    z, samples = joined_batch()
    mine = torch.arange(PER_RANK) + number * PER_RANK
    losses = {type(o).__name__: loss_and_gradient(o, z[:, mine], samples[mine]) for o in objectives()}
    torch.save({"gather": gather_alone(number), "losses": losses}, folder / f"{number}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """Findings of two fresh processes; an exception in either is raised here."""
    folder = tmp_path_factory.mktemp("ranks")
    # Importing is nearly all of the cost: a server does it once, and both processes are forks of it.
    mp.get_context("forkserver").set_forkserver_preload(["xclr_lightning.objectives"])
    mp.start_processes(run_rank, args=(folder,), nprocs=RANKS, start_method="forkserver")
    return [torch.load(folder / f"{number}.pt") for number in range(RANKS)]


@pytest.mark.parametrize("objective", objectives(), ids=lambda o: type(o).__name__)
def test_objective_is_that_of_the_joined_batch(objective, ranks):
    loss, gradient = loss_and_gradient(objective, *joined_batch())
    losses, gradients = zip(*(found["losses"][type(objective).__name__] for found in ranks), strict=True)
    torch.testing.assert_close(torch.stack(losses).mean(), loss, rtol=1e-5, atol=0)
    # DDP averages over ranks.
    difference = torch.cat(gradients, dim=1) / RANKS - gradient
    assert difference.norm() <= 1e-5 * gradient.norm()


def test_ranks_see_different_losses(ranks):
    for first, second in zip(*(found["losses"].values() for found in ranks), strict=True):
        assert not torch.isclose(first[0], second[0], rtol=1e-3)


def test_gather_is_rank_major(ranks):
    expected = torch.cat([torch.arange(4.0), torch.arange(4.0) + 10]).view(4, 2)
    assert all(torch.equal(found["gather"]["gathered"], expected) for found in ranks)


def test_gradient_of_gather_sums_over_ranks(ranks):
    everything = (1 + 2) * torch.arange(8.0).view(4, 2)
    for number, found in enumerate(ranks):
        assert torch.equal(found["gather"]["gradient"], everything[2 * number : 2 * number + 2])


def test_gather_leaves_its_neighbours_gradient_alone(ranks):
    for number, found in enumerate(ranks):
        assert torch.equal(found["gather"]["neighbour"], 2 * (number + 1) * torch.arange(8.0).view(4, 2))


def test_one_process_gathers_itself():
    tensor = torch.ones(2, 3)
    assert gather_with_grad(tensor) is tensor
    assert (rank(), world_size()) == (0, 1)
