"""Weights and config of a backbone as timm writes them for the Hugging Face hub."""

import json
import math
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file
from timm.data import resolve_model_data_config
from torch import nn

from xclr_lightning import __version__
from xclr_lightning.data.views import EvalView, View
from xclr_lightning.errors import UserError
from xclr_lightning.objectives.base import BackboneModule

# Of timm.create_model's arguments those that say where weights come from.
WEIGHTS = {"pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir"}

# What timm knows of an architecture, whatever its weights.
ARCHITECTURE = ("fixed_input_size", "min_input_size", "first_conv", "classifier")

# Largest difference of two computations of a feature, as a share of the largest one.
TOLERANCE = 1e-5


def write_weights(folder: Path, backbone: nn.Module) -> None:
    """Write ``model.safetensors``."""
    tensors = {name: value.detach().contiguous().clone() for name, value in backbone.state_dict().items()}
    file = folder / "model.safetensors"
    save_file(tensors, file, {"format": "pt"})
    file.chmod(0o644)  # it would be its owner's alone


def write_config(folder: Path, module: BackboneModule, view: View) -> dict[str, Any]:
    """Write ``config.json``, and return what it says.

    Args:
        folder: Where to write.
        module: The model.
        view: How pictures are cropped for it.
    """
    backbone, known = module.backbone, resolve_model_data_config(module.backbone)
    cfg: dict[str, Any] = backbone.pretrained_cfg  # type: ignore[assignment]
    arguments = module.hparams.get("backbone_kwargs") or {}
    config = {
        "architecture": cfg["architecture"],
        "num_classes": 0,
        "num_features": backbone.num_features,
        "model_args": {name: value for name, value in arguments.items() if name not in WEIGHTS},
        "pretrained_cfg": {
            "custom_load": False,
            "num_classes": 0,
            "mean": list(known["mean"]),
            "std": list(known["std"]),
            **{name: cfg[name] for name in ARCHITECTURE if name in cfg},
            **crop_settings(view, known),
        },
        "xclr_lightning": __version__,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    return config


def crop_settings(view: View, known: dict[str, Any]) -> dict[str, Any]:
    """A crop in timm's terms; of one that has none there, what timm recommends for the architecture.

    Example:
        >>> crop_settings(EvalView(32, 36), {})["input_size"], int(32 / crop_settings(EvalView(32, 36), {})["crop_pct"])
        ([3, 32, 32], 36)
    """
    if not isinstance(view, EvalView):
        return {name: known[name] for name in ("input_size", "crop_pct", "interpolation", "crop_mode")}
    resize = view.resize or view.size
    crop_pct = view.size / resize
    if math.floor(view.size / crop_pct) < resize:  # which is how timm reads it
        crop_pct = math.nextafter(crop_pct, 0)
    size = [3, view.size, view.size]
    return {"input_size": size, "crop_pct": crop_pct, "interpolation": "bicubic", "crop_mode": "center"}


def read_back(folder: Path, config: dict[str, Any]) -> nn.Module:
    """The backbone in a folder, made by timm alone."""
    arguments = {"num_classes": 0, **config["model_args"]}
    return timm.create_model(
        config["architecture"], checkpoint_path=str(folder / "model.safetensors"), **arguments
    ).eval()


def examples(config: dict[str, Any], count: int) -> torch.Tensor:
    """Pictures of chance, in [0, 1] and of the size that the model takes. Shape: ``(count, 3, H, W)``."""
    return torch.rand(count, *config["pretrained_cfg"]["input_size"], generator=torch.Generator().manual_seed(0))


def refuse_difference(expected: torch.Tensor, found: torch.Tensor, what: str) -> None:
    """Make sure that two computations of the same features agree.

    Raises:
        UserError: They do not.
    """
    scale = expected.abs().max().clamp_min(1)
    difference = float((expected - found).abs().max() / scale) if expected.shape == found.shape else math.inf
    if not difference <= TOLERANCE:
        raise UserError(f"{what} gives other features: they differ by {difference:.2g}, at most {TOLERANCE:g} is due")
