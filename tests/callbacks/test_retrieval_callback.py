"""Retrieval in a run: what is logged, against a plain loop over the features, and for any number of processes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from coloured import quiet_trainer, write
from lightning import Trainer
from processes import in_processes
from torch.nn import functional as F

from xclr_lightning.callbacks import graph_gain
from xclr_lightning.callbacks.features import features_of
from xclr_lightning.callbacks.retrieval import Retrieval, RetrievalSet
from xclr_lightning.data import EvalView, GraphDataModule
from xclr_lightning.errors import UserError
from xclr_lightning.graphs import CaptionGraph, ClassGraph, MetadataGraph, NeighbourListGraph, WeightedSum
from xclr_lightning.objectives import SimCLR


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """Pictures of noise, so that no ranking is perfect."""
    names = ["north", "south", "west"]
    return {
        "train": write(tmp_path / "train", 25, names), "val": write(tmp_path / "val", 13, names), "label": "class",
        "batch_size": 6, "num_workers": 0, "eval_view": EvalView(24, None),
    }  # fmt: skip


def validated(settings: dict[str, Any], evaluation: Retrieval, **more: Any) -> tuple[SimCLR, Trainer]:
    torch.manual_seed(0)
    module = SimCLR(backbone="test_resnet", projector=(8,))
    trainer = quiet_trainer(callbacks=[evaluation], **more)
    trainer.validate(module, datamodule=GraphDataModule(**settings), verbose=False)
    return module, trainer


def numbers(trainer: Trainer) -> dict[str, float]:
    return {name: value.item() for name, value in trainer.callback_metrics.items() if not name.startswith("val/")}


def test_other_queries_are_ranked_against_the_gallery(settings: dict[str, Any], tmp_path: Path) -> None:
    queries = write(tmp_path / "queries", 11, ["east", "south", "west"])  # the gallery has no east
    sets = {"search": RetrievalSet(settings["train"], queries)}
    module, trainer = validated(settings, Retrieval(sets, k=[1, 4]))
    found = numbers(trainer)
    measures = ["map", "map_at_r", *(f"{name}@{k}" for name in ("precision", "recall", "hit") for k in (1, 4))]
    assert sorted(found) == sorted(f"search/{name}" for name in measures)  # no graph, no nDCG
    opened = trainer.callbacks[0]._opened["search"]
    known, asked = (features_of(trainer, module, source) for source in opened)
    gallery = opened[0].fields("class")
    precision, recall, average = [], [], []
    for i, name in enumerate(opened[1].fields("class")):
        cosine = F.cosine_similarity(asked.values[i].double(), known.values.double(), dim=1)
        hits = [gallery[j] == name for j in cosine.argsort(descending=True)]
        if name == "east":
            continue
        precision.append(sum(hits[:4]) / 4)
        recall.append(sum(hits[:4]) / sum(hits))
        average.append(sum(sum(hits[: j + 1]) / (j + 1) for j, hit in enumerate(hits) if hit) / sum(hits))
    assert found["search/precision@4"] == pytest.approx(sum(precision) / len(precision))
    assert found["search/recall@4"] == pytest.approx(sum(recall) / len(recall))
    assert found["search/map"] == pytest.approx(sum(average) / len(average))


def test_a_gallery_by_itself_with_the_graphs_gains(settings: dict[str, Any], tmp_path: Path) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    graph = MetadataGraph(categorical=["class"])
    val = tmp_path / "val"
    sets = {
        "held": RetrievalSet(str(val)),
        "same": RetrievalSet(str(val), str(val)),
        "across": RetrievalSet(settings["train"], str(val)),
    }
    module, trainer = validated({**settings, "graph": graph}, Retrieval(sets, k=3))
    found = numbers(trainer)
    assert {name for name in found if "ndcg" in name} == {"held/ndcg@3", "same/ndcg@3"}
    assert all(found[name.replace("held", "same")] == value for name, value in found.items() if "held" in name)
    source = trainer.callbacks[0]._opened["held"][0]
    features, names = F.normalize(features_of(trainer, module, source).values, dim=1), source.fields("class")
    expected = []
    for i in range(len(names)):
        others = [j for j in range(len(names)) if j != i]
        gain = [float(names[i] == names[j]) for j in others]
        expected.append(sklearn.ndcg_score([gain], [(features[others] @ features[i]).numpy()], k=3))
    assert found["held/ndcg@3"] == pytest.approx(sum(expected) / len(expected), abs=1e-6)
    assert 0 < found["held/map"] < 1


class Likeness(ClassGraph):
    """Similarities of three classes, none like another."""

    def table(self, classes: list[str]) -> np.ndarray:
        return np.array([[1, 0.9, 0.2], [0.9, 1, 0.5], [0.2, 0.5, 1]])

    def settings(self) -> dict[str, Any]:
        """As with captions, a shuffled graph is kept apart from that which is not."""
        return {"shuffled": self.shuffled}


GRAPHS = {
    "classes": lambda **how: Likeness(**how),
    "a sum": lambda **how: WeightedSum([Likeness(**how), MetadataGraph(categorical=["class"])], [0.5, 0.5]),
}


@pytest.mark.parametrize("graph", list(GRAPHS))
def test_a_control_is_judged_by_what_captions_truly_say(settings: dict[str, Any], graph: str) -> None:
    found, protocols, learned = [], [], []
    for how in ({"shuffled": 1.0, "seed": 3}, {}):
        evaluation = Retrieval({"held": RetrievalSet(settings["val"])}, k=5)
        _, trainer = validated({**settings, "graph": GRAPHS[graph](**how)}, evaluation)
        found.append(numbers(trainer))
        protocols.append(evaluation.protocol()["graph"])
        dataset = trainer.datamodule.dataset("val")
        nodes = torch.stack([dataset.graph.nodes(number) for number in range(13)])
        learned.append(dataset.graph.similarity(nodes, nodes))
    assert "held/ndcg@5" in found[0]
    assert found[0] == found[1]
    assert protocols[0] == protocols[1]
    assert not torch.equal(*learned)  # the control itself learns from shuffled ones


def test_the_protocol_names_the_graph(settings: dict[str, Any], tmp_path: Path) -> None:
    sets = {"held": RetrievalSet(settings["val"])}
    graphs = [NeighbourListGraph(CaptionGraph("a", shuffled=0.5, seed=2), k=5), NeighbourListGraph(CaptionGraph("b"))]
    described = [graph_gain.described(graph) for graph in graphs]
    assert described[0]["graph"]["encoder"] == "a"
    assert {"shuffled", "seed"} & set(described[0]["graph"]) == set()
    assert described[0]["seed"] == 0
    assert described[0] != described[1]
    assert graph_gain.unshuffled(graphs[0]).graph.shuffled == 0
    assert graphs[0].graph.shuffled == 0.5
    evaluation = Retrieval(sets)
    validated({**settings, "graph": MetadataGraph(categorical=["class"])}, evaluation)
    assert evaluation.protocol()["graph"]["class"] == "MetadataGraph"
    assert evaluation.protocol()["graph"]["categorical"] == ["class"]
    evaluation = Retrieval(sets)
    validated(settings, evaluation)
    assert evaluation.protocol()["graph"] is None


def test_a_gallery_by_another_spelling_is_the_same(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["graph"] = MetadataGraph(categorical=["class"])
    val = Path(settings["val"])
    (tmp_path / "link").symlink_to(val)
    sets = {
        "plain": RetrievalSet(settings["val"]),
        "dotted": RetrievalSet(f"{val.parent}/./{val.name}", f"{val}/../{val.name}"),
        "linked": RetrievalSet(settings["val"], str(tmp_path / "link")),
    }
    found = numbers(validated(settings, Retrieval(sets))[1])
    assert "plain/ndcg@1" in found
    for name, value in found.items():
        assert value == found[f"plain/{name.split('/')[1]}"]


def run_rank(rank: int, ranks: int, settings: dict[str, Any], evaluation: Retrieval) -> dict[str, float]:
    """One of a few processes."""
    return numbers(validated(settings, evaluation, devices=ranks, strategy="ddp")[1])


@pytest.mark.parametrize("ranks", [2, 3])
def test_any_number_of_processes_has_the_same_numbers(ranks: int, settings: dict[str, Any], tmp_path: Path) -> None:
    """To the last bit, of 13 pictures, and of as few as 2 queries over 3 processes; the graph is built by one."""
    few = write(tmp_path / "few", 2, ["south", "west"])
    sets = {"held": RetrievalSet(settings["val"]), "few": RetrievalSet(settings["val"], few)}
    settings["graph"] = Likeness(shuffled=1.0)
    found = in_processes(ranks, tmp_path, run_rank, ranks, settings, Retrieval(sets, k=[1, 5]))
    expected = numbers(validated(settings, Retrieval(sets, k=[1, 5]))[1])
    assert "held/ndcg@5" in expected
    assert found == [expected] * ranks


def test_a_subset_of_pictures(settings: dict[str, Any]) -> None:
    settings["graph"] = MetadataGraph(categorical=["class"])
    evaluation = Retrieval({"held": RetrievalSet(settings["val"])}, k=9, subset=8)
    _, trainer = validated(settings, evaluation)
    # Of 9 places 7 are taken by the other pictures.
    assert numbers(trainer)["held/precision@9"] <= 7 / 9
    assert numbers(trainer)["held/recall@9"] == 1


@pytest.mark.parametrize(
    ("queries", "names", "words"),
    [
        ("odd", ["east"], r"retrieval.sets.x: no 'class' of the queries .*odd occurs in .*val, which has north, south"),
        (None, [], r"retrieval.sets.x: all 1 pictures of .*one differ in 'class'"),
    ],
)
def test_sets_in_which_nothing_is_relevant(settings, tmp_path, queries, names, words) -> None:
    gallery = settings["val"] if queries else write(tmp_path / "one", 1, ["west"])
    queries = write(tmp_path / queries, 3, names) if queries else None
    with pytest.raises(UserError, match=words) as caught:
        Retrieval({"x": RetrievalSet(gallery, queries)}).open()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("k", [[], 0, [5, -1]])
def test_depths_below_one(k) -> None:
    with pytest.raises(UserError, match=r"retrieval.k \[.*at least 1"):
        Retrieval(k=k)


def test_off_without_sets() -> None:
    assert not Retrieval().open()
