"""Folders as finished runs leave them."""

import csv
import json
from pathlib import Path
from typing import Any

import yaml

from xclr_lightning.callbacks.imagenet9 import VARIANTS


def write_run(
    folder: Path,
    seed: int,
    top1: float,
    objective: str = "XCLR",
    share: float = 1.0,
    record: str | None = None,
    **settings: Any,
) -> dict[str, float]:
    """A run with kNN at three k and ImageNet-9, evaluated at epochs 2 and 4; returns its metrics."""
    folder.mkdir(parents=True)
    metrics = {"knn/top1@1": top1 - 0.1, "knn/top1@20": top1, "knn/top1@100": top1 - 0.05, "train/loss": 3.0}
    metrics |= {f"imagenet9/{variant}": top1 - 0.02 * place for place, variant in enumerate(VARIANTS)}
    metrics["imagenet9/bg_gap"] = metrics["imagenet9/mixed_same"] - metrics["imagenet9/mixed_rand"]
    config: dict[str, Any] = {
        "seed_everything": seed,
        "model": {"class_path": f"xclr_lightning.objectives.{objective}", "init_args": {"temperature": 0.1}},
        "data": {"class_path": "GraphDataModule", "init_args": {"train_share": share}},
        **settings,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    numbers = [name for name in metrics if name != "train/loss"]
    protocol = {
        "KNN": {"logged": [n for n in numbers if n.startswith("knn")], "percent": True, "temperature": 0.07},
        "ImageNet9": {"logged": [n for n in numbers if n.startswith("imagenet9")], "percent": True, "k": 20},
    }
    (folder / "protocol.json").write_text(json.dumps(protocol))
    with (folder / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["epoch", "step", "train/loss", "knn/top1@20"])
        writer.writeheader()
        for epoch in range(4):
            measured = {"knn/top1@20": top1 * (epoch + 1) / 4} if epoch % 2 else {}
            writer.writerow({"epoch": epoch, "step": 10 * (epoch + 1), "train/loss": 4 - epoch, **measured})
    if record:
        (folder / "comparison.json").write_text(json.dumps({"name": record, "seed": seed, "arguments": []}))
    return metrics
