"""``compare``: several objectives or settings, each over several seeds by the same budget, in one table."""

import json
import re
import shlex
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from xclr_lightning.command_parser import CommandParser, at_least
from xclr_lightning.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from xclr_lightning.comparison.checked import Checked
    from xclr_lightning.comparison.runs import Planned

# Settings that are a comparison's own to give.
OWN = {"seed_everything": "--seeds", "data.graph.seed": "--seeds", "run_dir": "--run_dir"}

# The largest that PyTorch and NumPy both take.
MOST_SEED = 2**32 - 1

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
    given, common = _parser().parse_known_args(arguments)
    if len(set(given.seeds)) < len(given.seeds) or max(given.seeds) > MOST_SEED:
        raise UserError(f"compare: --seeds {given.seeds}: expected each once, and none above {MOST_SEED}")
    varied = [(key.removeprefix("--"), values) for key, *values in given.vary]
    if empty := next((key for key, values in varied if not values), None):
        raise UserError(f"compare: --vary {empty} wants values, such as --vary model.temperature 0.1 0.2")
    from xclr_lightning.resume import option

    for key in [key for key, _ in varied] + ["seed_everything"] * bool(option(common, "seed_everything")):
        if instead := OWN.get(re.sub(r"(\.graph)+", ".graph", key.replace(".init_args", ""))):
            raise UserError(f"compare: {key} is set in each run by the comparison: give {instead} instead")
    from xclr_lightning.comparison.checked import checked, reference_of, references_of
    from xclr_lightning.comparison.grid import rows, split_configs
    from xclr_lightning.comparison.places import check_folder

    configs = "+".join(Path(config).stem for config in split_configs(common)[0])
    root = Path(given.run_dir or f"runs/compare/{configs or 'run'}").expanduser()
    table = checked(rows(given.objectives, varied), common, given.control)
    names = [one.row.name for one in table]
    reference = given.reference or reference_of(table)
    if reference not in names:
        raise UserError(f"compare: no row {reference!r}: there is {'; '.join(names)}{did_you_mean(reference, names)}")
    plan = [_planned(one, seed, root, common) for one in table for seed in given.seeds]
    for run in plan:
        run.check()
    check_folder(root / "report", "--run_dir")
    try:
        _make(plan, given.jobs, root)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command goes on") from None

    from xclr_lightning.config_files import shipped_configs
    from xclr_lightning.reporting import find_runs, group_runs, named, write_report

    groups = group_runs(find_runs([run.folder for run in plan]))
    shipped = {str(file): name for name, file in shipped_configs().items()}
    command = f"python -m xclr_lightning compare {shlex.join(shipped.get(one, one) for one in arguments)}"
    print()
    told = dict.fromkeys(names, reference) if given.reference else references_of(table, reference)
    references = {name: named(groups, other) for name, other in told.items()}
    print(write_report(root / "report", groups, references, f"Comparison {root.name}", command))
    print(f"report: {(root / 'report' / 'report.md').absolute()}")


def _parser() -> CommandParser:
    parser = CommandParser(
        "compare",
        description="Train several objectives or settings over several seeds by the same budget; one table of all.",
        epilog=EXAMPLES,
    )
    parser._negative_number_matcher = re.compile(r"-\.?\d")  # argparse's own takes -2e-3 for an option
    parser.add_argument(
        "--objectives", nargs="+", default=[], metavar="NAME",
        help="overlays of configs/objective, config files or classes; by default the config's own",
    )  # fmt: skip
    parser.add_argument(
        "--vary", nargs="+", action="append", default=[], metavar="X",
        help="KEY VALUE VALUE …: a setting of fit and its values; KEY config lays configs over; may be repeated",
    )  # fmt: skip
    parser.add_argument("--seeds", nargs="+", type=at_least(0), default=[0, 1, 2], metavar="N", help="by default 0 1 2")
    parser.add_argument("--jobs", type=at_least(1), default=1, metavar="N", help="runs side by side; by default 1")
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


def _planned(one: "Checked", seed: int, root: Path, common: Sequence[str]) -> "Planned":
    from xclr_lightning.comparison.checked import permuted
    from xclr_lightning.comparison.runs import Planned

    arguments, settings = one.row.fit(common), one.settings | {"seed_everything": seed, "run_dir": None}
    if one.row.control:
        settings = permuted(settings, seed)
        # Whole, as options cannot reach into a list of graphs.
        arguments.append(f"--data.graph={json.dumps(settings['data']['init_args']['graph'])}")
    return Planned(one.row.name, seed, one.row.folder(root, seed), tuple(arguments), settings)


def _make(plan: "Sequence[Planned]", jobs: int, root: Path) -> None:
    from xclr_lightning.comparison.runs import make_all

    todo = [run for run in plan if not run.complete]
    print(
        f"{len(plan)} runs in {root}"
        + (f", of which {len(plan) - len(todo)} are there" if len(todo) < len(plan) else "")
    )
    failed = []
    with closing(make_all(todo, jobs)) as made:
        for done, (run, problem) in enumerate(made, len(plan) - len(todo) + 1):
            print(f"[{done}/{len(plan)}] {run.name}, seed {run.seed}: {problem or _said(run)}", flush=True)
            if problem:
                failed.append(run)
    if failed:
        raise UserError(
            f"{len(failed)} of {len(plan)} runs failed, first {failed[0].name}, seed {failed[0].seed}: see "
            f"{failed[0].folder / 'log.txt'}; the same command goes on with what is left"
        )


def _said(run: "Planned") -> str:
    from xclr_lightning.run_config import read_record

    return f"{read_record(run.folder)['seconds']} s"
