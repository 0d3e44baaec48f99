"""A run of ``export``: what goes into the folder, each file checked."""

from pathlib import Path
from typing import Any

import torch

from xclr_lightning.errors import UserError
from xclr_lightning.export.card import write_card
from xclr_lightning.export.onnx_file import write_onnx
from xclr_lightning.export.timm_folder import examples, read_back, refuse_difference, write_config, write_weights
from xclr_lightning.features.crop import eval_crop, run_config
from xclr_lightning.model_by_name import load_module, of_timm
from xclr_lightning.objectives import ContrastiveModule


def write(checkpoint: str, folder: Path, onnx: bool) -> dict[str, Any]:
    """Write a checkpoint's backbone to an empty folder; returns what its ``config.json`` says.

    Args:
        checkpoint: The file.
        folder: The folder.
        onnx: Whether to write ``model.onnx`` too.

    Raises:
        UserError: The file is no checkpoint, or what was written gives other features.
    """
    if of_timm(checkpoint):
        raise UserError(f"export: {checkpoint} is a model of timm's already: --ckpt wants a checkpoint of a run")
    module = load_module(checkpoint)
    view, _ = eval_crop(checkpoint, module)
    # The averaged one, where there is one: it is what is evaluated.
    write_weights(folder, module.part("backbone") if isinstance(module, ContrastiveModule) else module.backbone)
    config = write_config(folder, module, view)
    backbone, images = read_back(folder, config), examples(config, 2)
    with torch.inference_mode():
        features = module(images)
        refuse_difference(features, backbone((images - module.mean) / module.std), "timm")
    if onnx:
        write_onnx(folder, backbone, config)
    write_card(folder, module, config, features.shape[1], run_config(checkpoint))
    return config
