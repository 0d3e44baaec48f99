"""A backbone for ONNX Runtime, with its normalisation inside."""

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xclr_lightning.errors import UserError
from xclr_lightning.export.timm_folder import examples, refuse_difference

# Larger files than this many bytes keep their weights beside them, as ONNX's format demands.
LARGEST = 1_900_000_000


class Normalised(nn.Module):
    """A backbone that takes pictures as they are, ``(n, 3, H, W)`` float in [0, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: nn.Module, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Features. Shape: ``(n, D)``."""
        features: Tensor = self.backbone((images - self.mean) / self.std)
        return features


def write_onnx(folder: Path, backbone: nn.Module, config: dict[str, Any]) -> None:
    """Write ``model.onnx``: ``images`` ``(n, 3, H, W)`` float32 in [0, 1] to ``features`` ``(n, D)``, for any n.

    Args:
        folder: Where to write.
        backbone: A timm model in evaluation mode.
        config: See :func:`xclr_lightning.export.timm_folder.write_config`.

    Raises:
        UserError: A package is missing, the model cannot be converted, or ONNX Runtime gives other features.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - torch needs it
    except ImportError as error:
        raise UserError(f"--onnx needs {error.name}: pip install 'xclr-lightning[export]'") from error
    model = Normalised(backbone, config["pretrained_cfg"]["mean"], config["pretrained_cfg"]["std"]).eval()
    size = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    file = folder / "model.onnx"
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model,
                (examples(config, 2),),
                file,
                input_names=["images"],
                output_names=["features"],
                dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
                dynamo=True,
                external_data=size > LARGEST,
                verbose=False,
            )
    except Exception as error:  # torch's own, of many kinds
        reason = " ".join((str(error) or repr(error)).split())[:200]
        raise UserError(f"torch cannot convert {config['architecture']} to ONNX: {reason}; leave out --onnx") from error
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for count in (1, 3):
        images = examples(config, count)
        with torch.inference_mode():
            expected = model(images)
        found = torch.from_numpy(session.run(["features"], {"images": images.numpy()})[0])
        refuse_difference(expected, found, "ONNX Runtime")
