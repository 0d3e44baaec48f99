"""The losses in their limits, as established libraries compute them."""

import pytest
import torch
from lightly.loss import NTXentLoss
from pytorch_metric_learning.losses import SupConLoss

from xclr_lightning.losses import nt_xent_loss, supcon_loss, xclr_loss


def assert_same(ours: torch.Tensor, theirs: torch.Tensor, z: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(
        *(torch.autograd.grad(loss, z, retain_graph=True)[0] for loss in (ours, theirs)), rtol=1e-4, atol=1e-7
    )


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_identity_graph_is_nt_xent_as_lightly_computes_it(temperature):
    z = torch.randn(2 * 33, 16).requires_grad_()
    theirs = NTXentLoss(temperature)(*z.split(33))
    assert_same(nt_xent_loss(z, temperature), theirs, z)
    assert_same(xclr_loss(z, torch.eye(33), temperature, target_temperature=1e-3), theirs, z)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_label_graph_is_supcon_as_pytorch_metric_learning_computes_it(temperature):
    z, labels = torch.randn(2 * 33, 16).requires_grad_(), torch.randint(5, (33,))
    theirs = SupConLoss(temperature)(z, labels.repeat(2))
    same = (labels[:, None] == labels).float()
    assert_same(supcon_loss(z, labels, temperature), theirs, z)
    assert_same(xclr_loss(z, same, temperature, target_temperature=1e-3), theirs, z)
