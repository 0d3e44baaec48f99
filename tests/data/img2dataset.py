"""Tar shards in the layout of img2dataset's output format ``webdataset``, failed downloads included."""

import hashlib
import io
import json
import tarfile
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

FAILURE = "HTTP Error 404: Not Found"


def write_shards(
    folder: Path,
    samples_per_shard: Sequence[int] = (3, 2),
    failures: Collection[tuple[int, int]] = (),
    captions: Sequence[str] | None = None,
    size: tuple[int, int] = (16, 12),
    fields: dict[str, Sequence[object]] | None = None,
) -> list[tuple[str, str]]:
    """Write ``00000.tar``, ``00000.parquet``, ``00000_stats.json``, …; every pixel is the sample's number modulo 250.

    Args:
        folder: Made if need be.
        samples_per_shard: Rows of the list of URLs that a shard stands for, those that failed included.
        failures: Rows that could not be downloaded, as shard and place in it: only the parquet file knows them.
        captions: One a row, over all shards; by default ``caption 0``, ``caption 1``, …
        size: Width and height of the pictures.
        fields: More columns of the list, one value a row, which img2dataset copies to the JSON and parquet files.

    Returns:
        Name of the shard and key of each sample that is in a tar, in order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stored, row = [], 0
    for shard, count in enumerate(samples_per_shard):
        name, records = f"{shard:05d}", []
        with tarfile.open(folder / f"{name}.tar", "w") as tar:
            for place in range(count):
                key = f"{shard:05d}{place:04d}"
                jpeg = None if (shard, place) in failures else picture(row, size)
                caption = captions[row] if captions else f"caption {row}"
                extra = {column: values[row] for column, values in (fields or {}).items()}
                records.append(record(key, caption, jpeg, size) | extra)
                if jpeg:
                    stored.append((name, key))
                    _add(tar, f"{key}.jpg", jpeg)
                    _add(tar, f"{key}.json", json.dumps(records[-1], indent=4).encode())
                    _add(tar, f"{key}.txt", caption.encode())
                row += 1
        pq.write_table(pa.Table.from_pylist(records), folder / f"{name}.parquet")
        write_stats(folder / f"{name}_stats.json", records)
    return stored


def picture(number: int, size: tuple[int, int]) -> bytes:
    """A JPEG file of one grey level."""
    buffer = io.BytesIO()
    pixels = np.full((size[1], size[0], 3), number % 250, dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def record(key: str, caption: str, jpeg: bytes | None, size: tuple[int, int]) -> dict[str, object]:
    """A row of the parquet file, which is also the JSON file of a sample that was downloaded."""
    width, height = size if jpeg else (None, None)
    return {
        "url": f"https://example.org/{key}.jpg",
        "caption": caption,
        "key": key,
        "status": "success" if jpeg else "failed_to_download",
        "error_message": None if jpeg else FAILURE,
        "width": width,
        "height": height,
        "original_width": width,
        "original_height": height,
        "exif": "{}" if jpeg else None,
        "sha256": hashlib.sha256(jpeg).hexdigest() if jpeg else None,
    }


def write_stats(path: Path, records: list[dict[str, object]]) -> None:
    """The shard's counts of successes and failures."""
    failed = sum(entry["status"] != "success" for entry in records)
    stats = {
        "count": len(records),
        "successes": len(records) - failed,
        "failed_to_download": failed,
        "failed_to_resize": 0,
        "duration": 1.5,
        "start_time": 1.7e9,
        "end_time": 1.7e9 + 1.5,
        "status_dict": {"success": len(records) - failed} | ({FAILURE: failed} if failed else {}),
    }
    path.write_text(json.dumps(stats, indent=4))


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.uname, member.gname = len(content), 0o444, "bigdata", "bigdata"
    member.mtime = 1.7e9 + 0.25  # a fraction, for which webdataset's writer precedes each member with a pax header
    tar.addfile(member, io.BytesIO(content))
