"""Models by name: a checkpoint's file, or what timm calls a pretrained one."""

from importlib import import_module
from pathlib import Path

import timm

from xclr_lightning.checkpoint import checkpoint_model
from xclr_lightning.errors import UserError
from xclr_lightning.objectives.base import BackboneModule
from xclr_lightning.objectives.pretrained import Pretrained
from xclr_lightning.resume import option


def of_timm(name: str) -> bool:
    """Whether a name that stands for a model is one of timm's, with or without a tag, and not a file.

    Example:
        >>> of_timm("resnet50.a1_in1k"), of_timm("hf-hub:timm/resnet50.a1_in1k"), of_timm("last.ckpt")
        (True, True, False)
    """
    source, colon, _ = name.partition(":")
    known = source in ("hf-hub", "local-dir") if colon else timm.is_model(name.partition(".")[0])
    return known and not Path(name).expanduser().exists()


def spell_out(arguments: list[str]) -> list[str]:
    """Spell out ``--ckpt_path NAME``, where NAME is a model of timm's, as ``--model Pretrained --model.backbone NAME``.

    It goes behind the last config, whose model it replaces, and before the other options, which may refine it.

    Example:
        >>> spell_out(["test", "--ckpt_path", "resnet18", "--config", "demo.yaml"])[3:]
        ['--model', 'xclr_lightning.objectives.pretrained.Pretrained', '--model.backbone', 'resnet18']
    """
    name = option(arguments, "ckpt_path")
    if name is None or not of_timm(name):
        return arguments
    rest, named = [], False
    for argument in arguments:
        if not named and not argument.startswith("--ckpt_path="):
            rest.append(argument)
        named = argument == "--ckpt_path"
        if named:
            rest.pop()
    place = max((n + 2 for n, argument in enumerate(rest) if argument == "--config"), default=1)
    model = f"{Pretrained.__module__}.{Pretrained.__name__}"
    return [*rest[:place], "--model", model, "--model.backbone", name, *rest[place:]]


def load_module(name: str) -> BackboneModule:
    """The model of a checkpoint, or a pretrained one of timm's, ready to encode pictures.

    Args:
        name: A file that ``fit`` wrote, or what :func:`of_timm` knows.

    Returns:
        In evaluation mode, on the CPU; :meth:`forward` uses averaged weights where the checkpoint has them.

    Raises:
        UserError: There is no such model, or the file cannot be read or does not say its class.
    """
    if of_timm(name):
        return Pretrained(name).eval()
    model = checkpoint_model(name)
    if model is None:
        raise UserError(f"{name} does not say which class its model is of: expected a checkpoint that fit has written")
    module, _, cls = model["class_path"].rpartition(".")
    uncompiled = {"compile": False} if model["init_args"].get("compile") else {}
    file = Path(name).expanduser()
    try:
        found: BackboneModule = getattr(import_module(module), cls).load_from_checkpoint(
            file, map_location="cpu", **uncompiled
        )
    except (ImportError, AttributeError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{name}: its model {model['class_path']} cannot be made: {reason}") from error
    return found.eval()
