"""The projector's files, read back as TensorBoard reads them."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector import ProjectorConfig
from torch.nn import functional as F

from xclr_lightning.callbacks.embedding_projector import EmbeddingProjector, strongest_directions
from xclr_lightning.callbacks.pictures import one_line
from xclr_lightning.callbacks.projector_files import sprite, write_projection
from xclr_lightning.errors import UserError


def listed(folder: Path) -> ProjectorConfig:
    return text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    vectors, images = torch.randn(5, 3), torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8)
    captions = [one_line(text) for text in ("a\tdog", "a\nc\u2028at", "ein Häschen 犬", "$5", "\udcff")]
    columns = {"caption": captions, "class": list("abcde")}
    for name in ("features-00001", "features-00002", "features-00001"):  # the last one in place of the first
        write_projection(tmp_path, name, vectors, columns, images)
    first, second = listed(tmp_path).embeddings
    assert [first.tensor_name, second.tensor_name] == ["features-00002", "features-00001"]
    found = np.loadtxt(tmp_path / first.tensor_path, delimiter="\t")
    assert found == pytest.approx(vectors.numpy(), abs=1e-3)
    with (tmp_path / first.metadata_path).open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    assert head == ["caption", "class"]
    assert [row[0] for row in rows] == ["a dog", "a c at", "ein Häschen 犬", "$5", "?"]
    image = Image.open(tmp_path / first.sprite.image_path)
    assert (image.size, list(first.sprite.single_image_dim)) == ((48, 48), [16, 16])


def test_thumbnails_row_by_row() -> None:
    images = torch.arange(5, dtype=torch.uint8).add(1).view(5, 1, 1, 1).expand(5, 3, 4, 4)
    cells = sprite(images)[::4, ::4, 0]
    assert cells.tolist() == [[1, 2, 3], [4, 5, 0], [0, 0, 0]]


@pytest.mark.parametrize(("rows", "width"), [(40, 200), (200, 100), (30, 8)])
def test_directions_keep_cosines(rows: int, width: int) -> None:
    """Of features of few dimensions, however many numbers they have."""
    features = torch.randn(rows, 8) @ torch.randn(8, width)
    unit = F.normalize(features, dim=1).double()
    found = strongest_directions(features.half())
    assert found.shape == (rows, min(width, 64))
    assert found @ found.T == pytest.approx(unit @ unit.T, abs=5e-3)


def test_no_more_than_asked_for() -> None:
    with pytest.raises(UserError, match="subset 0"):
        EmbeddingProjector(subset=0)
