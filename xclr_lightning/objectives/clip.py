"""CLIP: a picture and its caption are each other's (Radford et al. 2021, https://arxiv.org/abs/2103.00020)."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xclr_lightning.distributed import gather_with_grad, world_size
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.diagnostics import target_statistics
from xclr_lightning.graphs import CaptionGraph
from xclr_lightning.losses.clip import symmetric_cross_entropy, to_probabilities
from xclr_lightning.losses.objectives import unit_rows
from xclr_lightning.objectives.caption_projection import take_width
from xclr_lightning.objectives.module import ContrastiveModule, check_comparable
from xclr_lightning.objectives.samples import Samples
from xclr_lightning.objectives.text_tower import TextTower

# CLIP lets its learned temperature make cosines no more than 100 times larger (section 2.5 of the paper).
LARGEST_SCALE = 100
# Sentences that encode_text passes through the text model at once.
BLOCK = 256


class CLIP(ContrastiveModule):
    """Pictures and captions meet in one space, where each is told from all others by its partner.

    Args:
        text: The text model that is trained along, see :class:`TextTower`; null for none: then the caption embeddings
            of ``data.graph`` are projected, and the encoder that made them stays frozen and out of memory.
        text_pretrained: Start from the text model's weights.
        text_config: What differs from the text model's architecture, such as ``num_hidden_layers``.
        text_max_length: Tokens a caption; longer ones are cut.
        projector: As in :class:`ContrastiveModule`; CLIP's own has the one linear layer.
        temperature: Where the learned temperature starts, at least 0.01.
        kwargs: Further arguments of :class:`ContrastiveModule`.
    """

    needs: tuple[str, ...] = ("nodes",)

    def __init__(
        self,
        text: str | None = None,
        text_pretrained: bool = True,
        text_config: dict[str, Any] | None = None,
        text_max_length: int = 77,
        projector: tuple[int, ...] = (512,),
        temperature: float = 0.07,
        **kwargs: Any,
    ) -> None:
        super().__init__(projector=projector, temperature=temperature, **kwargs)
        if temperature < 1 / LARGEST_SCALE:
            raise UserError(f"model.temperature {temperature} is below {1 / LARGEST_SCALE}, the least that CLIP learns")
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.text = None if text is None else TextTower(text, text_pretrained, text_config, text_max_length)
        self.text_projection: nn.Linear
        if self.text is None:
            self.text_projection = nn.LazyLinear(projector[-1], bias=False)
        else:
            self.needs = ("captions",)
            self.text_projection = nn.Linear(self.text.width, projector[-1], bias=False)
        self.keep_average("backbone", "projector", "text_projection", *(["text"] if self.text else []))
        self._encoded: dict[tuple[str, ...], np.ndarray] = {}

    def setup(self, stage: str) -> None:
        """Give the projection of stored embeddings its width, before there is an optimiser."""
        if self.text is None and stage != "predict":
            graph = self.trainer.datamodule.graph  # type: ignore[attr-defined]
            take_width(self.versions("text_projection"), graph, f"{type(self).__name__} without model.text")

    def target(self, anchors: Samples, samples: Samples) -> Tensor:
        """How related anchors are to samples, in both directions; an anchor's own pair counts.

        Shape: ``(b, N)``, weights ≥ 0, each row scaled to sum to 1.
        """
        return anchors.index[:, None] == samples.index

    def batch_loss(self, z: Tensor, batch: dict[str, Any]) -> Tensor:
        vectors = batch["nodes"] if self.text is None else self.part("text")(batch["captions"])
        images, texts = unit_rows(z), unit_rows(self.part("text_projection")(vectors))
        check_comparable(2, len(texts) * world_size())  # a picture and its text are views of each other
        samples = self.samples(batch)
        everyone = samples.gathered()
        return symmetric_cross_entropy(
            images,
            texts,
            gather_with_grad(images.transpose(0, 1)).transpose(0, 1),
            gather_with_grad(texts),
            lambda rows: self.target(samples[rows], everyone),
            self.log_scale.exp(),
        )

    def softness(self, batch: dict[str, Any], views: int) -> dict[str, float]:
        """Of pictures towards texts, of which each sample has one and none is the anchor."""
        samples = self.samples(batch)
        everyone = samples.gathered()
        with torch.autocast(self.device.type, enabled=False):
            target = to_probabilities(self.target(samples, everyone))
        own = self.own_index(samples)
        found: dict[str, float] = {f"target/{name}": v for name, v in target_statistics(target, own, 1).items()}
        return found | {"train/negatives": float(len(everyone.index) - 1)}

    def encode_text(self, captions: list[str]) -> Tensor:
        """Unit vectors of captions in the space of z. Shape: ``(n, d)``, float32."""
        if self.text is None:
            vectors = self._frozen(captions)
        else:
            blocks = [captions[start : start + BLOCK] for start in range(0, len(captions), BLOCK)]
            vectors = torch.cat([self.part("text")(block) for block in blocks])
        return unit_rows(self.part("text_projection")(vectors))

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Any:
        self.log("train/logit_scale", self.log_scale.detach().exp())
        return super().training_step(batch, batch_idx)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        with torch.no_grad():
            self.log_scale.clamp_(max=math.log(LARGEST_SCALE))

    def _frozen(self, captions: list[str]) -> Tensor:
        """Embeddings by the graph's encoder, kept, as evaluations ask again every epoch."""
        key = tuple(captions)
        if key not in self._encoded:
            trainer = self._trainer
            graph = None if trainer is None else trainer.datamodule.graph_source  # type: ignore[attr-defined]
            if not isinstance(graph, CaptionGraph):
                name = type(self).__name__
                raise UserError(f"{name} without model.text encodes captions in a trainer, by a data.graph of captions")
            self._encoded[key] = graph.encode(graph.sentences(captions))
        # Made a tensor here: one made by an evaluation could not be trained on.
        return torch.from_numpy(self._encoded[key]).to(self.text_projection.weight)
