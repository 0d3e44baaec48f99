"""Models of timm's as they are: their features, their own classifiers and the names of the classes."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.data import ImageNetInfo, resolve_model_data_config

from xclr_lightning.errors import UserError
from xclr_lightning.objectives import SimCLR
from xclr_lightning.objectives.classifier import class_names
from xclr_lightning.objectives.pretrained import Pretrained


def whole(name: str, **arguments: object) -> torch.nn.Module:
    torch.manual_seed(3)
    return timm.create_model(name, **arguments).eval()


def normalised(model: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    config = resolve_model_data_config(model)
    mean, std = (torch.tensor(config[name]).view(-1, 1, 1) for name in ("mean", "std"))
    return (images - mean) / std


# A linear classifier, a convolution, one on tokens, one behind a layer more, one behind a norm.
@pytest.mark.parametrize("name", ["test_resnet", "resnetv2_18", "test_vit", "mobilenetv3_small_050", "test_convnext"])
def test_features_and_logits_are_those_of_timm(tmp_path: Path, name: str) -> None:
    model = whole(name)
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, tmp_path / "x.safetensors")
    module = Pretrained(name, init_from=str(tmp_path / "x.safetensors"))
    images = torch.rand(2, *module.input_size)
    with torch.no_grad():
        logits = model(normalised(model, images))
        model.reset_classifier(0)
        features = module(images)
        torch.testing.assert_close(features, model(normalised(model, images)))
        torch.testing.assert_close(module.classify(features), logits, rtol=1e-4, atol=1e-5)
    assert module.classes == ImageNetInfo("imagenet-1k").label_names()
    assert torch.equal(module.project(features), features)


def test_features_are_those_that_other_objectives_give() -> None:
    module, other = Pretrained("test_resnet", pretrained=False), SimCLR(backbone="test_resnet", projector=(8,)).eval()
    other.backbone.load_state_dict(module.backbone.state_dict())
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    assert torch.equal(module(images), other(images))


@pytest.mark.parametrize(
    ("tag", "count", "known"),
    [
        ("a1_in1k", 1000, {0: "n01440764", 207: "n02099601", 999: "n15075141"}),  # tench, golden retriever, tissue
        ("ms_in22k", 21842, {0: "n01440764", 207: "n02099601", 999: "n15075141"}),  # which are its first thousand
        ("sw_in12k", 11821, {0: "n00005787"}),
        ("miil_in21k", 11221, {0: "n00005787"}),
        ("in22k_ft_in22k", 21841, {0: "n00004475"}),
        ("augreg_in21k", 21843, {0: "n00004475"}),
    ],
)
def test_classes_of_imagenets(tag: str, count: int, known: dict[int, str]) -> None:
    names = class_names({"tag": tag}, count)
    assert names is not None
    assert len(set(names)) == count
    assert {number: names[number] for number in known} == known


@pytest.mark.parametrize(
    ("config", "count"),
    [
        ({"tag": "openai"}, 512),  # a projection, not a classifier
        ({"tag": "fb_dino"}, 1000),  # as wide as ImageNet by chance
        ({"tag": "fb_inw21k"}, 19168),  # classes that timm has no names of
        ({"tag": "a1_in1k"}, 10),  # another head than the weights'
        ({"label_names": ["a", "b"]}, 3),
    ],
)
def test_classes_that_are_not_known(config: dict, count: int) -> None:
    assert class_names(config, count) is None


def test_names_that_come_with_the_weights() -> None:
    assert class_names({"label_names": ["cat", "dog"], "tag": "a1_in1k"}, 2) == ["cat", "dog"]
    assert class_names({"label_names": {"10": "c", "9": "b", "0": "a"}}, 3) == ["a", "b", "c"]


def test_two_heads_are_no_classifier_of_pooled_features(caplog: pytest.LogCaptureFixture) -> None:
    module = Pretrained("deit_tiny_distilled_patch16_224", pretrained=False)
    assert module.classes is None
    assert "not evaluated by its classifier" in caplog.text
    with pytest.raises(UserError, match="no classifier"):
        module.classify(torch.rand(1, 192))


def test_weights_of_a_checkpoint_have_no_classifier(tmp_path: Path) -> None:
    trained = SimCLR(backbone="test_resnet", projector=(8,)).eval()
    torch.save({"state_dict": trained.state_dict(), "hyper_parameters": {}}, tmp_path / "x.ckpt")
    module = Pretrained("test_resnet", init_from=str(tmp_path / "x.ckpt"))
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(module(images), trained(images))
    assert module.classes is None


def test_a_size_that_the_model_cannot_take() -> None:
    module = Pretrained("vit_tiny_patch16_224", pretrained=False, model_args={"img_size": 64})
    with pytest.raises(UserError, match=r"cannot take pictures of 40 × 40 .*crop to 64 × 64"):
        module(torch.rand(1, 3, 40, 40))


def test_weights_that_cannot_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"backbone 'resnet18\.a1_in1k' cannot be made: ") as error:
        Pretrained("resnet18.a1_in1k", model_args={"cache_dir": str(tmp_path)})
    assert "\n" not in str(error.value)
