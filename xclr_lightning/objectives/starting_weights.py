"""Weights that training starts from: one of our checkpoints, or a file of timm's."""

from pathlib import Path

from timm.models import load_state_dict
from torch import Tensor, nn

from xclr_lightning.errors import UserError


def load_backbone(backbone: nn.Module, file: str) -> None:
    """Load a backbone's weights.

    Args:
        backbone: A timm model without its classifier.
        file: A checkpoint of any of our objectives, from which the averaged backbone is taken where there is one; or
            weights of the same timm model (``.safetensors``, ``.pth``), whose classifier is left out.

    Raises:
        UserError: The file is missing, cannot be read, or holds another model.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise UserError(f"no weights {file}: model.init_from wants a checkpoint (.ckpt) or a timm model's weights")
    try:
        weights = _backbone_weights(load_state_dict(str(path), use_ema=True), _classifiers(backbone))
    except Exception as error:  # torch's own, pickle's, zip's, safetensors'
        raise UserError(f"{file} cannot be read as weights: {(str(error) or repr(error)).splitlines()[0]}") from error
    wanted = backbone.state_dict()
    differences = [f"lacks {name}" for name in sorted(wanted.keys() - weights.keys())]
    differences += [f"has {name}" for name in sorted(weights.keys() - wanted.keys())]
    differences += [
        f"has {name} of shape {tuple(weights[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    if differences:
        raise UserError(
            f"{file} does not fit the backbone in {len(differences)} places, it {differences[0]}: give model.backbone "
            "and model.backbone_kwargs of the model it was saved from"
        )
    backbone.load_state_dict(weights)


def _backbone_weights(weights: dict[str, Tensor], classifiers: tuple[str, ...]) -> dict[str, Tensor]:
    for prefix in ("average.parts.module.backbone.", "backbone."):
        if ours := {name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}:
            return ours
    # A classifier's name ends where another one's may go on: fc. is not fc_norm.
    return {name: w for name, w in weights.items() if not name.startswith(tuple(f"{c}." for c in classifiers))}


def _classifiers(backbone: nn.Module) -> tuple[str, ...]:
    named = getattr(backbone, "pretrained_cfg", {}).get("classifier") or ()
    return (named,) if isinstance(named, str) else tuple(named)
