"""``export``: a trained backbone as a folder that timm loads without this package."""

import json
import os
import tempfile
from pathlib import Path

from xclr_lightning.command_parser import CommandParser
from xclr_lightning.errors import UserError

DESCRIPTION = """\
Write the backbone of a checkpoint to a folder that timm, or a Hugging Face hub, reads without this package:
model.safetensors (averaged weights, where the checkpoint has them), config.json with normalisation and crop, and a
model card, README.md, which names no folder of yours. With --onnx also model.onnx with the normalisation inside: images
(n, 3, H, W), float32 in [0, 1], to features (n, D). Each is read back, and refused if its features are not the
checkpoint's to 1e-5. The crop is the one that the run evaluated with, by its config.yaml beside checkpoints/.
"""

FILES = {"model.safetensors", "config.json", "README.md", "model.onnx", "model.onnx.data"}


def export(arguments: list[str]) -> None:
    """Write the backbone of a checkpoint to a folder.

    Args:
        arguments: See ``export --help``.

    Raises:
        UserError: There is no such checkpoint, the folder holds something else, or a file fails its check.
    """
    parser = CommandParser("export", description=DESCRIPTION)
    parser.add_argument("--ckpt", required=True, metavar="FILE", help="a checkpoint that fit has written")
    parser.add_argument("--output", required=True, metavar="DIR", help="a new or empty folder, or an earlier export")
    parser.add_argument("--onnx", action="store_true", help="also model.onnx; needs xclr-lightning[export]")
    given = parser.parse_args(arguments)
    output = Path(given.output).expanduser()
    refuse_others(output)

    from xclr_lightning.export.job import write  # torch takes seconds to import

    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=output) as draft:
        config = write(given.ckpt, Path(draft), given.onnx)
        written = {file.name for file in Path(draft).iterdir()}
        for name in FILES - written:
            (output / name).unlink(missing_ok=True)
        for name in sorted(written):
            os.replace(Path(draft) / name, output / name)
    print(f"{config['architecture']}: {', '.join(sorted(written))} in {output}")
    print(f'timm.create_model("local-dir:{output}", pretrained=True)   # timm 1.0.16 or later; README.md has more')


def refuse_others(folder: Path) -> None:
    """Make sure that what an export would replace is an earlier one; hidden files, such as ``.git``, may be there too.

    Raises:
        UserError: It is not.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"export: {folder} is a file: --output wants a folder")
    found = {file.name for file in folder.glob("*") if not file.name.startswith(".")}
    if found and not (found <= FILES and _is_export(folder / "config.json")):
        raise UserError(
            f"export: {folder} holds other files, such as {min(found - FILES or found)}: choose a new or empty folder"
        )


def _is_export(config: Path) -> bool:
    try:
        return "xclr_lightning" in json.loads(config.read_text())
    except (OSError, ValueError):
        return False
