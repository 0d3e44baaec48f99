"""The graph alone decides what is learned: the same pictures, network and augmentation under three graphs."""

import json
from pathlib import Path

import pytest

# A smaller version of the config's run; with views at their true size the network sees what it is evaluated on.
CHEAP = [
    "--trainer.max_epochs=4",
    "--data.view.size=32", "--data.eval_view=EvalView", "--data.eval_view.size=32", "--data.eval_view.resize=32",
    "--data.val=null", "--knn.every_n_epochs=0", "--similarity_figure.every_n_epochs=0",
]  # fmt: skip
COLUMNS = ("shape", "colour", "shuffled")


@pytest.mark.parametrize("graph", COLUMNS)
def test_what_the_graph_orders_is_learned_and_nothing_else(cli, graph: str) -> None:
    """Shape, colour, and as the control colour by other numbers: what is alike to the eye is not what is learned."""
    outcome = cli("fit", "--config", "synthetic", f"--data.graph.numeric=[{graph}]", *CHEAP, "--run_dir", "run")
    assert outcome.status == 0, outcome.err
    metrics = json.loads(Path("run/metrics.json").read_text())
    found = {column: metrics[f"agreement/{column}"] for column in COLUMNS}
    assert found.pop(graph) > 0.8
    assert max(map(abs, found.values())) < 0.2, found
