"""ObjectNet's mapping, read from files written as released."""

import json
from pathlib import Path

import pytest

from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.imagenet import imagenet_classes
from xclr_lightning.evaluation.objectnet import read_mapping

FILES = (
    "folder_to_objectnet_label.json",
    "objectnet_to_imagenet_1k.json",
    "imagenet_to_label_2012_v2",
    "pytorch_to_imagenet_2012_id.json",
)


@pytest.fixture
def mappings(tmp_path: Path) -> Path:
    """Three folders, of which one is not ImageNet's; class i of a classifier is named in line 999 − i."""
    names = [f"thing {i}, odd {i}" for i in range(1000)]
    contents = (
        json.dumps({"alarm_clock": "Alarm clock", "t-shirt": "T-shirt", "air_freshener": "Air freshener"}),
        json.dumps({"T-shirt": names[7], "Alarm clock": f"{names[999]}; {names[0]}"}),
        "\n".join(reversed(names)) + "\n",
        json.dumps({str(i): 999 - i for i in range(1000)}),
    )
    for name, content in zip(FILES, contents, strict=True):
        (tmp_path / name).write_text(content)
    return tmp_path


def test_folders_stand_for_classes_of_imagenet(mappings: Path) -> None:
    wnids = imagenet_classes()
    assert read_mapping(mappings) == {"alarm_clock": [wnids[999], wnids[0]], "t-shirt": [wnids[7]]}


@pytest.mark.parametrize("missing", FILES)
def test_a_file_is_missing(mappings: Path, missing: str) -> None:
    (mappings / missing).unlink()
    refused(mappings, f"{missing} cannot be read.*objectnet.dev")


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        (FILES[0], "{", "folder_to_objectnet_label.json is not as released"),
        (FILES[1], '{"T-shirt": "a thing without a line"}', "do not fit together.*'a thing without a line'"),
        (FILES[1], '{"T-shirt": 3}', "do not fit together"),
        (FILES[2], "one line\n", "do not fit together"),
        (FILES[3], '{"x": 1}', "do not fit together"),
        (FILES[3], '{"1000": 1}', "do not fit together"),
        (FILES[3], "[1, 2]", "pytorch_to_imagenet_2012_id.json is not as released"),
    ],
)
def test_a_file_is_another(mappings: Path, file: str, content: str, words: str) -> None:
    (mappings / file).write_text(content)
    refused(mappings, words)


def refused(mappings: Path, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        read_mapping(mappings)
    assert "\n" not in str(caught.value)
