"""Ratios within one run: many learning rates at once against one after another and against autograd, ridge regression
against its bare matrix product and scikit-learn, the probe beside a training step.

Nothing here asserts a time; ``make bench`` prints the table.
"""

import time
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from xclr_lightning.evaluation.linear_head import standardisation
from xclr_lightning.evaluation.ridge import ridge_moments, ridge_probe
from xclr_lightning.evaluation.sgd_probe import RATES, SGDHeads, train_heads
from xclr_lightning.objectives import SimCLR


def ratios(*functions: Callable[[], object], rounds: int = 5) -> list[float]:
    """Median time of each function over that of the first, all of them in turns."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds + 1):  # the first warms up
        for function, taken in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    medians = [sorted(taken[1:])[rounds // 2] for taken in times]
    return [median / medians[0] for median in medians]


def problem(count: int, width: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.randint(0, classes, (count,))
    return torch.randn(classes, width)[labels] * 0.2 + torch.randn(count, width), labels


def test_rates_at_once() -> None:
    x, labels = problem(8192, 512, 100)

    def one_by_one() -> None:
        for rate in RATES:
            train_heads(x, labels, 100, [rate], epochs=1)

    def by_autograd() -> None:
        mean, scale = standardisation(x)
        for rate in RATES:
            layer = nn.Linear(512, 100)
            optimizer = torch.optim.SGD(layer.parameters(), rate, momentum=0.9)
            for batch in torch.randperm(len(x)).split(1024):
                optimizer.zero_grad()
                F.cross_entropy(layer((x[batch] - mean) / scale), labels[batch]).backward()
                optimizer.step()

    found = ratios(lambda: train_heads(x, labels, 100, epochs=1), one_by_one, by_autograd)
    print(f"\nSGD probe, {len(RATES)} rates at once: {found[1]:.2f} × faster than one by one, {found[2]:.2f} × faster "
          "than autograd one by one")  # fmt: skip


def test_ridge() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, labels = problem(4096, 512, 100)
    double = x.double()
    strengths = (1e-3, 1e-1, 10.0)
    reference = linear_model.RidgeClassifierCV([s * len(x) for s in strengths])
    moments = ratios(lambda: double.T @ double, lambda: ridge_moments(x, labels, 100))[1]
    whole = ratios(
        lambda: ridge_probe(x, labels, 100, strengths), lambda: reference.fit(double.numpy(), labels.numpy())
    )[1]
    print(f"\nridge: moments of features {moments:.2f} × the bare matrix product; all of it with leave-one-out over "
          f"{len(strengths)} strengths {whole:.2f} × faster than scikit-learn's RidgeClassifierCV")  # fmt: skip


def test_probe_beside_a_training_step() -> None:
    """As the demo trains: 512 views, 320 classes."""
    channels = {"channels": [32, 64, 128, 192], "stem_width": 8}
    module = SimCLR(backbone="resnet10t", backbone_kwargs=channels, projector=(1024, 128))
    views = torch.randint(0, 256, (2, 256, 3, 32, 32), dtype=torch.uint8)
    batch = {"index": torch.arange(256), "labels": torch.randint(0, 320, (256,))}
    heads, labels = SGDHeads(1, 320, module.feature_dim), batch["labels"].repeat(2)
    features = torch.randn(512, module.feature_dim)

    def step() -> None:
        module.batch_loss(module.project(module(views.flatten(0, 1))).unflatten(0, (2, 256)), batch).backward()

    def probe() -> None:
        weight, bias, _ = heads.gradients(features, labels)
        heads.step(weight, bias, torch.tensor([0.1]))

    print(f"\nlinear probe beside a training step of the demo: {100 * ratios(step, probe)[1]:.2f} % of it")
