"""``report``: tables and figures of finished runs."""

from pathlib import Path

from xclr_lightning.command_parser import CommandParser


def report(arguments: list[str]) -> None:
    """Write ``report.md``, ``report.json`` and figures, and print the table.

    Args:
        arguments: Folders of runs, or folders that hold some; options.

    Raises:
        UserError: There is no run, a row that is named does not exist, or nothing can be written there.
    """
    parser = CommandParser("report", description="Tables and figures of finished runs.")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder, or one that holds some")
    parser.add_argument("--output", default="report", metavar="DIR", help="where to write; by default report")
    parser.add_argument("--reference", metavar="NAME", help="the row that the others are compared with")
    given = parser.parse_args(arguments)
    from xclr_lightning.comparison.places import check_folder
    from xclr_lightning.reporting import find_runs, group_runs, named, write_report

    output = Path(given.output).expanduser()
    check_folder(output, "--output")
    groups = group_runs(find_runs(given.runs))
    reference = named(groups, given.reference) if given.reference else None
    print(write_report(output, groups, {group.name: reference for group in groups} if reference else {}))
    print(f"report: {output.absolute() / 'report.md'}")
