"""A loader's worker that reads samples of a large table in random order keeps no memory of them."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from torch.utils.data import DataLoader

from xclr_lightning.data import EvalView, open_source
from xclr_lightning.data.dataset import ViewsDataset, collate
from xclr_lightning.data.epoch_sampler import EpochSampler
from xclr_lightning.data.source import Source, labels
from xclr_lightning.graphs import LabelGraph

ROWS = 20_000
MEMORY = Path("/proc/self/smaps_rollup")


class Watched:
    """A table whose pictures are one and the same; notes this process's own memory as they are opened.

    Args:
        source: Keys, captions and fields.
        notes: Where to write, in kB, a line for every thousandth picture from the first on.
        captions: Handed out instead of the table's.
    """

    def __init__(self, source: Source, notes: Path, captions: list[str] | None = None) -> None:
        self._source, self._notes, self._captions, self._opened = source, notes, captions, 0

    def __len__(self) -> int:
        return len(self._source)

    def __getattr__(self, name: str):
        return getattr(self._source, name)

    def open(self, index: int) -> Image.Image:
        assert self.name(index).endswith(f"{index}.jpg")
        self._opened += 1
        if self._opened % 1000 == 1:
            with self._notes.open("a") as file:
                file.write(re.search(r"Private_Dirty:\s+(\d+) kB", MEMORY.read_text())[1] + "\n")
        return Image.new("RGB", (2, 2))

    def captions(self, rows: slice):
        return self._source.captions(rows) if self._captions is None else self._captions[rows]


@pytest.mark.skipif(not MEMORY.exists(), reason="Linux tells what a process has to itself")
def test_a_worker_does_not_grow_over_two_epochs(tmp_path: Path) -> None:
    texts = [f"a long caption, number {number:06d} {'and so on ' * 100}" for number in range(ROWS)]
    columns = {"file_name": [f"{number}.jpg" for number in range(ROWS)], "caption": texts}
    columns["class"] = [f"class {number % 100}" for number in range(ROWS)]
    pq.write_table(pa.table(columns), tmp_path / "all.parquet")
    source = open_source(str(tmp_path / "all.parquet"))
    graph_source, grown = LabelGraph("class"), {}
    graph_source.prepare(source)
    for form, captions in (("table", None), ("list", texts)):
        watched = Watched(source, tmp_path / form, captions)
        graph, numbers = graph_source.open(source), labels(source, "class")[0]
        dataset = ViewsDataset(watched, EvalView(2, None), 1, numbers, graph, captions=True)
        sampler = EpochSampler(lambda rng: rng.permutation(ROWS), ROWS, 100)
        loader = DataLoader(
            dataset, 100, sampler=sampler, collate_fn=collate, num_workers=1, persistent_workers=True,
            multiprocessing_context="fork",
        )  # fmt: skip
        for epoch in range(2):
            sampler.set_epoch(epoch)
            for _ in loader:
                pass
        noted = np.array((tmp_path / form).read_text().split(), int)
        assert len(noted) == 2 * ROWS // 1000
        grown[form] = (noted[-1] - noted[1]) / 1024  # MB; what the first samples set up does not count
    assert grown["table"] < 3
    assert grown["list"] > 10  # whose counts of references are copied page by page
