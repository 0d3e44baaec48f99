"""Processes of one group on this machine, with the environment that torchrun would give them."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist
from torch import multiprocessing as mp

PRELOADED = ["xclr_lightning.objectives", "xclr_lightning.callbacks"]


def in_processes(ranks: int, folder: Path, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What ``function(rank, *arguments)`` returns in each process; an exception in any of them is raised here."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Importing is nearly all of the cost: a server does it once, and the processes are forks of it.
    mp.get_context("forkserver").set_forkserver_preload(PRELOADED)
    mp.start_processes(_run, args=(ranks, port, folder, function, arguments), nprocs=ranks, start_method="forkserver")
    return [torch.load(folder / f"{rank}.pt") for rank in range(ranks)]


def _run(
    rank: int, ranks: int, port: int, folder: Path, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), WORLD_SIZE=str(ranks), RANK=str(rank))
    os.environ.update(LOCAL_RANK=str(rank), LOCAL_WORLD_SIZE=str(ranks), GROUP_RANK="0", TORCHELASTIC_RUN_ID="run")
    torch.save(function(rank, *arguments), folder / f"{rank}.pt")
    if dist.is_initialized():  # or gloo's threads may outlive the process
        dist.destroy_process_group()
