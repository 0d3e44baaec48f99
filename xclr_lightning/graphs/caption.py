"""A graph from captions: a sentence encoder's embeddings, computed once for each distinct caption."""

import hashlib
import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from xclr_lightning.cache import cache_dir
from xclr_lightning.errors import UserError
from xclr_lightning.graphs.base import Captioned, GraphSource
from xclr_lightning.graphs.embedding import EmbeddingGraph
from xclr_lightning.graphs.store import fingerprint, load_embeddings, save_embeddings
from xclr_lightning.progress import progress_bar


class CaptionGraph(GraphSource):
    """How alike two samples' captions are: the cosine of their sentence embeddings.

    The graph is kept in the cache under a hash of the captions and of every setting here, so another caption or
    another encoder gives another graph, and the same ones are never encoded twice.

    Args:
        encoder: A sentence-transformers model id, a local folder of one, or ``package:NAME`` for a model that an
            installed package carries in its folder ``model``.
        template: What is encoded: ``{}`` stands for the caption. ``"a photo of a {}"`` suits class names.
        batch_size: Captions encoded at once.

    Raises:
        UserError: ``template`` lacks ``{}``.
    """

    def __init__(
        self,
        encoder: str = "sentence-transformers/all-mpnet-base-v2",
        template: str = "{}",
        batch_size: int = 256,
    ) -> None:
        if "{}" not in template:
            raise UserError(f"data.graph.template {template!r} lacks the {{}} that stands for the caption")
        self.encoder = encoder
        self.template = template
        self.batch_size = batch_size

    def prepare(self, data: Captioned) -> Path:
        captions = data.captions()
        facts = self._facts(data, captions)
        folder = self._folder(facts)
        if not folder.exists():
            sentences = [self.template.replace("{}", caption) for caption in captions]
            row = {sentence: i for i, sentence in enumerate(dict.fromkeys(sentences))}
            embeddings = self.encode(list(row))
            save_embeddings(folder, data, embeddings[[row[sentence] for sentence in sentences]], facts)
        return folder

    def open(self, data: Captioned) -> EmbeddingGraph:
        facts = self._facts(data, data.captions())
        return EmbeddingGraph(load_embeddings(self._folder(facts), data, facts))

    def encode(self, sentences: list[str]) -> np.ndarray:
        """Unit vectors of sentences, with a progress bar. Shape: ``(n, d)``, float32."""
        from sentence_transformers import SentenceTransformer  # seconds to import, and seldom needed
        from transformers.utils import logging as transformers_logging

        location = self._model()
        transformers_logging.disable_progress_bar()  # of loading weights, in the way of our own
        try:
            model = SentenceTransformer(location)
        except Exception as error:  # a hub's, a file's or a model's own
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise UserError(
                f"the sentence encoder {self.encoder!r} cannot be loaded ({reason}): give data.graph.encoder a model "
                "id, a local folder, or package:NAME"
            ) from error
        by_length = np.argsort([-len(sentence) for sentence in sentences], kind="stable")  # little padding
        vectors = []
        with progress_bar(len(sentences), "encoding captions", "caption") as bar:
            for rows in np.split(by_length, range(self.batch_size, len(sentences), self.batch_size)):
                batch = [sentences[row] for row in rows]
                vectors.append(model.encode(batch, normalize_embeddings=True, show_progress_bar=False))
                bar.update(len(batch))
        return np.concatenate(vectors)[np.argsort(by_length)]

    def _model(self) -> str:
        if not self.encoder.startswith("package:"):
            return self.encoder
        name = self.encoder.removeprefix("package:")
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise UserError(f"the encoder's package {name} is not installed: pip install {name.replace('_', '-')}")
        return str(Path(spec.origin).parent / "model")

    def _facts(self, data: Captioned, captions: Sequence[str]) -> dict[str, Any]:
        return {
            "source": "captions",
            "model": self.encoder,
            "template": self.template,
            "normalisation": "unit length",
            "captions_sha256": fingerprint(data, captions),
        }

    def _folder(self, facts: dict[str, Any]) -> Path:
        name = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
        return cache_dir() / "graphs" / name
