"""The moving average: its arithmetic, batch norm included, and that it stays out of training."""

from collections import OrderedDict

import torch
from torch import nn

from xclr_lightning.objectives import SimCLR
from xclr_lightning.objectives.average import WeightAverage, fit_to


def test_average_is_exponential():
    live = nn.Sequential(OrderedDict(backbone=nn.BatchNorm1d(2), projector=nn.Linear(2, 1), other=nn.Linear(1, 1)))
    backbone, projector = live.backbone, live.projector
    average = WeightAverage({"backbone": backbone, "projector": projector}, decay=0.75)
    expected = None
    for step in range(4):
        with torch.no_grad():
            projector.weight.fill_(step + 1.0)
        backbone(torch.randn(8, 2) + step)
        average.update(live)
        current = torch.cat([projector.weight[0], backbone.running_mean])
        expected = current if expected is None else 0.75 * expected + 0.25 * current
    found = torch.cat([average["projector"].weight[0], average["backbone"].running_mean])
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, current)


def test_average_is_never_trained():
    module = SimCLR(backbone="test_resnet", projector=(8,), ema_decay=0.9).train()
    assert module.average is not None
    assert not any(p.requires_grad for p in module.average.parameters())
    assert not any(layer.training for layer in module.average.modules())
    assert module.backbone.training


def test_the_average_is_what_evaluation_sees():
    module = SimCLR(backbone="test_resnet", projector=(8,), ema_decay=0.9)
    images = torch.rand(2, 3, 32, 32)
    live = module.eval().backbone(images)
    with torch.no_grad():
        for p in module.average["backbone"].parameters():
            p.mul_(1.5)
    features = module((images * module.std) + module.mean)
    assert not torch.allclose(features, live)
    torch.testing.assert_close(features, module.average["backbone"](images), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(module.project(features), module.average["projector"](features))
    module.train()
    assert module.project(features).equal(module.projector(features))


def test_a_checkpoint_without_an_average_starts_one():
    plain, averaged = (SimCLR(backbone="test_resnet", projector=(8,), ema_decay=decay) for decay in (0.0, 0.9))
    state = plain.state_dict()
    fit_to(state, averaged.average)
    averaged.load_state_dict(state)
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(averaged.eval()(images), plain.eval()(images))


def test_a_checkpoint_with_an_average_loads_into_a_module_without():
    averaged, plain = (SimCLR(backbone="test_resnet", projector=(8,), ema_decay=decay) for decay in (0.9, 0.0))
    state = averaged.state_dict()
    fit_to(state, plain.average)
    plain.load_state_dict(state)
    assert torch.equal(plain.projector[0].weight, averaged.projector[0].weight)
