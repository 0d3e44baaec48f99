"""Carrying out the runs of a comparison, each a ``fit`` in a process and a folder of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from xclr_lightning.errors import UserError

# In a run's folder: what it was started with; there from the start, with its time once it is complete.
RECORD = "comparison.json"


@dataclass(frozen=True)
class Planned:
    """A run to be made.

    Attributes:
        name: Of its row.
        seed: Of everything that is random.
        folder: Where it is written.
        arguments: Of ``fit``, without seed and folder.
    """

    name: str
    seed: int
    folder: Path
    arguments: tuple[str, ...]

    def check(self) -> None:
        """Refuse a folder with a run by other settings.

        Raises:
            UserError: There is one.
        """
        known = read_record(self.folder)
        if known and known["arguments"] != list(self.arguments):
            changed = " ".join(sorted(set(known["arguments"]) ^ set(self.arguments))) or "in another order"
            raise UserError(
                f"{self.folder} has a run by other settings ({changed}): choose another --run_dir, or remove it"
            )

    @property
    def complete(self) -> bool:
        """Whether it was made before."""
        return "seconds" in read_record(self.folder)

    def make(self, slot: int, jobs: int) -> str | None:
        """Train, or go on where it stopped; what is printed goes to ``log.txt``. Returns what went wrong, in a line."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._record()
        command = [sys.executable, "-m", "xclr_lightning", "fit", *self.arguments]
        command += [f"--seed_everything={self.seed}", f"--run_dir={self.folder}"]
        start = time.monotonic()
        with (self.folder / "log.txt").open("a", encoding="utf-8") as log:
            done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=_environment(slot, jobs))
        if done.returncode:
            lines = (self.folder / "log.txt").read_text(encoding="utf-8").strip().splitlines()
            return lines[-1] if lines else f"exit status {done.returncode}"
        self._record(seconds=round(time.monotonic() - start, 1))
        return None

    def _record(self, **more: float) -> None:
        draft = self.folder / f".{RECORD}"
        record = {"name": self.name, "seed": self.seed, "arguments": list(self.arguments), **more}
        draft.write_text(json.dumps(record, indent=2) + "\n")
        draft.replace(self.folder / RECORD)


def read_record(folder: Path) -> dict[str, Any]:
    """What a run of a comparison was started with, and how long it took if it is complete; nothing for other runs."""
    try:
        return json.loads((folder / RECORD).read_text())
    except (OSError, ValueError):
        return {}


def make_all(runs: Sequence[Planned], jobs: int) -> Iterator[tuple[Planned, str | None]]:
    """Make runs, ``jobs`` at a time, and give each back as it ends, with what went wrong in it.

    Args:
        runs: Those that are not complete.
        jobs: How many run side by side; they share the machine's threads, and its GPUs where there are as many.
    """
    slots: SimpleQueue[int] = SimpleQueue()
    for slot in range(jobs):
        slots.put(slot)

    def make(run: Planned) -> str | None:
        slot = slots.get()
        try:
            return run.make(slot, jobs)
        finally:
            slots.put(slot)

    with ThreadPoolExecutor(jobs) as pool:
        started = {pool.submit(make, run): run for run in runs}
        try:
            for future in as_completed(started):
                yield started[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # what runs has had the same interrupt
            raise


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
