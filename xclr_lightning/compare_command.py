"""``compare``: several objectives or settings, each over several seeds by the same budget, in one table."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xclr_lightning.command_parser import CommandParser
from xclr_lightning.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from xclr_lightning.comparison.grid import Row
    from xclr_lightning.comparison.runs import Planned

EXAMPLES = """\
every other option is one of fit, and holds for all runs.

examples:
  python -m xclr_lightning compare --config demo --objectives simclr supcon clip xclr
  python -m xclr_lightning compare --config demo --vary model.target_temperature 0.05 0.1 0.2
  python -m xclr_lightning compare --config demo --objectives simclr xclr --vary data.train_share 0.1 0.3 1.0
"""


def compare(arguments: list[str]) -> None:
    """Train every row of a table with every seed, going on where an earlier call stopped, and print it.

    Args:
        arguments: Options of its own; all others are ``fit``'s, with each ``--config`` a file.

    Raises:
        UserError: A setting is wrong, which is said before the first run, or a run failed, after all others.
    """
    parser = _parser()
    given, common = parser.parse_known_args(arguments)
    if len(set(given.seeds)) < len(given.seeds) or given.jobs < 1:
        raise UserError(f"compare: --seeds {given.seeds} --jobs {given.jobs}: expected each seed once, at least 1 job")
    from xclr_lightning.comparison.grid import rows

    root = Path(given.run_dir or f"runs/compare/{_name(common)}").expanduser()
    varied = [(key.removeprefix("--"), values) for key, *values in given.vary]
    if empty := next((key for key, values in varied if not values), None):
        raise UserError(f"compare: --vary {empty} wants values, such as --vary model.temperature 0.1 0.2")
    table = _with_controls(rows(given.objectives, varied), common, given.control)
    names = [row.name for row in table]
    reference = given.reference or _reference(table)
    if reference not in names:
        raise UserError(f"compare: no row {reference!r}: there is {'; '.join(names)}{did_you_mean(reference, names)}")
    plan = [_planned(row, seed, root, common) for row in table for seed in given.seeds]
    for run in plan:
        run.check()
    _make(plan, given.jobs, root)

    from xclr_lightning.reporting import find_runs, group_runs
    from xclr_lightning.reporting.groups import named
    from xclr_lightning.reporting.report import write_report

    groups = group_runs(find_runs([run.folder for run in plan]))
    command = f"python -m xclr_lightning compare {shlex.join(_short(arguments))}"
    print()
    print(write_report(root / "report", groups, named(groups, reference), f"Comparison {root.name}", command))
    print(f"report: {(root / 'report' / 'report.md').absolute()}")


def _parser() -> CommandParser:
    parser = CommandParser(
        "compare",
        description="Train several objectives or settings over several seeds by the same budget; one table of all.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--objectives", nargs="+", default=[], metavar="NAME",
        help="overlays of configs/objective, config files or classes; by default the config's own",
    )  # fmt: skip
    parser.add_argument(
        "--vary", nargs="+", action="append", default=[], metavar="X",
        help="KEY VALUE VALUE …: a setting of fit and its values; KEY config lays configs over; may be repeated",
    )  # fmt: skip
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N", help="by default 0 1 2")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs side by side; by default 1")
    parser.add_argument(
        "--no_control", dest="control", action="store_false",
        help="leave out what is added by itself: X-CLR on the same graph with its captions permuted",
    )  # fmt: skip
    parser.add_argument("--reference", metavar="NAME", help="the row others are compared with; by default X-CLR's")
    parser.add_argument(
        "--run_dir", metavar="DIR",
        help="where runs and report are; runs that are there already are kept. By default runs/compare/CONFIG",
    )  # fmt: skip
    return parser


def _with_controls(table: "Sequence[Row]", common: Sequence[str], wanted: bool) -> "list[Row]":
    """Check every row's settings, and add a control to those that have one."""
    from xclr_lightning.comparison.checked import control_of, settings

    found: list[Row] = []
    for row in table:
        config = settings([*common, *row.arguments])
        found.append(row)
        if wanted and (control := control_of(row, config)):
            found.append(control)
    return found


def _planned(row: "Row", seed: int, root: Path, common: Sequence[str]) -> "Planned":
    from xclr_lightning.comparison.runs import Planned

    # Configs first: what the command line says wins over all.
    configs, options = _split(common)
    own_configs, own_options = _split(row.arguments)
    permuted = [f"--data.graph.seed={seed}"] if row.control else []
    return Planned(row.name, seed, row.folder(root, seed), (*configs, *own_configs, *options, *own_options, *permuted))


def _make(plan: "Sequence[Planned]", jobs: int, root: Path) -> None:
    from xclr_lightning.comparison.runs import make_all

    todo = [run for run in plan if not run.complete]
    print(
        f"{len(plan)} runs in {root}"
        + (f", of which {len(plan) - len(todo)} are there" if len(todo) < len(plan) else "")
    )
    failed = []
    for done, (run, problem) in enumerate(make_all(todo, jobs), len(plan) - len(todo) + 1):
        print(f"[{done}/{len(plan)}] {run.name}, seed {run.seed}: {problem or _said(run)}", flush=True)
        if problem:
            failed.append(run)
    if failed:
        raise UserError(
            f"{len(failed)} of {len(plan)} runs failed, first {failed[0].name}, seed {failed[0].seed}: see "
            f"{failed[0].folder / 'log.txt'}; the same command goes on with what is left"
        )


def _said(run: "Planned") -> str:
    from xclr_lightning.comparison.runs import read_record

    return f"{read_record(run.folder)['seconds']} s"


def _reference(table: "Sequence[Row]") -> str:
    """X-CLR where there is one, else the first row."""
    return next((row.name for row in table if row.objective == "xclr"), table[0].name)


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Configs, and everything else."""
    configs: list[str] = []
    others: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--config":
            configs.append(f"--config={next(rest)}")
        else:
            (configs if argument.startswith("--config=") else others).append(argument)
    return configs, others


def _name(common: Sequence[str]) -> str:
    """``--config=demo.yaml`` → ``demo``."""
    configs, _ = _split(common)
    return "+".join(Path(config.partition("=")[2]).stem for config in configs) or "run"


def _short(arguments: Sequence[str]) -> list[str]:
    """Shipped configs by their names again."""
    from xclr_lightning.config_files import shipped_configs

    names = {str(file): name for name, file in shipped_configs().items()}
    return [names.get(argument, argument) for argument in arguments]
