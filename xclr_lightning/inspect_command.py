"""``graph inspect``: what a graph holds and how soft it makes the target, before it is trained on."""

import argparse
import io
import math
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console

from xclr_lightning.cache import atomic_file
from xclr_lightning.command_parser import CommandParser, at_least
from xclr_lightning.errors import UserError
from xclr_lightning.graphs.inspection import (
    Report,
    Subject,
    draw_report,
    inspect_graph,
    subject_in_folder,
    subject_in_use,
)
from xclr_lightning.graphs.inspection.tables import tables
from xclr_lightning.graphs.manifest import MANIFEST

# Bytes that take seconds to read and hash.
MUCH = 1 << 30


def inspect(arguments: list[str]) -> None:
    """Print tables about a graph, and write ``inspect.png`` beside it.

    Args:
        arguments: The graph's folder, or a run's; options; ``--config NAME`` with settings as ``fit`` takes them, which
            gives batch size and τ_s, and the graph of its ``data.train`` where no folder is given.

    Raises:
        UserError: Something in it is wrong, or the graph is damaged.
    """
    path = arguments[0] if arguments and not arguments[0].startswith("-") else None
    given, rest = _parser().parse_known_args(arguments[bool(path) :])
    if not path and not given.config:
        raise UserError("graph inspect: which? Give the graph's folder, a run's, or --config NAME")
    if rest and not given.config:
        raise UserError(f"graph inspect: no option {rest[0]!r} without --config NAME; the folder comes first")
    settings: dict[str, Any] = {"batch_size": 256, "views": 2, "in_use": None}
    if given.config:
        cli = _read_config([*(f"--config={name}" for name in given.config), *rest])
        settings |= _settings(cli)
    if path:
        folder = _graph_in(Path(path).expanduser())
        _announce(folder)
        subject = subject_in_folder(folder)
    else:
        folder, subject = _training_graph(cli.datamodule)
    chosen = {"batch_size": given.batch_size, "views": given.num_views, "in_use": given.target_temperature}
    settings |= {name: value for name, value in chosen.items() if value is not None}
    report = inspect_graph(subject, **settings, sample=given.sample, seed=given.seed)
    console = Console(highlight=False)
    for table in tables(report):
        console.print(table)
    print(f"figure: {_save(report, folder)}")


def _parser() -> CommandParser:
    parser = CommandParser("graph inspect", description=inspect.__doc__)
    parser.add_argument("--config", action="append", metavar="NAME", help="settings, as fit takes them")
    parser.add_argument("--batch_size", type=at_least(2), metavar="N", help="samples a batch, 256 by default")
    parser.add_argument("--num_views", type=at_least(1), metavar="V", help="views a sample, 2 by default")
    parser.add_argument("--target_temperature", type=_temperature, metavar="τ_s", help="the one in use, to be marked")
    parser.add_argument(
        "--sample", type=at_least(2), default=5000, metavar="N", help="captions compared, 5000 by default"
    )
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="which captions and batches")
    return parser


def _temperature(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def _read_config(arguments: list[str]) -> Any:
    from xclr_lightning.lightning_cli import DataCLI, run  # Lightning takes seconds to import

    return run(["fit", *arguments], DataCLI)


def _settings(cli: Any) -> dict[str, Any]:
    """Batch size, views and τ_s as ``fit`` would use them."""
    model = cli.config[cli.config.subcommand].get("model")
    found = {"batch_size": cli.datamodule.batch_size, "views": cli.datamodule.num_views}
    if model is None:
        return found
    settings, (module, _, name) = model.get("init_args", {}), model.class_path.rpartition(".")
    objective = getattr(import_module(module), name)
    if "nodes" in objective.needs or settings.get("use_graph"):
        found["in_use"] = settings.get("target_temperature")
    found["views"] += bool(settings.get("caption_view"))
    if hasattr(objective, "encode_text"):
        found["views"] = 1  # of pictures and texts, none is a view of the other's sample
    return found


def _training_graph(data: Any) -> tuple[Path, Subject]:
    """The graph of ``data.train``, computed where it is missing."""
    if data.graph_source is None:
        raise UserError("data.graph is not set: name the graph to inspect, such as data.graph: CaptionGraph")
    source = data.graph_sources()["train"]
    folder = data.graph_source.prepare(source)
    return folder, subject_in_use(data.graph_source.open(source), source, folder)


def _graph_in(path: Path) -> Path:
    """The folder itself, or that of the graph of a run."""
    return path / "graph" if not (path / MANIFEST).exists() and (path / "graph" / MANIFEST).exists() else path


def _announce(folder: Path) -> None:
    """Say that the files are being read where that takes a while."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if size > MUCH:
        print(f"reading {size / 1e9:.1f} GB to see that they are as they were written …", file=sys.stderr, flush=True)


def _save(report: Report, folder: Path) -> Path:
    """Write the figure beside the graph, or where that cannot be, here. Returns its path."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # the figure's font lacks some scripts
        draw_report(report).savefig(buffer, dpi=100)
    file = folder / "inspect.png"
    try:
        _write(file, buffer.getvalue())
    except OSError as error:
        print(f"cannot write {file}: {error.strerror}; the figure goes here instead", file=sys.stderr)
        file = Path.cwd() / f"inspect-{folder.resolve().name}.png"
        _write(file, buffer.getvalue())
    return file


def _write(file: Path, content: bytes) -> None:
    with atomic_file(file, file.parent) as draft:
        draft.write_bytes(content)
