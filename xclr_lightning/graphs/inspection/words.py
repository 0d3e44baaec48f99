"""An inspection in sentences: one line for a run's header, what to begin with, what is wrong."""

from xclr_lightning.graphs.inspection.report import Report
from xclr_lightning.graphs.inspection.softness import KEPT

PLURAL = {"caption": "captions", "class": "classes", "sample": "samples"}


def headline(report: Report) -> str:
    """The graph in one line, at the temperature in use or else the suggested one."""
    at = report.in_use or report.suggested
    samples = report.subject.samples
    count = f"{report.subject.count:,} {PLURAL[report.subject.thing]}" if samples is None else f"{samples:,} samples"
    positives = f"effective positives {number(at.effective_positives)} of {at.keys:,}" if at else "no τ_s to suggest"
    line = f"graph: {count}, mean similarity {report.survey.mean:.2f}, {positives}"
    if at:
        line += f" at τ_s {at.temperature:g}"
    if report.suggested and report.in_use:
        line += f", suggested τ_s {report.suggested.temperature:g}"
    return line


def suggestion(report: Report) -> str:
    """Which τ_s to begin with, and why, in plain words."""
    thing, at = report.subject.thing, report.suggested
    if at is None:
        lowest = report.curve[0]
        return (
            f"suggested τ_s: none. Even at {lowest.temperature:g} an anchor's own {thing} keeps but "
            f"{lowest.same_share:.0%} of the target: others are as similar to it as itself, see near-duplicates."
        )
    more = " or more" if at is report.curve[-1] else ""
    return (
        f"suggested τ_s: {at.temperature:g}{more}, the largest tried at which an anchor's own {thing} keeps "
        f"{KEPT:.0%} of the target (here {at.same_share:.0%}), so that it counts as much as all others together. "
        "A rule of thumb of this package to begin with; the paper's default is 0.1."
    )


def warning(report: Report) -> str | None:
    """What is wrong with the temperature in use, if anything is."""
    at, thing = report.in_use, report.subject.thing
    if at is None:
        return None
    instead = f"; try {report.suggested.temperature:g}" if report.suggested else ""
    if at.nearly_uniform:
        return (
            f"τ_s {at.temperature:g} makes the target nearly uniform: {number(at.effective_positives)} effective "
            f"positives of {at.keys:,}, so there is little to learn from it{instead}"
        )
    if at.nearly_one_hot:
        return (
            f"τ_s {at.temperature:g} makes the target nearly one-hot: an anchor's own {thing} keeps "
            f"{at.same_share:.0%} of it, so degrees of similarity hardly count{instead}"
        )
    return None


def number(value: float) -> str:
    """A count of which fractions matter only where it is small."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
