"""Which vector each sample has, and which unit computes it."""

import numpy as np
import pytest
from captioned import Captions, ManyParts

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import plan as module
from xclr_lightning.graphs.plan import Unit, distinct, plan


def test_every_distinct_sentence_belongs_to_the_unit_where_it_first_occurs():
    todo = plan(Captions(list("abacb")), list)
    assert todo.units == [Unit("00000", slice(0, 3), slice(0, 2)), Unit("00001", slice(3, 5), slice(2, 3))]
    assert todo.vector.tolist() == [0, 1, 0, 2, 1]
    assert todo.first.tolist() == [0, 1, 3]


@pytest.mark.parametrize("unit", [7, 40, 1000])
def test_large_parts_are_divided(unit, monkeypatch):
    monkeypatch.setattr(module, "UNIT", unit)
    data = ManyParts()
    todo = plan(data, list)
    assert [i for u in todo.units for i in range(u.rows.start, u.rows.stop)] == list(range(len(data)))
    assert [i for u in todo.units for i in range(u.vectors.start, u.vectors.stop)] == list(range(len(set(data.text))))
    assert all(u.rows.stop - u.rows.start <= unit for u in todo.units)
    assert len({u.name for u in todo.units}) == len(todo.units)
    assert {u.name.split("/")[0] for u in todo.units} == set(data.parts())
    texts = np.array(data.text)
    assert (texts[todo.first][todo.vector] == texts).all()
    for u in todo.units:
        assert all(u.rows.start <= first < u.rows.stop for first in todo.first[u.vectors])


def test_sentences_are_compared_after_they_are_made():
    todo = plan(Captions(["a dog", "a cat", "a bird", "b", "b"]), lambda captions: [text[0] for text in captions])
    assert todo.vector.tolist() == [0, 0, 0, 1, 1]


def test_distinct_against_a_dictionary():
    values = np.random.default_rng(0).integers(0, 300, 1000)
    number, first = distinct(values)
    seen = {value: i for i, value in enumerate(dict.fromkeys(values.tolist()))}
    assert number.tolist() == [seen[value] for value in values.tolist()]
    assert first.tolist() == [values.tolist().index(value) for value in seen]


def test_a_key_twice_in_a_part_is_refused():
    with pytest.raises(UserError, match=r"the key '001' occurs twice in 00000 of some/data"):
        plan(Captions(names=[b"001", b"002", b"001", b"000", b"001"]), list)
