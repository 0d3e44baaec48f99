"""An inspection as tables, for the terminal or as plain text."""

import io
from collections.abc import Iterable

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from xclr_lightning.graphs.inspection.naming import short
from xclr_lightning.graphs.inspection.report import Report
from xclr_lightning.graphs.inspection.softness import Softness
from xclr_lightning.graphs.inspection.survey import NEAR_DUPLICATE
from xclr_lightning.graphs.inspection.words import PLURAL, number, suggestion, warning

WIDTH = 110
_FACTS = ("source", "model", "revision", "template", "metric", "settings", "neighbours", "floor")


def plain_text(report: Report) -> str:
    """The tables as text of a fixed width, without colours."""
    written = io.StringIO()
    console = Console(file=written, width=WIDTH, color_system=None, highlight=False)
    for part in tables(report):
        console.print(part)
    return written.getvalue()


def tables(report: Report) -> list[RenderableType]:
    """All that is shown, from top to bottom."""
    parts: list[RenderableType] = [_facts(report), _curve(report), Text(suggestion(report))]
    if text := warning(report):
        parts.append(Text(f"warning: {text}", style="yellow"))
    return [*parts, Text(), _neighbours(report), _hubs(report), _duplicates(report)]


def _facts(report: Report) -> RenderableType:
    subject, found = report.subject, report.survey
    many = PLURAL[subject.thing]
    table = Table(show_header=False)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    made = {name: subject.facts[name] for name in _FACTS if subject.facts.get(name)}
    table.add_row("made from", Text(", ".join(f"{name} {short(str(value), 40)}" for name, value in made.items())))
    if subject.samples is not None and subject.thing != "sample":
        table.add_row("samples", f"{subject.samples:,}")
    table.add_row(f"different {many}", f"{subject.count:,}")
    if (repeats := report.repeats) and subject.thing != "sample":
        table.add_row(
            f"shared {many}",
            Text(f"{repeats.share:.1%} of samples have another one's {subject.thing}, {repeats.pairs:.2%} of pairs are "
                 f"of one {subject.thing}; most frequent: {short(repeats.common)!r}, {repeats.most:,} times"),
        )  # fmt: skip
    table.add_row(
        "similarity",
        f"mean {found.mean:.3f} of two different {many}; 5 % of pairs below {found.quantile(0.05):.2f}, half below "
        f"{found.quantile(0.5):.2f}, 5 % above {found.quantile(0.95):.2f}",
    )
    compared = (
        f"all {report.compared:,}" if report.compared == subject.count else f"a random {report.compared:,} of the"
    )
    table.add_row("compared", f"{compared} {many}, each with each")
    return _titled("graph", table)


def _curve(report: Report) -> RenderableType:
    thing, keys = report.subject.thing, report.curve[0].keys
    drawn = " drawn evenly from the classes" if report.subject.thing_of is None else ""
    of = "pictures and texts" if report.views == 1 else f"{report.views} views of each"
    table = Table()
    for name in ("τ_s", "entropy", f"effective positives of {keys:,}", "own sample", f"same {thing}", ""):
        table.add_column(name, justify="left" if not name else "right")
    for at in report.curve:
        mark = [word for word, point in (("in use", report.in_use), ("suggested", report.suggested)) if point is at]
        table.add_row(*_row(at), ", ".join(mark), style="bold" if mark else None)
    return _titled(f"target of a random batch of {report.batch_size:,} samples{drawn}, {of}", table)


def _row(at: Softness) -> Iterable[str]:
    positives = number(at.effective_positives)
    return f"{at.temperature:g}", f"{at.entropy:.2f}", positives, f"{at.own_share:.1%}", f"{at.same_share:.1%}"


def _neighbours(report: Report) -> RenderableType:
    table = Table(show_lines=True)
    table.add_column(report.subject.thing, ratio=2)
    table.add_column("nearest", ratio=3)
    for place in report.shown:
        found = zip(report.survey.neighbours[place, :3].tolist(), report.survey.similarities[place, :3], strict=True)
        near = "\n".join(f"{similarity:.2f}  {short(report.names[other])}" for other, similarity in found)
        table.add_row(Text(short(report.names[place])), Text(near))
    return _titled(f"nearest {PLURAL[report.subject.thing]} of a few", table)


def _hubs(report: Report) -> RenderableType:
    k, many = report.survey.neighbours.shape[1], PLURAL[report.subject.thing]
    title = f"hubs: {many} that are in most others' lists of their {k} nearest (skewness {report.hubness:.1f})"
    if not (places := report.hubs()):
        return _titled("hubs: none, all are near to equally many others")
    table = Table()
    table.add_column("lists", justify="right")
    table.add_column("share", justify="right")
    table.add_column(report.subject.thing)
    for place in places:
        times = int(report.listed[place])
        table.add_row(f"{times:,}", f"{times / (report.compared - 1):.1%}", Text(short(report.names[place])))
    return _titled(title, table)


def _duplicates(report: Report) -> RenderableType:
    found, many = report.survey, PLURAL[report.subject.thing]
    title = f"near-duplicates: of {report.compared:,} different {many}, {found.duplicated:,} have one above "
    title += f"{NEAR_DUPLICATE:g}; pairs: {found.duplicate_pairs:,}"
    if not found.duplicate_pairs:
        return _titled(title)
    table = Table(show_header=False)
    for one, other in found.duplicates.tolist():
        table.add_row(Text(short(report.names[one])), Text(short(report.names[other])))
    return _titled(f"{title}, the most alike", table)


def _titled(title: str, *body: RenderableType) -> RenderableType:
    """A table under its title, which may be the longer of the two."""
    return Group(Text(title, style="bold"), *body, Text())
