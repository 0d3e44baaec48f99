"""``graph build``: the graph that a config's data asks for, computed before training, by one process or by many."""

import os

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.base import Built
from xclr_lightning.graphs.manifest import MANIFEST, read_manifest
from xclr_lightning.lightning_cli import DataCLI, run


def build(arguments: list[str]) -> None:
    """Compute the graphs of ``data.train`` and ``data.val`` where they are missing, and print where they are.

    Args:
        arguments: A command line as ``fit`` takes it, without the command.

    Raises:
        UserError: Something in it or in the data it names is wrong, or it asks for no graph.
    """
    rank, world = share()
    # The parser wants a model, of which nothing is made: a config of data alone will do.
    data = run(["fit", "--model", "SimCLR", *arguments], DataCLI).datamodule
    if data.graph_source is None:
        raise UserError("data.graph is not set: name the graph to compute, such as data.graph: CaptionGraph")
    try:
        for split, source in data.graph_sources().items():
            print(describe(split, data.graph_source.build(source, rank, world), rank, world))
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command goes on") from None


def share() -> tuple[int, int]:
    """This process's number and how many there are, as torchrun or SLURM's srun tell it; (0, 1) without them.

    Raises:
        UserError: The environment's numbers make no sense.
    """
    for rank, worlds in (("RANK", ("WORLD_SIZE",)), ("SLURM_PROCID", ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"))):
        # A batch script outside of srun has its job's SLURM_NTASKS, but is the only process of its step.
        world = next((name for name in worlds if name in os.environ), None)
        if rank in os.environ and world:
            numbers = os.environ[rank], os.environ[world]
            if all(number.isdigit() for number in numbers) and int(numbers[0]) < int(numbers[1]):
                return int(numbers[0]), int(numbers[1])
            raise UserError(
                f"{rank}={numbers[0]} and {world}={numbers[1]} in the environment: expected N below the count"
            )
    return 0, 1


def describe(split: str, built: Built, rank: int, world: int) -> str:
    """Say where a graph is, what is in it, and how fast this process computed what it did."""
    work = ""
    if built.encoded:
        rate = built.encoded / max(built.seconds, 1e-9)
        work = f"; {built.encoded:,} encoded here in {built.seconds:.1f} s, {rate:,.0f} a second"
    if built.folder is None:
        return f"{split}: process {rank} of {world} has done its share; the last one puts the graph in its place{work}"
    facts = read_manifest(built.folder) if (built.folder / MANIFEST).is_file() else {}
    known = (("count", "samples"), ("distinct", "distinct captions"), ("dimension", "dimensions"))
    contents = [f"{facts[name]:,} {unit}" for name, unit in known if isinstance(facts.get(name), int)]
    return f"{split}: {built.folder}" + "".join(f", {content}" for content in contents) + work
