"""What the DataModule remembers, compares and refuses."""

import logging
from pathlib import Path

import pytest

from xclr_lightning.data import GraphDataModule, RandomCropView
from xclr_lightning.errors import UserError


@pytest.fixture
def folder(tmp_path: Path, png) -> Path:
    for number in range(12):
        (tmp_path / f"{number:02d}.png").write_bytes(png(number))
    return tmp_path


def module(folder: Path, **settings) -> GraphDataModule:
    data = GraphDataModule(str(folder), batch_size=4, num_workers=0, view=RandomCropView(8), **settings)
    data.prepare_data()
    data.setup("fit")
    return data


def numbers(data: GraphDataModule) -> list[list[int]]:
    return [batch["index"].tolist() for batch in data.train_dataloader()]


PLACE = {"epoch": 0, "samples": 4, "sweep": 0, "swept": 4}
ORDER = {"seed": 0, "pictures": 12, "batch_size": 4, "train_share": 1.0, "shards_at_once": None, "neighbour_share": 0.0}


def test_it_goes_on_behind_the_samples_that_were_seen(folder, caplog):
    logging.getLogger("xclr_lightning").addHandler(caplog.handler)
    expected, data = numbers(module(folder)), module(folder)
    data.load_state_dict(PLACE | ORDER)
    assert numbers(data) == expected[1:]
    assert data.state_dict() == PLACE | ORDER
    assert not caplog.messages
    logging.getLogger("xclr_lightning").removeHandler(caplog.handler)


@pytest.mark.parametrize(
    ("name", "before"),
    [("seed", 3), ("pictures", 16), ("batch_size", 2), ("train_share", 0.5), ("shards_at_once", 2)],
)
def test_another_order_of_samples_is_said(folder, caplog, name, before):
    logging.getLogger("xclr_lightning").addHandler(caplog.handler)
    data = module(folder)
    data.load_state_dict(PLACE | ORDER | {name: before})
    data.train_dataloader()
    assert f": {name} {ORDER[name]} (checkpoint: {before})" in caplog.text
    logging.getLogger("xclr_lightning").removeHandler(caplog.handler)


def test_other_pictures_of_the_same_number_are_said(folder, caplog):
    logging.getLogger("xclr_lightning").addHandler(caplog.handler)
    before = module(folder)
    order = before.sampling.order(before.dataset("train"), 1)
    (folder / "00.png").rename(folder / "another.png")
    data = module(folder)
    data.load_state_dict(PLACE | order)
    data.train_dataloader()
    assert f"(checkpoint: {order['hash_of_keys']})" in caplog.text
    logging.getLogger("xclr_lightning").removeHandler(caplog.handler)


def test_a_damaged_shard_counts_as_a_shard_of_samples(folder):
    data = module(folder)
    source = data.dataset("train").source
    source.skipped = {"truncated shard": 1, "no caption": 1}  # one part of twelve: 13 of 25 are lost
    data._source = lambda path: source
    with pytest.raises(UserError, match=r"data.train: about 13 of 25 samples .* \(1 truncated shard, 1 no caption\)"):
        data.prepare_data()
    data.max_skipped = 0.55
    data.prepare_data()
