"""The network under every objective: a timm model without its classifier."""

from typing import Any

import timm
from torch import nn

from xclr_lightning.errors import UserError, did_you_mean
from xclr_lightning.pretrained import weights_are_to_come


def create_backbone(name: str, kwargs: dict[str, Any]) -> nn.Module:
    """Make a timm model whose output is its features, ``(n, D)``.

    Args:
        name: Of any timm model, with or without a tag of pretrained weights.
        kwargs: Further arguments of ``timm.create_model``.

    Raises:
        UserError: timm has no such model, or cannot make it so.
    """
    settings = {"num_classes": 0, **kwargs}
    if weights_are_to_come():
        settings["pretrained"] = False
    try:
        return timm.create_model(name, **settings)
    except Exception as error:  # timm's own, a model's, or the hub's
        if ":" in name or timm.is_model(name.partition(".")[0]):  # hf-hub: and local-dir: are elsewhere
            reason = (str(error) or repr(error)).splitlines()[0]
            raise UserError(f"backbone {name!r} cannot be made: {reason}") from error
        raise UserError(f"timm has no model {name!r}{did_you_mean(name, timm.list_models())}") from error
