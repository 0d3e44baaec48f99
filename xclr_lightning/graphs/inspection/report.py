"""All that an inspection finds, as numbers."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.inspection.clusters import Picture, clustered, groups
from xclr_lightning.graphs.inspection.hubs import occurrences, skewness
from xclr_lightning.graphs.inspection.softness import TEMPERATURES, Softness, mean_softness, softness, suggested
from xclr_lightning.graphs.inspection.subject import Subject
from xclr_lightning.graphs.inspection.survey import Survey, survey

# Anchors whose targets are looked at, over some batches.
ANCHORS = 512
# Rows of a heat map of captions that are chosen from.
CANDIDATES = 1000


@dataclass(frozen=True)
class Repeats:
    """Samples that share their caption.

    Attributes:
        share: Of samples whose caption another one has.
        pairs: Of pairs of samples that share theirs.
        most: The largest number of samples of one caption.
        common: That caption.
    """

    share: float
    pairs: float
    most: int
    common: str


@dataclass(frozen=True)
class Report:
    """What :func:`inspect_graph` finds; see there.

    Attributes:
        subject: What was inspected.
        compared: Things that were compared with each other, a seeded sample where there are many.
        survey: What came of it; numbers in it are places among these.
        names: Things by their place, those that are shown.
        shown: Places of a few things whose neighbours are shown.
        listed: In how many others' lists of neighbours each thing is. Shape: ``(n,)``.
        hubness: Skewness of that.
        repeats: Samples that share their caption; None where samples are not known.
        batch_size: Samples a batch, fewer than were asked for where there are fewer.
        views: Views a sample.
        curve: The target over τ_s, ascending.
        suggested: The point of it that the rule of thumb names.
        in_use: The point of it that is in use.
        picture: What the heat map shows.
    """

    subject: Subject
    compared: int
    survey: Survey
    names: dict[int, str]
    shown: list[int]
    listed: Tensor
    hubness: float
    repeats: Repeats | None
    batch_size: int
    views: int
    curve: list[Softness]
    suggested: Softness | None
    in_use: Softness | None
    picture: Picture

    def hubs(self, count: int = 5) -> list[int]:
        """Places of the things that are in most lists, and in more than lie in the mean."""
        order = self.listed.argsort(descending=True, stable=True)[:count]
        return order[self.listed[order] > self.survey.neighbours.shape[1]].tolist()


def inspect_graph(
    subject: Subject,
    batch_size: int,
    views: int = 2,
    in_use: float | None = None,
    sample: int = 5000,
    seed: int = 0,
) -> Report:
    """Measure what a graph holds, and how soft it makes the target of random batches.

    Args:
        subject: The graph.
        batch_size: Samples a batch, ≥ 2.
        views: Views a sample; 1 for pictures and texts, of which no other view of the sample is the anchor.
        in_use: τ_s in use.
        sample: Things that are compared with each other, at most.
        seed: Which things and which batches.

    Raises:
        UserError: There is but one thing, so nothing can be compared.
    """
    if subject.count < 2:
        raise UserError(f"the graph is of a single {subject.thing}: there is nothing to compare it with")
    rng = np.random.default_rng(seed)
    things = np.sort(rng.choice(subject.count, min(sample, subject.count), replace=False))
    nodes = subject.nodes(things)
    found = survey(subject.graph, nodes)
    listed = occurrences(found.neighbours, found.in_list)
    shown = rng.choice(len(things), min(5, len(things)), replace=False).tolist()
    curve = _curve(subject, batch_size, views, sorted({*TEMPERATURES, *([in_use] if in_use else [])}), rng)
    picture = _picture(subject, things, nodes)
    report = Report(
        subject=subject,
        compared=len(things),
        survey=found,
        names={},
        shown=shown,
        listed=listed,
        hubness=skewness(listed),
        repeats=_repeats(subject),
        batch_size=(curve[0].keys + (views > 1)) // views,
        views=views,
        curve=curve,
        suggested=suggested(curve),
        in_use=next((at for at in curve if at.temperature == in_use), None),
        picture=picture,
    )
    places = sorted({*shown, *found.neighbours[shown, :3].flatten().tolist(), *report.hubs(),
                     *found.duplicates.flatten().tolist()})  # fmt: skip
    report.names.update(zip(places, subject.names(things[places]), strict=True))
    return report


def _curve(
    subject: Subject, batch_size: int, views: int, temperatures: list[float], rng: np.random.Generator
) -> list[Softness]:
    found, anchors = [], min(batch_size, ANCHORS // 2)
    for _ in range(-(-ANCHORS // anchors)):
        batch = subject.draw(batch_size, rng)
        different, thing = np.unique(batch, return_inverse=True)
        nodes = subject.nodes(different)[torch.from_numpy(thing)]
        own = torch.arange(min(anchors, len(batch)))
        same = torch.from_numpy(batch[: len(own), None] == batch)
        found.append(softness(subject.graph.similarity(nodes[own], nodes), same, own, views, temperatures))
    return mean_softness(found)


def _picture(subject: Subject, things: np.ndarray, nodes: Tensor) -> Picture:
    if subject.thing == "class":
        picture = clustered(subject.graph.similarity(nodes, nodes))
    else:
        candidates = nodes[:: -(-len(nodes) // CANDIDATES)]
        things = things[:: -(-len(nodes) // CANDIDATES)]
        picture = groups(subject.graph.similarity(candidates, candidates))
    return picture.named(subject.names(things[picture.rows[picture.labelled]]))


def _repeats(subject: Subject) -> Repeats | None:
    if subject.thing_of is None:
        return None
    samples = np.bincount(subject.thing_of, minlength=subject.count).astype(np.float64)
    n = samples.sum()
    return Repeats(
        share=samples[samples > 1].sum() / n,
        pairs=(samples * (samples - 1)).sum() / max(n * (n - 1), 1),
        most=int(samples.max()),
        common=subject.names([int(samples.argmax())])[0],
    )
