"""Run a notebook from a clean kernel, and make what it showed small and the same wherever it ran.

``python tests/notebooks/execution.py`` runs those in ``notebooks/`` again and keeps their outputs.
"""

import base64
import io
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
# Colours that a picture keeps: no one sees that there were more, and files are a third as large.
COLOURS = 256
# A line of a progress bar where there is no terminal.
BAR = re.compile(r"[^:]+: +\d+/\d+ \[")


def execute(notebook: NotebookNode, folder: Path, seconds: int = 600) -> NotebookNode:
    """Run all cells in a new kernel.

    Args:
        notebook: Changed in place; outputs that it had are replaced.
        folder: Where the kernel is started.
        seconds: What a cell may take.

    Raises:
        CellExecutionError: A cell failed; the message has the cell and its traceback.
    """
    notebook.metadata = nbformat.from_dict(KERNEL)
    client = NotebookClient(
        notebook,
        timeout=seconds,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,
    )
    return client.execute(env=os.environ | {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "NO_COLOR": "1"})


def shrink(notebook: NotebookNode) -> NotebookNode:
    """Drop what differs from run to run, and store pictures by a palette."""
    notebook.metadata = nbformat.from_dict(KERNEL)
    for cell in notebook.cells:
        cell.metadata = NotebookNode()
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _is_progress(output)]
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = _by_palette(data["image/png"])
                data.pop("text/plain", None)
    return notebook


def problems(notebook: NotebookNode) -> list[str]:
    """What went wrong or was warned of, also where a cell went on."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    failed = [f"{output.ename}: {output.evalue}" for output in outputs if output.output_type == "error"]
    return failed + [output.text for output in outputs if output.get("name") == "stderr" and not _is_progress(output)]


def _is_progress(output: NotebookNode) -> bool:
    """Whether it is but bars, such as those of composing the demo for an empty cache."""
    return output.get("name") == "stderr" and all(BAR.match(line) for line in output.text.split("\n") if line.strip())


def _by_palette(encoded: str) -> str:
    picture: Any = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    buffer = io.BytesIO()
    picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def main() -> None:
    """Run every notebook, and keep what it shows."""
    with tempfile.TemporaryDirectory() as folder:
        for path in NOTEBOOKS:
            notebook = shrink(execute(nbformat.read(path, as_version=4), Path(folder)))
            nbformat.write(notebook, path)
            print(f"{path.name}: {path.stat().st_size / 1024:.0f} KB", *problems(notebook), sep="\n  ")


if __name__ == "__main__":
    main()
