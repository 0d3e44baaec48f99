"""A report: ``report.md``, ``report.json`` and figures in a folder."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from xclr_lightning.reporting.figures import by_row, over_epochs, over_k, over_setting, robustness
from xclr_lightning.reporting.groups import Group, varying
from xclr_lightning.reporting.run import Run
from xclr_lightning.reporting.tables import columns, difference_table, result_table
from xclr_lightning.run_config import run_configs, short_names
from xclr_lightning.strict_json import as_json

# Of a protocol: what an evaluation logged, and what it met, by places that are a machine's own.
NO_SETTINGS = ("logged", "percent", "pictures")
# What stands in a table's place.
NOTHING = "These runs have no numbers of an evaluation: switch one on, such as knn, and train or `test` again.\n"


def write_report(
    folder: Path, groups: Sequence[Group], references: Mapping[str, Group], title: str = "Report", command: str = ""
) -> str:
    """Write what runs have measured, each number with the folders that it comes from.

    Args:
        folder: Made where it is missing; an earlier report in it is replaced.
        groups: Rows of the table.
        references: The row that a row is compared with, by its name.
        title: Of the page.
        command: What made it, to be shown in it.

    Returns:
        The tables, as Markdown.
    """
    folder.mkdir(parents=True, exist_ok=True)
    measured = {name: percent for group in groups for run in group.runs for name, percent in run.measured().items()}
    graphs = {json.dumps(group.graph, sort_keys=True, default=str) for group in groups if group.graph}
    shown = columns(measured, one_graph=len(graphs) <= 1)
    tables = result_table(groups, shown) if shown else NOTHING
    if shown and any(references.get(group.name, group) is not group for group in groups):
        tables += "\n" + difference_table(groups, references, shown)
    _remove_figures(folder)
    drawn = _draw(folder, groups, measured, shown)
    (folder / "report.md").write_text("\n".join(_page(folder, groups, title, command, tables, drawn)), encoding="utf-8")
    facts = {
        "command": command,
        "figures": drawn,
        "protocols": _protocols(groups),
        "rows": [_facts(folder, group, references.get(group.name, group), measured) for group in groups],
    }
    (folder / "report.json").write_text(as_json(facts), encoding="utf-8")
    return tables


def _draw(folder: Path, groups: Sequence[Group], measured: dict[str, bool], shown: dict[str, bool]) -> dict[str, str]:
    """File name → what it shows, of the figures that there is something to draw for."""
    # A panel each is for what a run is judged by: accuracies.
    shares: dict[str, bool] = {name: percent for name, percent in shown.items() if percent}
    figures = {
        "rows": ("Side by side", by_row(groups, shares)),
        "epochs": ("Over epochs", over_epochs(groups, shares)),
        "k": ("kNN over k", over_k(groups, measured)),
        "robustness": ("Backgrounds (ImageNet-9)", robustness(groups, measured)),
    }
    for setting, short in short_names(varying([group.settings for group in groups])).items():
        members = [group for group in groups if _is_number(group.settings.get(setting))]
        if len({group.settings[setting] for group in members}) > 1:
            figures[f"over_{short}"] = (f"Over {short}", over_setting(setting, members, shares))
    drawn = {}
    for name, (title, figure) in figures.items():
        if figure is not None:
            file = folder / f"{name}.png"
            figure.savefig(file, dpi=110)
            drawn[file.name] = title
    return drawn


def _remove_figures(folder: Path) -> None:
    """Remove those of an earlier report."""
    with suppress(OSError, ValueError, KeyError, TypeError):  # there is none, or it is not ours
        for name in json.loads((folder / "report.json").read_text(encoding="utf-8"))["figures"]:
            if Path(name).name == name and name.endswith(".png"):
                (folder / name).unlink(missing_ok=True)


def _page(
    folder: Path, groups: Sequence[Group], title: str, command: str, tables: str, drawn: dict[str, str]
) -> list[str]:
    lines = [f"# {title}", ""]
    if command:
        lines += ["```bash", command, "```", ""]
    lines += [
        "Mean ± standard deviation over seeds; accuracies in percent; p of a paired t-test over seeds.",
        "",
        tables,
    ]
    for file, caption in drawn.items():
        lines += [f"## {caption}", "", f"![{caption}]({quote(file)})", ""]
    lines += ["## How it was measured", ""]
    protocols = _protocols(groups)
    for one in protocols:
        several = [other["name"] for other in protocols].count(one["name"]) > 1
        rows = f" of {'; '.join(one['rows'])}" if several else ""
        lines.append(f"- **{one['name']}**{rows}: {', '.join(f'{key} {v}' for key, v in one['settings'].items())}")
    lines += ["", "## Runs", ""]
    for group in groups:
        lines.append(f"- **{group.name}**: {', '.join(_links(folder, run) for run in group.runs)}")
    return [*lines, ""]


def _links(folder: Path, run: Run) -> str:
    """To a run and the configs of all its starts: what it measured may be by several of them."""
    place = quote(_link(folder, run))
    configs = ", ".join(f"[{file.stem}]({place}/{file.name})" for file in run_configs(run.folder))
    return f"[seed {run.seed}]({place}) ({configs})"


def _facts(folder: Path, group: Group, reference: Group, measured: dict[str, bool]) -> dict[str, Any]:
    facts: dict[str, Any] = {"name": group.name, "metrics": {}}
    for metric in measured:
        found = asdict(group.spread(metric))
        found["runs"] = {_link(folder, run): run.metrics[metric] for run in group.runs if metric in run.metrics}
        if reference is not group:
            found[f"less {reference.name}"] = asdict(group.against(reference, metric))
        facts["metrics"][metric] = found
    return facts


def _protocols(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """By which settings each evaluation measured, and in which rows; those of one name beside each other."""
    found: dict[str, dict[str, Any]] = {}
    for name, run in ((group.name, run) for group in groups for run in group.runs):
        for evaluation, protocol in run.protocols.items():
            settings = {key: value for key, value in protocol.items() if key not in NO_SETTINGS}
            key = json.dumps([evaluation, settings], sort_keys=True)
            one = found.setdefault(key, {"name": evaluation, "settings": settings, "rows": []})
            one["rows"] = list(dict.fromkeys([*one["rows"], name]))
    names = [one["name"] for one in found.values()]
    return sorted(found.values(), key=lambda one: names.index(one["name"]))


def _link(folder: Path, run: Run) -> str:
    return os.path.relpath(run.folder, folder)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
