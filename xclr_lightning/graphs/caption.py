"""A graph from captions: a sentence encoder's embeddings, computed once for each distinct caption."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.base import Built, Captioned, GraphSource
from xclr_lightning.graphs.build import EmbeddingBuild, Encode
from xclr_lightning.graphs.embedding import EmbeddingGraph, GaussianGraph
from xclr_lightning.graphs.encoder import Encoder, Model, Precision, sentence_transformer
from xclr_lightning.graphs.fingerprint import fingerprint
from xclr_lightning.graphs.folder import graph_folder
from xclr_lightning.graphs.location import folder_revision, hub_revision, model_location
from xclr_lightning.graphs.store import FORM, UNIT_LENGTH, load_embeddings
from xclr_lightning.progress import progress_bar


class CaptionGraph(GraphSource):
    """How alike two samples' captions are, by their sentence embeddings.

    The graph is kept in the cache under a hash of the captions and of every setting here that changes it, so another
    caption or another encoder gives another graph, and the same ones are never encoded twice.

    Args:
        encoder: A sentence-transformers model id, a local folder of one, or ``package:NAME`` for a model that an
            installed package carries in its folder ``model``.
        template: What is encoded: ``{}`` stands for the caption. ``"a photo of a {}"`` suits class names.
        prompt: Name of one of the encoder's own prompts, or a text that is put before every sentence.
        precision: Of the encoder's weights and activations; vectors are stored in half precision whatever it is.
        devices: Where the encoder runs, such as ``["cuda:0", "cuda:1"]``; by default one, chosen for you.
        batch_size: Captions encoded at once on a device.
        metric: ``cosine`` of embeddings, or ``euclidean``: a Gaussian kernel exp(−d² / (2 h²)) of the distance between
            embeddings as the encoder gives them.
        bandwidth: h of the kernel, in the units of the encoder's embeddings.
        truncated: Words of a caption that are read, for studies of label quality; all by default.
        shuffled: Share of the distinct captions that get each other's embeddings, for the same; 0 … 1.
        seed: Which captions are shuffled.

    Raises:
        UserError: ``template`` lacks ``{}``, or a number is out of range.
    """

    def __init__(
        self,
        encoder: str = "sentence-transformers/all-mpnet-base-v2",
        template: str = "{}",
        prompt: str | None = None,
        precision: Precision = "float32",
        devices: list[str] | None = None,
        batch_size: int = 128,
        metric: Literal["cosine", "euclidean"] = "cosine",
        bandwidth: float | None = None,
        truncated: int | None = None,
        shuffled: float = 0.0,
        seed: int = 0,
    ) -> None:
        for wrong, message in (
            ("{}" not in template, f"template {template!r} lacks the {{}} that stands for the caption"),
            (batch_size < 1, f"batch_size {batch_size}: at least 1"),
            (truncated is not None and truncated < 1, f"truncated {truncated}: at least 1 word, or null for all"),
            (not 0 <= shuffled <= 1, f"shuffled {shuffled} is not a share from 0 to 1"),
            (
                metric == "euclidean" and not (bandwidth or 0) > 0,
                f"bandwidth {bandwidth}: euclidean needs one above 0",
            ),
            (metric == "cosine" and bandwidth is not None, f"bandwidth {bandwidth} is for metric euclidean"),
        ):
            if wrong:
                raise UserError(f"data.graph.{message}")
        self.encoder, self.template, self.prompt, self.precision = encoder, template, prompt, precision
        self.devices, self.batch_size = devices, batch_size
        self.metric, self.bandwidth = metric, bandwidth
        self.truncated, self.shuffled, self.seed = truncated, shuffled, seed

    def prepare(self, data: Captioned) -> Path:
        return self.build(data, 0, 1).folder  # type: ignore[return-value]  # one process finishes what there is

    def build(self, data: Captioned, rank: int, world: int) -> Built:
        """Encode one process's share of the captions; whoever finishes last puts the graph in its place."""
        facts = self._facts(data)
        folder = graph_folder({**FORM, **facts})
        facts.setdefault("revision", hub_revision(self.encoder))
        unshuffled = None
        if self.shuffled:
            plain = {name: fact for name, fact in self._facts(data).items() if name != "seed"} | {"shuffled": 0.0}
            unshuffled = graph_folder({**FORM, **plain})
        return EmbeddingBuild(
            folder, data, facts, self.sentences, self.load_encoder, self.shuffled, self.seed, unshuffled
        ).run(rank, world)

    def open(self, data: Captioned) -> EmbeddingGraph:
        facts = self._facts(data)
        stored = load_embeddings(graph_folder({**FORM, **facts}), data, facts)
        if self.bandwidth:
            return GaussianGraph(stored.vectors.parts, stored.vector, bandwidth=self.bandwidth)
        return EmbeddingGraph(stored.vectors.parts, stored.vector)

    def sentences(self, captions: Sequence[str]) -> list[str]:
        """What is encoded for captions: the template with each of them, or with its first words."""
        if self.truncated:
            captions = [" ".join(caption.split()[: self.truncated]) for caption in captions]
        return [self.template.replace("{}", caption) for caption in captions]

    def load_encoder(self) -> Encode:
        """Load what turns sentences into vectors as they are stored, of unit length unless the metric is Euclidean."""
        devices: list[str | None] = [*self.devices] if self.devices else [None]
        return Encoder([self.load_model(device) for device in devices], self.batch_size, unit=self.metric == "cosine")

    def load_model(self, device: str | None) -> Model:
        """Load one copy of the encoder; to be overridden for encoders of another kind."""
        return sentence_transformer(self.encoder, self.prompt, self.precision, device)

    def encode(self, sentences: list[str]) -> np.ndarray:
        """Vectors of sentences as they are stored, with a progress bar. Shape: ``(n, d)``, float32."""
        encode = self.load_encoder()
        with progress_bar(len(sentences), "encoding captions", "caption") as bar:
            return encode(sentences, bar.update)

    def _facts(self, data: Captioned) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "source": "captions",
            "model": self.encoder,
            "template": self.template,
            "prompt": self.prompt,
            "precision": self.precision,
            "truncated": self.truncated,
            "shuffled": self.shuffled,
            "metric": self.metric,
            "normalisation": UNIT_LENGTH if self.metric == "cosine" else "none",
            "captions_sha256": fingerprint(data),
        }
        if self.shuffled:
            facts["seed"] = self.seed
        if self.bandwidth:
            facts["bandwidth"] = self.bandwidth
        # A folder's content can change under its name; a hub's model is the same on machines that lack a copy.
        if revision := folder_revision(model_location(self.encoder)):
            facts["revision"] = revision
        return facts
