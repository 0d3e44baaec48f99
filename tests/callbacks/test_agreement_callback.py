"""Agreement of similarities with known numbers, against a slow and obvious reference."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from xclr_lightning.callbacks.agreement import Agreement
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.agreement import order_agreement


def slowly(similarity: torch.Tensor, values: torch.Tensor) -> float:
    """Pearson's correlation of mean ranks, each counted one by one."""
    pairs = [(i, j) for i in range(len(values)) for j in range(i) if values[i] != values[j]]
    learned = [similarity[i, j].item() for i, j in pairs]
    nearness = [-abs(values[i] - values[j]).item() for i, j in pairs]

    def ranks(numbers: list[float]) -> torch.Tensor:
        below = [sum(other < number for other in numbers) + sum(other == number for other in numbers) / 2
                 for number in numbers]  # fmt: skip
        return torch.tensor(below, dtype=torch.float64)

    return torch.corrcoef(torch.stack([ranks(learned), ranks(nearness)]))[0, 1].item()


def test_it_is_spearmans_over_the_pairs_that_differ() -> None:
    values = torch.randint(0, 5, (20,)).double()
    z = torch.nn.functional.normalize(torch.randn(20, 6), dim=1)
    assert order_agreement(z @ z.T, values) == pytest.approx(slowly(z @ z.T, values), abs=1e-9)


def test_telling_values_apart_earns_nothing() -> None:
    """Similarity of 1 for the same value, chance for others."""
    values = torch.arange(8.0).repeat(25)
    table = torch.rand(8, 8) * 0.5
    table = (table + table.T) / 2 + torch.eye(8)
    similarity = table[values.long()][:, values.long()]
    expected = slowly(table, torch.arange(8.0))
    assert order_agreement(similarity, values) == pytest.approx(expected, abs=1e-6)
    assert order_agreement(-(values[:, None] - values).abs().double(), values) == pytest.approx(1)


def test_nothing_to_compare() -> None:
    assert order_agreement(torch.rand(4, 4), torch.ones(4)) == 0
    assert order_agreement(torch.rand(4, 4), torch.tensor([0.0, 1, 0, 1])) == 0  # all distances are the same
    assert order_agreement(torch.ones(4, 4), torch.arange(4.0)) == 0


@pytest.mark.parametrize(
    ("column", "words"),
    [("caption", "column 'caption' of agreement.columns: .*'a cat'.*a number is expected"), ("size", "'size'")],
)
def test_a_column_without_numbers(tmp_path: Path, column: str, words: str) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "metadata.csv").write_text("file_name,caption\na.png,a cat\n")
    with pytest.raises(UserError, match=words) as caught:
        Agreement(str(tmp_path), [column]).open()
    assert "\n" not in str(caught.value)


def test_off_without_pictures() -> None:
    assert not Agreement().open()
