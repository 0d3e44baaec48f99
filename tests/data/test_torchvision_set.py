"""Torchvision's data sets by name, from files in their own formats on disk; nothing is fetched."""

import hashlib
import json
import os
import pickle
import socket
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from torchvision import datasets

from xclr_lightning.data.decode import BadImage
from xclr_lightning.data.locate import open_source
from xclr_lightning.data.source import labels
from xclr_lightning.data.torchvision_set import TorchvisionSet
from xclr_lightning.errors import UserError

CIFAR_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*arguments: object, **options: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setattr(socket.socket, "connect", unreachable)


@pytest.fixture
def cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five training batches of four pictures and a test batch, with checksums of their own."""

    def write(name: str, content: dict[str, object]) -> tuple[str, str]:
        written = pickle.dumps(content, protocol=2)
        path = tmp_path / "cifar-10-batches-py" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(written)
        return name, hashlib.md5(written).hexdigest()

    def batch(name: str, first: int) -> tuple[str, str]:
        pixels = np.zeros((4, 3, 32, 32), dtype=np.uint8)
        pixels[:, 1] = np.arange(first, first + 4)[:, None, None]  # green tells which one it is
        return write(name, {"data": pixels.reshape(4, 3072), "labels": [(first + i) * 3 % 10 for i in range(4)]})

    monkeypatch.setattr(datasets.CIFAR10, "train_list", [batch(f"data_batch_{i + 1}", 4 * i) for i in range(5)])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [batch("test_batch", 100)])
    _, checksum = write("batches.meta", {"label_names": CIFAR_CLASSES})
    monkeypatch.setattr(datasets.CIFAR10, "meta", {**datasets.CIFAR10.meta, "md5": checksum})
    return tmp_path


def write_fashion(root: Path) -> None:
    """Three training pictures and two for tests, in MNIST's idx format."""
    for part, count in (("train", 3), ("t10k", 2)):
        pixels = np.repeat(np.arange(count, dtype=np.uint8), 28 * 28)
        for name, head, content in (
            ("images-idx3", [0x803, count, 28, 28], pixels.tobytes()),
            ("labels-idx1", [0x801, count], bytes([9, 0, 8][:count])),
        ):
            path = root / "FashionMNIST" / "raw" / f"{part}-{name}-ubyte"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(np.array(head, ">i4").tobytes() + content)


def test_cifar10(cifar10: Path) -> None:
    source = open_source(f"torchvision:CIFAR10/train?root={cifar10}")
    assert len(source) == 20
    expected = [CIFAR_CLASSES[i * 3 % 10] for i in range(20)]
    assert source.fields("class") == source.captions() == expected
    assert source.captions(slice(2, 4)) == expected[2:4]
    assert [source.image(i).getpixel((5, 5)) for i in (0, 7, 19)] == [(0, 0, 0), (0, 7, 0), (0, 19, 0)]
    assert source.image(0).size == (32, 32)
    assert len(set(source.keys().tolist())) == 20
    numbers, names = labels(source, "class")
    assert names == CIFAR_CLASSES
    assert numbers.tolist() == [i * 3 % 10 for i in range(20)]
    assert source.parts() == {"00000": slice(0, 20)}
    with pytest.raises(UserError, match="no field 'colour': it has class"):
        source.fields("colour")


