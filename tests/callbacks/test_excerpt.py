"""An excerpt of a source is its own pictures, from few of its shards."""

from pathlib import Path

import numpy as np
import pytest
from coloured import write

from xclr_lightning.callbacks.excerpt import FEW, excerpt, some_numbers
from xclr_lightning.data import ImageFolder


def test_pictures_of_the_source(tmp_path: Path) -> None:
    source = ImageFolder(write(tmp_path, 20, ["blue", "red"]))
    some = excerpt(source, 6)
    numbers = some.numbers.tolist()
    assert len(some) == len(set(numbers)) == 6
    assert numbers == excerpt(source, 6).numbers.tolist() == sorted(numbers)
    assert excerpt(source, 20) is source
    for place, number in enumerate(numbers):
        assert some.name(place) == source.name(number)
        assert np.array_equal(np.asarray(some.image(place)), np.asarray(source.image(number)))
    assert some.keys().tolist() == [source.keys()[number] for number in numbers]
    assert list(some.captions()) == list(some.fields("class")) == [source.captions()[number] for number in numbers]
    assert list(some.captions(slice(2, 4))) == list(some.captions())[2:4]


@pytest.mark.parametrize(("count", "expected"), [(10, FEW), (399, FEW), (450, 5), (2000, 20)])
def test_of_few_shards(count: int, expected: int) -> None:
    parts = {f"{number:05d}": slice(100 * number, 100 * number + 100) for number in range(20)}
    numbers = some_numbers(parts, count)
    assert len(set(numbers.tolist())) == count
    shards = set((numbers // 100).tolist())
    assert len(shards) <= expected
    assert len(shards) == expected or count < 100
