"""A Parquet table of twelve million captions: what it takes to set it up, in a process of its own.

Nothing here asserts a time; ``make bench`` prints it.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROWS, BLOCK = 12_000_000, 500_000
WORDS = pa.array(["a", "photo", "of", "the", "dog", "cat", "red", "small", "large", "house", "street", "on", "under"])
SETUP = """
import re, sys, time
from pathlib import Path
from xclr_lightning.data import GraphDataModule

def own():
    return int(re.search(r"RssAnon:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024

imported, start = own(), time.perf_counter()
data = GraphDataModule(sys.argv[1], label="class", batch_size=1024, num_workers=0)
data.prepare_data()
data.setup("fit")
print(f"set up in {time.perf_counter() - start:.1f} s", end=", ")
next(iter(data.train_dataloader().sampler))
print(f"first sample after {time.perf_counter() - start:.1f} s, with {own() - imported} MB besides imports' {imported}")
"""


def write_table(path: Path) -> None:
    rng = np.random.default_rng(0)
    schema = pa.schema([("file_name", pa.string()), ("caption", pa.string()), ("class", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, ROWS, BLOCK):
            numbers = pa.array(np.arange(start, start + BLOCK)).cast(pa.string())
            captions = pc.binary_join_element_wise(
                *(WORDS.take(rng.integers(0, len(WORDS), BLOCK)) for _ in range(9)), " "
            )
            classes = pa.array(rng.integers(0, 1000, BLOCK)).cast(pa.string())
            names = pc.binary_join_element_wise(numbers, ".jpg", "")
            writer.write_table(pa.table([names, captions, classes], schema=schema))


def test_twelve_million_rows(tmp_path: Path) -> None:
    write_table(tmp_path / "all.parquet")
    command = [sys.executable, "-c", SETUP, str(tmp_path / "all.parquet")]
    environment = os.environ | {"XCLR_CACHE": str(tmp_path / "cache")}
    for time in ("first", "second"):
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        print(f"\n12 million rows, the {time} time: {told.strip()}")
