"""Ratios within one run: the loss against plain autograd and bare matrix products, a step of X-CLR against one of
SimCLR, views against torchvision.

Nothing here asserts a time; ``make bench`` prints the table.
"""

import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from xclr_lightning.losses import xclr_loss
from xclr_lightning.objectives import XCLR, ContrastiveModule, SimCLR


def seconds(function: Callable[[], object], repeats: int = 3) -> float:
    """The median of a few timed calls, after one that warms up."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


class Cosines:
    """The graph of unit nodes."""

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b.T


def problem(samples: int) -> tuple[Tensor, Tensor]:
    """Two views' projections and the nodes of a graph."""
    return torch.randn(2 * samples, 128, requires_grad=True), F.normalize(torch.randn(samples, 384), dim=1)


def ours(z: Tensor, nodes: Tensor) -> None:
    xclr_loss(z, (Cosines(), nodes)).backward()


def plain(z: Tensor, nodes: Tensor) -> None:
    own = torch.eye(len(z), dtype=torch.bool)
    unit = F.normalize(z, dim=1)
    logits = (unit @ unit.T / 0.1).masked_fill(own, -torch.inf)
    wide = nodes.repeat(2, 1)
    target = (wide @ wide.T / 0.1).masked_fill(own, -torch.inf).softmax(1)
    F.cross_entropy(logits, target).backward()


def products(z: Tensor, nodes: Tensor) -> None:
    """The matrix products that any form needs: logits, the graph, the gradients of queries and of keys."""
    unit = z.detach()
    weights = unit @ unit.T
    _ = nodes @ nodes.T
    _ = weights @ unit, weights.T @ unit


def test_loss() -> None:
    z, nodes = problem(4096)
    times = {function: seconds(lambda f=function: f(z, nodes), 7) for function in (products, ours, plain)}
    print(f"\nX-CLR loss, forward and backward, {len(z)} rows: {times[ours]:.3f} s, "
          f"{times[plain] / times[ours]:.1f} × faster than plain autograd, "
          f"{times[ours] / times[products]:.2f} × the bare matrix products")  # fmt: skip


@pytest.mark.parametrize(("form", "samples"), [(ours, 4096), (plain, 4096), (ours, 32768)])
def test_memory_of_the_loss(form: Callable[[Tensor, Tensor], None], samples: int) -> None:
    with get_context("spawn").Pool(1) as pool:  # a peak of its own
        extra, took = pool.apply(extra_megabytes, (form, samples))
    print(f"\nX-CLR loss, {form.__name__}, {2 * samples} rows: {extra:.0f} MB beyond its inputs, {took:.1f} s")


def extra_megabytes(form: Callable[[Tensor, Tensor], None], samples: int) -> tuple[float, float]:
    form(*problem(64))
    z, nodes = problem(samples)
    before, start = peak_megabytes(), time.perf_counter()
    form(z, nodes)
    return peak_megabytes() - before, time.perf_counter() - start


def peak_megabytes() -> float:
    """Of this process, from Linux; the one of getrusage would be its parent's."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def test_training_step() -> None:
    """Of X-CLR beside SimCLR, as the demo trains them, batch after batch in turns."""
    settings = {"backbone": "resnet10t", "backbone_kwargs": {"channels": [32, 64, 128, 192], "stem_width": 8}}
    xclr, simclr = (cls(projector=(1024, 128), **settings) for cls in (XCLR, SimCLR))
    xclr.similarity = Cosines().similarity
    views = torch.randint(0, 256, (2, 256, 3, 32, 32), dtype=torch.uint8)
    batch = {"index": torch.arange(256), "nodes": problem(256)[1]}

    def step(module: ContrastiveModule) -> float:
        start = time.perf_counter()
        module.batch_loss(module.project(module(views.flatten(0, 1))).unflatten(0, (2, 256)), batch).backward()
        return time.perf_counter() - start

    ratios = sorted(step(xclr) / step(simclr) for _ in range(21))
    print(f"\nTraining step, X-CLR over SimCLR: {ratios[10]:.3f} (median of 21 pairs)")
