"""How pictures are cropped for a model that comes by name: as its run evaluated it, or as timm recommends."""

from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser
from timm.data import resolve_model_data_config

from xclr_lightning.data.views import EvalView, View
from xclr_lightning.errors import UserError
from xclr_lightning.objectives.base import BackboneModule
from xclr_lightning.objectives.pretrained import Pretrained
from xclr_lightning.run_config import run_configs


def run_config(checkpoint: str | Path) -> Path | None:
    """The last config of the run that a checkpoint lies in, as ``RUN/checkpoints/last.ckpt``; None outside of runs."""
    found = run_configs(Path(checkpoint).expanduser().absolute().parents[1])
    return found[-1] if found else None


def eval_crop(name: str, module: BackboneModule) -> tuple[View, str]:
    """The crop that a model is evaluated with.

    Args:
        name: A checkpoint's file, or timm's name of a model.
        module: The model.

    Returns:
        ``data.eval_view`` of the checkpoint's run, where its config lies beside it; what timm recommends for its own
        models; else the default of ``data.eval_view``. And which of these it is, in words.

    Raises:
        UserError: The run's config cannot be read, or its crop cannot be made.
    """
    if isinstance(module, Pretrained):
        size = module.input_size[-1]
        crop_pct = resolve_model_data_config(module.backbone)["crop_pct"]
        return EvalView(size, int(size / crop_pct)), "timm's for this model"
    config = run_config(name)
    if config is None:
        return EvalView(), "by default, as there is no config of a run beside the checkpoint"
    try:
        content = yaml.safe_load(config.read_text(encoding="utf-8"))
        section = content["data"].get("init_args", content["data"]).get("eval_view")
        return _made(section) if section else EvalView(), f"as in {config}"
    except (ArgumentError, AttributeError, KeyError, TypeError, UnicodeError, ValueError, yaml.YAMLError) as error:
        reason = (str(error) or repr(error)).splitlines()[0]
        raise UserError(f"{config}: its data.eval_view cannot be read: {reason}; give --size and --resize") from error


def _made(section: dict[str, Any]) -> View:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(View, "eval_view")
    view: View = parser.instantiate_classes(parser.parse_object({"eval_view": section})).eval_view
    return view
