"""The model card: what a backbone was trained on and how, what it scored, and nothing of whoever trained it."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from xclr_lightning.callbacks.secrets import without_secrets
from xclr_lightning.objectives.base import BackboneModule

# What may come before a colon in a setting that names no place on a disk.
NAMED = ("demo:", "synthetic:", "torchvision:", "package:")

CARD = """\
---
library_name: timm
tags: [timm, image-feature-extraction, xclr]
license: other
license_name: to-be-chosen   # by whoever publishes the weights
---
# {architecture}, trained with {objective}

An image encoder: pictures to {width} features. Written by `xclr_lightning` {version}.

```python
import timm, torch
from PIL import Image

# FOLDER is where this file is; from the hub it is "hf-hub:OWNER/NAME". With timm before 1.0.16 instead
# timm.create_model("{architecture}", num_classes=0, checkpoint_path="FOLDER/model.safetensors"{arguments})
model = timm.create_model("local-dir:FOLDER", pretrained=True).eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
with torch.inference_mode():
    features = model(transform(Image.open("picture.jpg").convert("RGB"))[None])
```

Pictures: {crop}
{onnx}
## Training

{training}

## Results

{results}

## Licence

To be chosen by whoever publishes these weights. Those of the pictures and captions that they were trained on may apply.

## Citation

```bibtex
@inproceedings{{sobal2025xclr,
  title     = {{X-Sample Contrastive Loss: Improving Contrastive Learning with Sample Similarity Graphs}},
  author    = {{Sobal, Vlad and Ibrahim, Mark and Balestriero, Randall and Cabannes, Vivien and Bouchacourt, Diane and
               Astolfi, Pietro and Cho, Kyunghyun and LeCun, Yann}},
  booktitle = {{International Conference on Learning Representations}},
  year      = {{2025}}
}}
```
"""

ONNX = """
`model.onnx` does that last step itself: its `images` are `(n, 3, {high}, {wide})`, float32 from 0 to 1.

```python
import onnxruntime

session = onnxruntime.InferenceSession("FOLDER/model.onnx")
(features,) = session.run(None, {{"images": images}})
```
"""

OF_MODEL = (
    "projector",
    "temperature",
    "target_temperature",
    "optimizer",
    "lr",
    "lr_scaling",
    "weight_decay",
)
OF_DATA = ("train", "label", "graph", "batch_size", "train_share", "view", "augment")
OF_TRAINER = ("max_epochs", "precision")


def write_card(folder: Path, module: BackboneModule, config: dict[str, Any], width: int, run: Path | None) -> None:
    """Write ``README.md``.

    Args:
        folder: Where to write.
        module: The model.
        config: What the folder's ``config.json`` says.
        width: Of the features.
        run: The run's config, beside its ``metrics.json``, where there is one.
    """
    settings = without_secrets(yaml.safe_load(run.read_text(encoding="utf-8"))) if run else {}
    data = settings.get("data", {})
    rows = {"objective": type(module).__name__, **_chosen(dict(module.hparams), OF_MODEL)}
    rows |= _chosen(data.get("init_args", data), OF_DATA) | _chosen(settings.get("trainer", {}), OF_TRAINER)
    file = run.with_name("metrics.json") if run else None
    metrics = json.loads(file.read_text(encoding="utf-8")) if file and file.exists() else {}
    results = {
        name: f"{value:.4g}"
        for name, value in metrics.items()
        if value is not None and not name.startswith(("train/", "data/"))
    }
    shown = config["pretrained_cfg"]
    _, high, wide = shown["input_size"]
    text = CARD.format(
        architecture=config["architecture"],
        objective=type(module).__name__,
        version=config["xclr_lightning"],
        width=width,
        arguments="".join(f", {name}={value!r}" for name, value in config["model_args"].items()),
        crop=f"shorter side to {int(high / shown['crop_pct'])} pixels ({shown['interpolation']}), the centre "
        f"{high} × {wide};\nnormalised by the mean {shown['mean']} and the deviation {shown['std']}.",
        onnx=ONNX.format(high=high, wide=wide) if (folder / "model.onnx").exists() else "",
        training=_table("setting", rows),
        results=_table("measure", results) if results else "None were at hand.",
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def public(value: Any) -> Any:
    """A setting without the places that it names: of a path, a URL or a command the last name, of a class its own.

    Example:
        >>> public("/home/me/pictures"), public("s3://bucket/cc12m/{00000..02175}.tar?key=1"), public("demo:train")
        ('pictures', '{00000..02175}.tar', 'demo:train')
        >>> public({"class_path": "mine.Graph", "init_args": {"table": "~/tables/a.csv", "k": 3}})
        'Graph(table=a.csv, k=3)'
    """
    if isinstance(value, dict) and "class_path" in value:
        name, settings = value["class_path"].rpartition(".")[2], value.get("init_args") or {}
        return f"{name}({', '.join(f'{key}={public(item)}' for key, item in settings.items() if item is not None)})"
    if isinstance(value, dict):
        return {key: public(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [public(item) for item in value]
    if not isinstance(value, str) or value.startswith(NAMED):
        return value
    if value.startswith("pipe:"):
        return "a pipe"
    place = re.split(r"[?#]", re.sub(r"^.*://[^/]*", "", value))[0]
    return re.split(r"[/\\]", place.rstrip("/\\"))[-1]


def _chosen(settings: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    found = {name: public(settings.get(name)) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _table(title: str, rows: dict[str, Any]) -> str:
    lines = [f"| {name} | {str(value).replace('|', chr(92) + '|')} |" for name, value in rows.items()]
    return "\n".join([f"| {title} | |", "|---|---|", *lines])
