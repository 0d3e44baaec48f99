"""``embed``: the features of any pictures in one file, by a checkpoint or a model of timm's."""

import os
from pathlib import Path

from xclr_lightning.command_parser import CommandParser, at_least
from xclr_lightning.errors import UserError

SUFFIXES = (".parquet", ".npy")

DESCRIPTION = """\
Encode pictures with a model, and write their features to one file with the pictures' keys.

Pictures are taken in their order; those that cannot be read are left out and counted. What is done is kept in
FILE.partial: when it is stopped, the same command goes on from there, and ends in the same file.

FILE.parquet has the columns key, part (the shard) and features, a list of fixed size; FILE.npy has the features alone,
and FILE.keys.npy their keys and parts. The crop is the one that the checkpoint's run evaluated with, if its config.yaml
lies beside checkpoints/; for timm's models one of timm's size; else 224 pixels of 256.
"""


def embed(arguments: list[str]) -> None:
    """Encode pictures with a model, and write their features to one file.

    Args:
        arguments: See ``embed --help``.

    Raises:
        UserError: Something in them is wrong, or no picture can be read.
    """
    given = _parser().parse_args(arguments)
    output = Path(given.output).expanduser()
    if output.suffix not in SUFFIXES:
        raise UserError(f"embed: --output {output}: expected a name in {' or '.join(SUFFIXES)}, which says its form")
    if output.exists():
        raise UserError(f"embed: {output} is there already: delete it, or choose another --output")
    if given.resize and not given.size:
        raise UserError("embed: --resize is the shorter side's length before a crop of --size: give that too")

    from xclr_lightning.features.job import run  # torch takes seconds to import

    try:
        run(given, output)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command goes on") from None


def _parser() -> CommandParser:
    parser = CommandParser("embed", description=DESCRIPTION)
    add = parser.add_argument
    add("--ckpt", required=True, metavar="MODEL", help="a checkpoint's file, or the name of a model of timm's")
    add("--images", required=True, help="pictures, as data.train names them: a folder, a table, shards, demo:test …")
    add("--output", required=True, metavar="FILE", help="ends in .parquet or .npy")
    add("--projection", action="store_true", help="unit vectors z in place of features")
    add("--size", type=at_least(1), metavar="PIXELS", help="crop this square from the centre, whatever the run did")
    add("--resize", type=at_least(1), metavar="PIXELS", help="shorter side before that, by default 8/7 of --size")
    add("--precision", choices=["32", "16", "bf16"], default="32", help="of computing; 16 and bf16 store float16")
    add(
        "--device",
        default="auto",
        help="cpu, cuda, cuda:1, mps; by default the first of cuda, mps, cpu",
    )
    add("--batch_size", type=at_least(1), default=64, metavar="N", help="pictures at once, 64 by default")
    workers = min(4, os.cpu_count() or 1)
    add("--num_workers", type=at_least(0), default=workers, metavar="N", help="processes that read, 4 by default")
    return parser
