"""The layout of custom scalars finds a config's names, whatever they are."""

import re

import pytest

from xclr_lightning.callbacks.scalar_layout import CHARTS, ScalarLayout
from xclr_lightning.errors import UserError


@pytest.mark.parametrize(
    ("name", "charts"),
    [
        ("val/loss", ["loss"]),
        ("train/loss_step", ["loss of each step"]),
        ("my_birds/top1@20", ["kNN accuracy, 20 neighbours"]),
        ("my_birds/top1@1", ["kNN accuracy, one neighbour"]),
        ("my_birds/top1@10shot", ["accuracy with few labels"]),
        ("my_birds/ridge", ["accuracy of classifiers: own head, probes, zero-shot"]),
        ("val/top5", ["accuracy of classifiers: own head, probes, zero-shot"]),
        ("search/recall@10", ["retrieval"]),
        ("search/map_at_r", ["retrieval"]),
        ("imagenet9/mixed_rand", ["ImageNet-9: accuracy on other backgrounds"]),
        ("imagenet9/bg_gap", ["ImageNet-9: BG-gap, what the background makes"]),
        ("agreement/colour", ["network's similarities against the graph's: rank correlation"]),
        ("speed/images_per_second", ["pictures a second"]),
        ("speed/data_wait", ["share of the time spent waiting for data"]),
    ],
)
def test_each_number_is_in_one_chart(name: str, charts: list[str]) -> None:
    found = [
        chart
        for part in CHARTS.values()
        for chart, patterns in part.items()
        if any(re.match(pattern, name) for pattern in patterns)
    ]
    assert found == charts


def test_a_pattern_that_is_none() -> None:
    with pytest.raises(UserError, match=r"'\(loss' is no regular expression"):
        ScalarLayout({"own": {"loss": ["(loss"]}})
