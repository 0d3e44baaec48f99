"""The sheet of views shows the batch that the first step is given, beside the pictures that it was drawn from."""

from pathlib import Path

import numpy as np
import pytest
import torch
from coloured import write
from layouts import StandIn

from xclr_lightning.callbacks import ViewSheet, view_sheet
from xclr_lightning.data import EvalView, GraphDataModule, RandomCropView
from xclr_lightning.data.dataset import collate
from xclr_lightning.errors import UserError


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bfloat16])
def test_the_first_batch_and_only_that(dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple] = []
    monkeypatch.setattr(view_sheet, "draw_views", lambda *arguments: drawn.append(arguments))
    monkeypatch.setattr(view_sheet, "show", lambda *_: None)
    trainer = StandIn()
    train, view = write(tmp_path, 9, ["blue", "red"]), RandomCropView(8)
    trainer.datamodule = GraphDataModule(train, batch_size=4, view=view, eval_view=EvalView(24, None))
    trainer.datamodule.setup("fit")
    dataset = trainer.datamodule.dataset("train")
    batch = collate([dataset[number] for number in (7, 2, 5, 0)])
    if dtype.is_floating_point:
        batch["views"] = batch["views"].to(dtype) / 200  # more than white, as some augmentations make
    expected = batch["views"].clone()
    sheet = ViewSheet(pictures=3)
    for _ in range(2):
        sheet.on_train_start(trainer, None)
        for number in range(2):
            sheet.on_train_batch_start(trainer, None, batch, number)
    assert torch.equal(batch["views"], expected)
    assert len(drawn) == 2  # once a fit
    rows = drawn[0][1]
    for place, (number, (caption, picture, views)) in enumerate(zip((7, 2, 5), rows, strict=True)):
        assert caption == dataset.source.captions()[number]
        assert np.array_equal(picture, np.asarray(dataset.source.image(number)))
        shown = expected[:, place].permute(0, 2, 3, 1)
        assert np.array_equal(views, (shown.float().clamp(max=1) if dtype.is_floating_point else shown).numpy())


def test_less_than_none() -> None:
    with pytest.raises(UserError, match="expected 0 or more"):
        ViewSheet(-1)
