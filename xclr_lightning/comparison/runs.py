"""Carrying out the runs of a comparison, each a ``fit`` in a process and a folder of its own."""

import json
import os
import sys
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from xclr_lightning.comparison.children import Children, problem, refuse_busy
from xclr_lightning.comparison.places import check_folder, check_settings
from xclr_lightning.errors import UserError
from xclr_lightning.run_config import RECORD, read_record

LOG = "log.txt"


@dataclass(frozen=True)
class Planned:
    """A run to be made.

    Attributes:
        name: Of its row.
        seed: Of everything that is random.
        folder: Where it is written.
        arguments: Of ``fit``, without seed and folder.
        settings: The whole config that they come to, as ``config.yaml`` will have it.
    """

    name: str
    seed: int
    folder: Path
    arguments: tuple[str, ...]
    settings: dict[str, Any]

    def check(self) -> None:
        """Refuse a folder with a run by other settings, or one that still runs.

        Raises:
            UserError: There is one, or there can be no folder.
        """
        check_folder(self.folder, "--run_dir")
        refuse_busy(self.folder)
        check_settings(self.folder, self.settings)

    @property
    def complete(self) -> bool:
        """Whether it was made before, and its numbers are there."""
        return "seconds" in read_record(self.folder) and self._measured

    @property
    def _measured(self) -> bool:
        return (self.folder / "metrics.json").is_file()

    def make(self, children: Children, slot: int, jobs: int) -> str | None:
        """Train, or go on where it stopped; what is printed goes to ``log.txt``. Returns what went wrong, in a line."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "xclr_lightning", "fit", *self.arguments]
        command += [f"--seed_everything={self.seed}", f"--run_dir={self.folder}"]
        spent, start = _spent(self.folder), time.monotonic()
        with (self.folder / LOG).open("ab") as log:
            before = log.tell()
            self._record(spent=spent, began=time.time())
            status = children.run(command, self.folder, log, _environment(slot, jobs))
        printed = (self.folder / LOG).read_bytes()[before:].decode(errors="replace")
        if status == 0 and not self._measured:
            return f"no metrics.json, and nothing left to train: remove {self.folder} to train it again"
        if status == 0:
            self._record(seconds=round(spent + time.monotonic() - start, 1))
        return problem(status, printed)

    def _record(self, **more: float) -> None:
        draft = self.folder / f".{RECORD}"
        record = {"name": self.name, "seed": self.seed, "arguments": list(self.arguments), **more}
        draft.write_text(json.dumps(record, indent=2) + "\n")
        draft.replace(self.folder / RECORD)


def make_all(runs: Sequence[Planned], jobs: int) -> Generator[tuple[Planned, str | None], None, None]:
    """Make runs, ``jobs`` at a time, and give each back as it ends, with what went wrong in it.

    What runs is ended when the iterator is closed before its end.

    Args:
        runs: Those that are not complete.
        jobs: How many run side by side; they share the machine's threads, and its GPUs where there are as many.
    """
    slots: SimpleQueue[int] = SimpleQueue()
    for slot in range(jobs):
        slots.put(slot)
    children = Children()

    def make(run: Planned) -> str | None:
        slot = slots.get()
        try:
            return run.make(children, slot, jobs)
        except UserError as error:
            return str(error)
        finally:
            slots.put(slot)

    with ThreadPoolExecutor(jobs) as pool:
        started = {pool.submit(make, run): run for run in runs}
        try:
            for future in as_completed(started):
                yield started[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            children.stop()
            raise


def _spent(folder: Path) -> float:
    """Seconds that earlier starts of an incomplete run took, as far as its log goes."""
    record = read_record(folder)
    if "began" not in record or not (folder / LOG).is_file():
        return 0.0
    return float(record["spent"] + max(0.0, (folder / LOG).stat().st_mtime - record["began"]))


def _environment(slot: int, jobs: int) -> dict[str, str]:
    """Of runs side by side, each has its share of the threads, and one GPU where there is one for each."""
    if jobs == 1:
        return dict(os.environ)
    import torch

    threads = max(1, (os.cpu_count() or 1) // jobs)
    shared = {"OMP_NUM_THREADS": str(threads)}
    if torch.cuda.device_count() >= jobs:
        shared["CUDA_VISIBLE_DEVICES"] = str(slot)
    return shared | dict(os.environ)