def test_the_other_part_and_the_place_by_environment(cifar10: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XCLR_DATA", str(cifar10))
    source = TorchvisionSet("torchvision:CIFAR10/test")
    assert [source.image(i).getpixel((0, 0))[1] for i in range(len(source))] == [100, 101, 102, 103]
    again = pickle.loads(pickle.dumps(source))
    assert again.captions() == source.captions()


def test_grey_pictures_of_fashion_mnist(tmp_path: Path) -> None:
    write_fashion(tmp_path)
    source = TorchvisionSet(f"torchvision:FashionMNIST/train?root={tmp_path}")
    assert source.captions() == ["Ankle boot", "T-shirt/top", "Bag"]
    assert source.image(2).getpixel((0, 0)) == (2, 2, 2)
    assert len(TorchvisionSet(f"torchvision:FashionMNIST/test?root={tmp_path}")) == 2


def test_a_set_of_files(tmp_path: Path, png) -> None:
    """Food101, whose classes are named with underscores; a broken file is a bad picture."""
    root = tmp_path / "food-101"
    (root / "meta").mkdir(parents=True)
    for name in ("apple_pie/1", "apple_pie/2", "pad_thai/3"):
        (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "images" / f"{name}.jpg").write_bytes(png(int(name[-1])))
    (root / "images" / "apple_pie" / "2.jpg").write_bytes(b"broken")
    metadata = {"pad_thai": ["pad_thai/3"], "apple_pie": ["apple_pie/1", "apple_pie/2"]}
    (root / "meta" / "train.json").write_text(json.dumps(metadata))
    source = TorchvisionSet(f"torchvision:Food101/train?root={tmp_path}")
    assert source.captions() == ["pad thai", "apple pie", "apple pie"]
    assert source.image(0).getpixel((0, 0)) == (3, 3, 3)
    with pytest.raises(BadImage, match=r"torchvision:Food101/train 2: UnidentifiedImageError"):
        source.image(2)


def test_a_set_that_is_not_divided(tmp_path: Path, png) -> None:
    for name in ("River/1.jpg", "Forest/2.jpg"):
        path = tmp_path / "eurosat" / "2750" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(png(7))
    assert TorchvisionSet(f"torchvision:EuroSAT?root={tmp_path}").captions() == ["Forest", "River"]
    with pytest.raises(UserError, match=r"EuroSAT is not divided; write torchvision:EuroSAT"):
        TorchvisionSet(f"torchvision:EuroSAT/train?root={tmp_path}")


def test_classes_without_names_are_numbers_and_no_captions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "test_32x32.mat"
    savemat(file, {"X": np.zeros((32, 32, 3, 3), np.uint8), "y": np.array([[10], [3], [7]])})
    checksum = hashlib.md5(file.read_bytes()).hexdigest()
    monkeypatch.setitem(datasets.SVHN.split_list, "test", ["", "test_32x32.mat", checksum])
    source = TorchvisionSet(f"torchvision:SVHN/test?root={tmp_path}")
    assert source.fields("class") == ["0", "3", "7"]
    with pytest.raises(UserError, match="no names of its classes, only numbers"):
        source.captions()


def test_missing_files_are_fetched_once(cifar10: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def download(dataset: datasets.CIFAR10) -> None:
        calls.append(dataset)
        Path(dataset.root).mkdir(exist_ok=True)
        os.symlink(cifar10 / "cifar-10-batches-py", Path(dataset.root) / "cifar-10-batches-py")

    monkeypatch.setattr(datasets.CIFAR10, "download", download)
    for _ in range(2):
        assert len(TorchvisionSet(f"torchvision:CIFAR10/train?root={tmp_path}/new")) == 20
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("CIFAR11/train", r"torchvision.datasets has no 'CIFAR11'; did you mean CIFAR10\?"),
        ("VisionDatasets/train", r"torchvision.datasets has no 'VisionDatasets'"),
        ("CIFAR10/trian", r"CIFAR10 has the parts train and test, not 'trian'; did you mean train\?"),
        ("CIFAR10", r"CIFAR10 has the parts train and test, not ''"),
        ("Food101/val", r"Food101/val: .*'val'.*'train', 'test'"),
        ("CIFAR10/train?rot=x", r"no option 'rot'; only \?root=FOLDER"),
        ("FakeData", r"FakeData cannot be used"),
        ("CocoCaptions", r"CocoCaptions cannot be used: .*annFile"),
    ],
)
def test_a_name_that_is_none(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        open_source(f"torchvision:{name}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["CIFAR10/test", "FashionMNIST/train", "Food101/train", "ImageNet/val", "EuroSAT"])
def test_files_that_are_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        open_source(f"torchvision:{name}?root={tmp_path}")
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"torchvision:{name}: its files are not in {tmp_path}, and cannot be fetched (")
    call = message.partition("run torchvision.")[2].partition(" and copy")[0]
    assert f"root={str(tmp_path)!r}" in call
    assert message.endswith("?root= or XCLR_DATA")


def test_labels_that_are_no_classes(tmp_path: Path, png) -> None:
    """Boxes and sentences cannot be told apart as classes are."""
    root = tmp_path / "Kitti" / "raw" / "training"
    for folder in ("image_2", "label_2"):
        (root / folder).mkdir(parents=True)
    (root / "image_2" / "000000.png").write_bytes(png(1))
    (root / "label_2" / "000000.txt").write_text("Car 0 0 -1.58 587 173 614 200 1.65 1.67 3.64 -0.65 1.71 46 -1\n")
    with pytest.raises(UserError, match="no pairs of a picture and the number of its class"):
        TorchvisionSet(f"torchvision:Kitti/train?root={tmp_path}")
