"""ReaL on a validation set, flat or in folders: accuracy is that of a plain loop over its files."""

import logging
from pathlib import Path

import numpy as np
import pytest
from layouts import Colours, litter, logits, measure, odd_pictures, put, spoil

from xclr_lightning.callbacks.imagenet_real import ImageNetReal
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.imagenet import imagenet_classes
from xclr_lightning.evaluation.real import real_labels

WNIDS = imagenet_classes()


@pytest.fixture
def module() -> Colours:
    return Colours(WNIDS)


def name_of(number: int) -> str:
    return f"ILSVRC2012_val_{number + 1:08d}.JPEG"


def validation_set(root: Path, module: Colours, flat: bool) -> tuple[float, float]:
    """Write pictures under numbers for which half of them are right; accuracy by lists and by folders."""
    lists = real_labels()
    several = iter([number for number, right in enumerate(lists[5:10_000], 5) if len(right) > 1])
    empty = iter([number for number, right in enumerate(lists[5:10_000], 5) if not right])
    in_list, original = [], []
    for place, file in enumerate(odd_pictures(root.parent / "files", 20)):
        best = int(np.argmax(logits(module, file)))
        if place % 4 == 0:
            number = next(empty)
        elif place % 2:
            number = next(number for number in range(49_999 - place, 10_000, -20) if best in lists[number])
        else:
            number = next(several)
        true = best if place % 3 else 5
        put(file, root / ("" if flat else WNIDS[true]) / name_of(number))
        in_list += [best in lists[number]] if lists[number] else []
        original.append(best == true)
    litter(root)
    spoil(root / ("" if flat else WNIDS[7]) / name_of(4))
    return float(np.mean(in_list)), float(np.mean(original))


@pytest.mark.parametrize("flat", [True, False])
def test_accuracy_is_that_of_a_plain_loop(
    tmp_path: Path, module: Colours, flat: bool, caplog: pytest.LogCaptureFixture
) -> None:
    real, original = validation_set(tmp_path / "val", module, flat)
    assert 0.3 < real < 1
    assert 0.3 < original < 1
    with caplog.at_level(logging.WARNING, "xclr_lightning"):
        found = measure(ImageNetReal(str(tmp_path / "val")), module)
    expected = {"imagenet_real/top1": real} | ({} if flat else {"imagenet_real/original_top1": original})
    assert found == pytest.approx(expected)
    assert "5 of 21 pictures have no label and are skipped" in caplog.text


def test_labels_go_by_the_files_names_not_by_their_order(tmp_path: Path, module: Colours) -> None:
    """Folders of wnids put the pictures in another order than their numbers."""
    lists = real_labels()
    for place, file in enumerate(odd_pictures(tmp_path / "files", 6)):
        best = int(np.argmax(logits(module, file)))
        number = [number for number, right in enumerate(lists) if right == [best]][place]
        put(file, tmp_path / "val" / WNIDS[999 - place] / name_of(number))
    assert measure(ImageNetReal(str(tmp_path / "val")), module)["imagenet_real/top1"] == 1.0


def test_pictures_of_other_names(tmp_path: Path) -> None:
    put(odd_pictures(tmp_path / "files", 1)[0], tmp_path / "train" / "n01440764" / "n01440764_18.JPEG")
    with pytest.raises(UserError, match=r"ILSVRC2012_val_00000001.JPEG, but n01440764/n01440764_18.JPEG") as caught:
        ImageNetReal(str(tmp_path / "train"), bank="bank").open()
    assert "\n" not in str(caught.value)


def test_off_without_a_folder() -> None:
    assert not ImageNetReal().open()
