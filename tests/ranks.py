"""A command line run by one or several processes at once, as torchrun or SLURM's srun would start them."""

import multiprocessing as mp
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from xclr_lightning.cli import main

Environment = Callable[[int, int], dict[str, str]]


def torchrun(rank: int, ranks: int) -> dict[str, str]:
    """What torchrun sets for one of so many processes; nothing for one alone."""
    if ranks == 1:
        return {}
    local = {"LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(ranks), "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "run"}
    return {"WORLD_SIZE": str(ranks), "RANK": str(rank), **local}


def srun(rank: int, ranks: int) -> dict[str, str]:
    """What SLURM sets for one of so many tasks of a job on one node."""
    job = {"SLURM_JOB_ID": "123", "SLURM_JOB_NAME": "train", "SLURM_NODELIST": "127.0.0.1", "SLURM_NNODES": "1"}
    task = {"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank), "SLURM_NODEID": "0"}
    return {**job, **task, "SLURM_NTASKS": str(ranks), "SLURM_NTASKS_PER_NODE": str(ranks)}


def start(
    ranks: int,
    folder: Path,
    arguments: list[str],
    environment: Environment = torchrun,
    before: Callable[[], None] | None = None,
) -> list[mp.Process]:
    """Start processes in a folder, which is made; each calls ``before`` first."""
    folder.mkdir(exist_ok=True)
    # Importing is nearly all of the cost: a server does it once, and the processes are forks of it.
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(["xclr_lightning.lightning_cli"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])} if ranks > 1 else {}
    # The server has the environment of its own start.
    settings = [{**os.environ, **place, **environment(rank, ranks)} for rank in range(ranks)]
    started = [context.Process(target=_run, args=(folder, arguments, setting, before)) for setting in settings]
    for process in started:
        process.start()
    return started


def train(ranks: int, folder: Path, arguments: list[str], *settings: Any, **more: Any) -> None:
    """Run them to their end, which must be a good one."""
    for process in start(ranks, folder, arguments, *settings, **more):
        process.join()
        assert process.exitcode == 0


def _run(folder: Path, arguments: list[str], settings: dict[str, str], before: Callable[[], None] | None) -> None:
    os.chdir(folder)
    os.environ.update(settings)
    if before:
        before()
    mp.set_start_method("fork", force=True)  # of loaders' workers, as where a run is started by hand
    torch.set_num_threads(1)
    raise SystemExit(main(arguments))
