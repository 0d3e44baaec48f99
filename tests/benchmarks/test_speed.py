"""Ratios within one run: the loss against plain autograd and bare matrix products, views against torchvision.

Nothing here asserts a time; ``make bench`` prints the table.
"""

import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from torchvision.transforms import v2

from xclr_lightning.data import Photometric, RandomCropView
from xclr_lightning.graphs import EmbeddingGraph
from xclr_lightning.losses import xclr_loss


def seconds(function: Callable[[], object], repeats: int = 3) -> float:
    """The median of a few timed calls, after one that warms up."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def test_loss() -> None:
    samples, dimension, node = 4096, 128, 384
    z = torch.randn(2 * samples, dimension, requires_grad=True)
    nodes = F.normalize(torch.randn(samples, node), dim=1).half()
    graph = EmbeddingGraph([nodes.numpy()])

    def ours() -> None:
        xclr_loss(z, (graph, nodes)).backward()

    def plain() -> None:
        own = torch.eye(2 * samples, dtype=torch.bool)
        unit = F.normalize(z, dim=1)
        logits = (unit @ unit.T / 0.1).masked_fill(own, -torch.inf)
        wide = nodes.float().repeat(2, 1)
        target = (wide @ wide.T / 0.1).masked_fill(own, -torch.inf).softmax(1)
        F.cross_entropy(logits, target).backward()

    def products() -> None:
        unit, wide = z.detach(), nodes.float()
        weights = unit @ unit.T
        _ = wide.repeat(2, 1) @ wide.T
        _ = weights @ unit, weights.T @ unit

    times = {function.__name__: seconds(function) for function in (products, ours, plain)}
    print(f"\nX-CLR loss, forward and backward, {2 * samples} rows: {times['ours']:.2f} s, "
          f"{times['plain'] / times['ours']:.1f} × faster than plain autograd, "
          f"{times['ours'] / times['products']:.2f} × the bare matrix products")  # fmt: skip


def test_views() -> None:
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (375, 500, 3), dtype=np.uint8)) for _ in range(32)]
    colour = v2.RandomApply([v2.ColorJitter(0.8, 0.8, 0.8, 0.2)], 0.8)
    blur = v2.RandomApply([v2.GaussianBlur(23, (0.1, 2.0))], 0.5)
    steps = [v2.RandomResizedCrop(224, (0.08, 1.0)), v2.RandomHorizontalFlip(), colour, v2.RandomGrayscale(0.2), blur]
    torchvision = v2.Compose([*steps, v2.PILToTensor()])
    crop, photometric = RandomCropView(224), Photometric()

    def ours() -> None:
        photometric(torch.stack([crop(picture) for picture in pictures]))

    def theirs() -> None:
        torch.stack([torchvision(picture) for picture in pictures])

    mine, peer = seconds(ours), seconds(theirs)
    print(f"\nSimCLR views of 500 × 375 pictures: {len(pictures) / mine:.0f} a second, "
          f"{peer / mine:.1f} × torchvision's transforms one by one")  # fmt: skip
