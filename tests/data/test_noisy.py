"""Noise on purpose: a share of samples with each other's captions and fields, and nothing else changed."""

import pickle

import numpy as np
import pytest
from img2dataset import write_shards

from xclr_lightning.columns import Column
from xclr_lightning.data import GraphDataModule, ImageFolder, Shards
from xclr_lightning.data.noisy import NoisySource
from xclr_lightning.errors import UserError
from xclr_lightning.graphs.fingerprint import fingerprint


@pytest.fixture
def folder(tmp_path, make_picture):
    rows = ["file_name,caption,kind"]
    for number in range(20):
        make_picture().save(tmp_path / f"{number:02d}.png")
        rows.append(f"{number:02d}.png,caption {number},kind {number}")
    (tmp_path / "metadata.csv").write_text("\n".join(rows))
    return tmp_path


def test_a_share_is_told_wrong_in_all_that_is_told(folder):
    source = ImageFolder(folder)
    noisy = NoisySource(source, 0.4, seed=3)
    captions, kinds = list(noisy.captions()), list(noisy.fields("kind"))
    wrong = [i for i, caption in enumerate(captions) if caption != f"caption {i}"]
    assert len(wrong) == 8
    assert sorted(captions) == sorted(source.captions())
    assert [caption.removeprefix("caption ") for caption in captions] == [kind.removeprefix("kind ") for kind in kinds]
    assert list(noisy.captions(slice(5, 9))) == captions[5:9]
    assert (noisy.keys() == source.keys()).all()
    assert np.array_equal(np.asarray(noisy.image(4)), np.asarray(source.image(4)))
    assert list(NoisySource(source, 0.4, seed=4).captions()) != captions


def test_what_is_told_of_shards_is_in_columns_and_none_of_it_in_a_pickle(tmp_path):
    write_shards(tmp_path, (300, 300), fields={"kind": [f"kind {i}" for i in range(600)]})
    noisy = NoisySource(Shards(tmp_path), 0.4, seed=3)
    before = len(pickle.dumps(noisy))
    captions, kinds = noisy.captions(), noisy.fields("kind")
    assert isinstance(captions, Column)
    assert isinstance(kinds, Column)
    assert [caption.removeprefix("caption ") for caption in captions] == [kind.removeprefix("kind ") for kind in kinds]
    told_of = noisy._told_of
    assert [int(caption.removeprefix("caption ")) for caption in captions] == told_of.tolist()
    assert len(pickle.dumps(noisy)) < before + told_of.nbytes + 500


def test_a_graph_of_noisy_captions_is_another(folder):
    source = ImageFolder(folder)
    hashes = {fingerprint(data) for data in (source, NoisySource(source, 0.4, 3), NoisySource(source, 0.4, 4))}
    assert len(hashes) == 3


def test_training_has_the_noise_and_held_out_pictures_have_none(folder, tmp_path_factory, make_picture):
    held_out = tmp_path_factory.mktemp("val")
    for number in range(4):
        make_picture().save(held_out / f"{number}.png")
    (held_out / "metadata.csv").write_text(
        "file_name,caption,kind\n" + "".join(f"{i}.png,c,kind {i}\n" for i in range(4))
    )
    data = GraphDataModule(str(folder), str(held_out), label="kind", caption_noise=0.4)
    data.setup("fit")
    train, val = data.dataset("train"), data.dataset("val")
    names = sorted(f"kind {i}" for i in range(20))
    assert sum(names[label] != f"kind {i}" for i, label in enumerate(train.labels)) == 8
    assert [names[label] for label in val.labels] == [f"kind {i}" for i in range(4)]


def test_no_share(folder):
    with pytest.raises(UserError, match=r"data\.caption_noise 1\.5: expected a share"):
        GraphDataModule(str(folder), caption_noise=1.5)
