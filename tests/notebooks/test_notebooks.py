"""Notebooks run from a clean kernel, and are kept as they ran: with their outputs, small, and of no machine."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from execution import FOLDER, KERNEL, NOTEBOOKS, execute, problems
from nbclient.exceptions import CellExecutionError

# As terminals are told a colour, which tracebacks are full of.
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
NAMES = ["1_similarity_graphs", "2_train_and_compare", "3_your_own", "4_what_it_knows"]
# So that the repository stays small, and GitHub shows them.
MOST_BYTES = 400_000
# Places of one machine, and users' names in them.
PLACE = re.compile(r"(?<![\w./])/(?:home|Users|root|tmp|work|mnt|opt|usr|var|private|content)/|\b[A-Z]:\\")
# What a cell ends in, or does, that shows something.
SHOWS = re.compile(r"print\(|plt\.subplots|^Markdown\(|^by_row|^over_k|^draw", re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the notebooks alone; later ones find the trainings of earlier ones."""
    root = tmp_path_factory.mktemp("notebooks")
    for path in NOTEBOOKS:
        shutil.copy(path, root)
    return root


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_there_are_four() -> None:
    assert [path.stem for path in NOTEBOOKS] == NAMES


def test_runs(path: Path, folder: Path) -> None:
    notebook = nbformat.read(folder / path.name, as_version=4)
    try:
        execute(notebook, folder)
    except CellExecutionError as error:
        pytest.fail(f"{path.name}\n{COLOUR.sub('', str(error))}", pytrace=False)
    assert not problems(notebook)


def test_is_kept_as_it_ran(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not problems(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    silent = [cell.source for cell in cells if SHOWS.search(cell.source) and not cell.outputs]
    assert not silent


def test_says_nothing_of_the_machine(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata == KERNEL
    assert all(cell.metadata == {} for cell in notebook.cells)
    texts = [cell.source for cell in notebook.cells]
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        texts += [output.get("text", "")]
        texts += [str(shown) for kind, shown in output.get("data", {}).items() if kind.startswith("text/")]
    assert not [text for text in texts if PLACE.search(text)]


def test_is_small_and_comparable(path: Path) -> None:
    """Ids of cells are their numbers, so that a change in git is of what has changed."""
    assert path.stat().st_size < MOST_BYTES
    notebook = nbformat.read(path, as_version=4)
    assert [cell.id for cell in notebook.cells] == [f"cell-{number:02d}" for number in range(len(notebook.cells))]


def test_links_lead_somewhere(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    texts = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    missing = [link for link in re.findall(r"\]\(([^)#:]+)\)", texts) if not (FOLDER / link).exists()]
    assert not missing
