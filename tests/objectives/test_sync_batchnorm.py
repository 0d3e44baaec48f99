"""Synchronised batch norm in one process: PyTorch's own, to the last digits that matter."""

import copy

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from xclr_lightning.objectives.sync_batchnorm import GatheredBatchNorm, synchronized

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm2d(3),
        nn.BatchNorm2d(3, momentum=None),
        nn.BatchNorm2d(3, track_running_stats=False),
        nn.BatchNorm2d(3, affine=False),
        BatchNormAct2d(3),
    ],
    ids=["plain", "cumulative", "untracked", "not affine", "activated"],
)
def test_it_is_batch_norm(norm, dtype):
    norm = copy.deepcopy(norm)
    gathered = synchronized(copy.deepcopy(norm), CPU)
    assert isinstance(gathered, GatheredBatchNorm)
    x = (20 + torch.randn(8, 3, 5, 5)).to(dtype)
    for _ in range(3):
        ours, theirs = gathered(x), norm(x)
        assert ours.dtype == theirs.dtype == dtype
        torch.testing.assert_close(ours, theirs, rtol=1.6e-2 if dtype == torch.bfloat16 else 1e-4, atol=1e-4)
    assert gathered.state_dict().keys() == norm.state_dict().keys()
    for found, expected in zip(gathered.state_dict().values(), norm.state_dict().values(), strict=True):
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gathered.eval()(x + 1), norm.eval()(x + 1), rtol=1.6e-2, atol=1e-2)


def test_it_is_converted_once():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.ReLU())
    weight = model[0].weight
    assert synchronized(synchronized(model, CPU), CPU) is model
    assert isinstance(model[0], GatheredBatchNorm)
    assert model[0].weight is weight
