"""A graph from captions by the text side of CLIP."""

from typing import Any

import torch
from torch import Tensor

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.base import Captioned
from xclr_lightning.graphs.caption import CaptionGraph
from xclr_lightning.graphs.encoder import Model, Precision
from xclr_lightning.graphs.location import model_location


class ClipTextGraph(CaptionGraph):
    """How alike two samples' captions are to CLIP: the cosine of what its text tower projects them to.

    It reads the first tokens of a caption, 77 in the published models. Models in the form of sentence-transformers,
    such as ``clip-ViT-B-32``, are for :class:`CaptionGraph`.

    Args:
        encoder: A CLIP model of transformers: a model id, a local folder, or ``package:NAME`` for a model that an
            installed package carries in its folder ``model``.
        kwargs: Further arguments of :class:`CaptionGraph`.
    """

    def __init__(self, encoder: str = "openai/clip-vit-base-patch32", **kwargs: Any) -> None:
        super().__init__(encoder, **kwargs)

    def load_model(self, device: str | None) -> Model:
        return clip_text_model(self.encoder, self.prompt, self.precision, device)

    def _facts(self, data: Captioned) -> dict[str, Any]:
        return {**super()._facts(data), "source": "captions by CLIP"}


def clip_text_model(name: str, prompt: str | None, precision: Precision, device: str | None) -> Model:
    """Load the text side of a CLIP model of transformers, with its projection.

    Args:
        name: A model id, a local folder, or ``package:NAME``.
        prompt: A text that is put before every sentence.
        precision: Of weights and activations.
        device: Such as ``cuda:0``; by default the first GPU, or the CPU where there is none.

    Raises:
        UserError: The model cannot be loaded, or is no CLIP.
    """
    from transformers import AutoTokenizer, CLIPTextModelWithProjection  # seconds to import, and seldom needed
    from transformers.utils import logging as transformers_logging

    if not is_clip(name):
        raise UserError(
            f"data.graph.encoder {name!r} is no CLIP model of transformers that can be loaded: give a model id such as "
            "openai/clip-vit-base-patch32 or a local folder; CaptionGraph takes sentence encoders"
        )
    location = model_location(name)
    transformers_logging.disable_progress_bar()  # of loading weights, in the way of our own
    transformers_logging.set_verbosity_error()  # it would list the weights of CLIP's other half
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model: Any = CLIPTextModelWithProjection.from_pretrained(location)
    model.to(place, getattr(torch, precision)).eval()
    tokenizer = AutoTokenizer.from_pretrained(location)
    longest = model.config.max_position_embeddings

    @torch.no_grad()
    def encode(sentences: list[str]) -> Tensor:
        texts = [(prompt or "") + sentence for sentence in sentences]
        tokens = tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt")
        vectors: Tensor = model(**tokens.to(place)).text_embeds
        return vectors

    return encode


def is_clip(name: str) -> bool:
    """Whether a model id, local folder or ``package:NAME`` is a CLIP model of transformers, or the text side of one."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(model_location(name)).model_type in ("clip", "clip_text_model")
    except (OSError, ValueError):  # of another form, or nothing at all
        return False
