"""From a set of shards to its table: what is indexed already is used, the rest is indexed, by all who ask at once."""

import hashlib
import os
import random
import sys
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from xclr_lightning.cache import cache_dir
from xclr_lightning.data.shard_cache import locked, make_folder
from xclr_lightning.data.shard_index import ShardFacts, index_file, load_facts, read_shard, write_index
from xclr_lightning.data.shard_place import LocalShard, Shard
from xclr_lightning.data.shard_table import NoSamples, Table, current_table, write_table
from xclr_lightning.errors import UserError
from xclr_lightning.progress import progress_bar

# Threads wait for networks together; processes also compute together, and pay off beyond so many shards.
_THREADS, _PROCESSES, _FEW = 8, 8, 100


def open_table(place: str, shards: Sequence[Shard]) -> tuple[Path, Table]:
    """Open the table of a set of shards, made or brought up to date where it has to be.

    Args:
        place: The folder or pattern that names the set.
        shards: Its shards.

    Returns:
        The set's folder in the cache, and the table.

    Raises:
        UserError: No sample is left, or the cache cannot be written.
    """
    root = set_folder(place)
    if table := _up_to_date(root, shards):
        return root, table
    facts = _index_all(root, shards)
    with locked(root / "table.lock"):
        # What the first to finish found unreadable is so for all of them: processes must agree on their samples.
        if table := _up_to_date(root, shards):
            return root, table
        try:
            return root, write_table(root, facts)
        except NoSamples as nothing:
            causes = ", ".join(f"{count} × {cause}" for cause, count in nothing.skipped.items())
            raise UserError(
                f"{place if len(shards) > 1 else shards[0]} holds no picture that can be used ({causes}): expected "
                "<key>.jpg, <key>.txt and <key>.json in each tar"
            ) from None


def set_folder(place: str) -> Path:
    """The folder in the cache for the index of a set of shards."""
    where = place if "://" in place or place.startswith("pipe:") else os.path.abspath(os.path.expanduser(place))
    return cache_dir() / "shards" / hashlib.sha256(where.encode()).hexdigest()[:16]


def _up_to_date(root: Path, shards: Sequence[Shard]) -> Table | None:
    table = current_table(root)
    if table is None or [entry.name for entry in table.entries] != [shard.name for shard in shards]:
        return None
    for entry, shard in zip(table.entries, shards, strict=True):
        current = not shard.try_again(entry.tried) if entry.version is None else shard.is_now(entry.version)
        if not current:
            return None
    return table


def _index_all(root: Path, shards: Sequence[Shard]) -> dict[str, ShardFacts | None]:
    """Index what has no index; what each shard adds, by its name, and None for one that cannot be read."""
    make_folder(root / "index")
    # Processes that start together begin at different shards, and find done what another has done.
    order = random.Random(os.getpid()).sample(shards, len(shards))
    pool = _pool(shards)
    try:
        tasks = {pool.submit(_index, root, shard): shard.name for shard in order}
        with progress_bar(len(shards), "indexing shards", "shard", delay=2) as bar:
            for _ in as_completed(tasks):
                bar.update()
    finally:
        pool.shutdown(cancel_futures=True)
    found = {name: task.result() for task, name in tasks.items()}
    return {shard.name: found[shard.name] for shard in shards}


def _pool(shards: Sequence[Shard]) -> Executor:
    local = all(isinstance(shard, LocalShard) for shard in shards)
    if not local or len(shards) < _FEW or sys.platform != "linux":
        return ThreadPoolExecutor(_THREADS)
    # Forked, for a fresh Python takes seconds to import the package; what they do touches neither torch nor devices.
    return ProcessPoolExecutor(min(_PROCESSES, len(os.sched_getaffinity(0))), get_context("fork"))


def _index(root: Path, shard: Shard) -> ShardFacts | None:
    path = index_file(root, shard.name)
    facts = load_facts(path)
    if facts and shard.is_now(facts.version):
        return facts
    try:
        descriptor = shard.open()
        try:
            index = read_shard(descriptor, shard.version())
        finally:
            os.close(descriptor)
    except OSError:
        return None
    write_index(path, index)
    return index.facts
