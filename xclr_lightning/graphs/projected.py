"""A learned linear metric: another graph's embeddings, seen through a matrix."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.base import Captioned, GraphSource, SimilarityGraph
from xclr_lightning.graphs.composed import ComposedGraph
from xclr_lightning.graphs.manifest import file_sha256

MATRIX = "matrix.npy"


class ProjectedGraph(ComposedGraph):
    """Similarity of ``W x`` for the embeddings x of another graph, scaled to unit length.

    Args:
        graph: A graph of embeddings, such as CaptionGraph.
        matrix: W, as ``.npy`` or as ``.safetensors`` with one tensor. Shape: ``(d_out, d)``, floating point.
    """

    def __init__(self, graph: GraphSource, matrix: str) -> None:
        super().__init__([graph])
        self.matrix = matrix

    def open(self, data: Captioned) -> "OpenProjection":
        matrix = torch.from_numpy(read_matrix(self.checked_folder(data) / MATRIX))
        (source,) = self.parts
        graph = source.open(data)
        node = graph.nodes(0)
        if not node.is_floating_point() or node.shape != matrix.shape[1:]:
            raise UserError(
                f"data.graph.matrix {self.matrix} has the shape {tuple(matrix.shape)}: a node of "
                f"{type(source).__name__} is {tuple(node.shape)} {node.dtype}, expected a vector of {matrix.shape[1]} "
                "numbers"
            )
        return OpenProjection(graph, matrix)

    def settings(self) -> dict[str, Any]:
        path = Path(self.matrix).expanduser()
        try:
            return {"matrix_sha256": file_sha256(path)}
        except OSError as error:
            raise UserError(f"data.graph.matrix {path} cannot be read: {error.strerror}") from error

    def write(self, draft: Path) -> None:
        np.save(draft / MATRIX, read_matrix(self.matrix), allow_pickle=False)


class OpenProjection:
    """A graph of embeddings, seen through a matrix.

    Args:
        graph: Its nodes are vectors, ``(d,)``, and its similarity is one of unit vectors.
        matrix: W. Shape: ``(d_out, d)``.
    """

    def __init__(self, graph: SimilarityGraph, matrix: Tensor) -> None:
        self._graph, self._matrix = graph, matrix

    def nodes(self, index: int) -> Tensor:
        """``W x`` of unit length. Shape: ``(d_out,)``, float32."""
        return torch.nn.functional.normalize(self._matrix @ self._graph.nodes(index).float(), dim=0)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """The other graph's, of projected nodes. Shapes: ``(n, d_out)``, ``(m, d_out)`` → ``(n, m)``."""
        return self._graph.similarity(a, b)


def read_matrix(path: str | Path) -> np.ndarray:
    """Read a matrix, never a pickle.

    Args:
        path: ``.npy``, or ``.safetensors`` with one tensor.

    Returns:
        Shape: ``(d_out, d)``, float32.

    Raises:
        UserError: The file is missing, damaged, or holds no finite matrix.
    """
    file = Path(path).expanduser()
    try:
        if file.suffix == ".safetensors":
            from safetensors.numpy import load_file

            (matrix,) = load_file(file).values()
        else:
            matrix = np.load(file, allow_pickle=False)
        matrix = np.asarray(matrix, dtype=np.float32)
    except Exception as error:  # of two libraries, that raise nearly anything on a broken file
        reason = " ".join(str(error).split())
        raise UserError(f"{file} cannot be read as one matrix in .npy or .safetensors ({reason})") from error
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise UserError(
            f"{file} holds an array of shape {matrix.shape}: expected a matrix of finite numbers (d_out, d)"
        )
    return matrix
