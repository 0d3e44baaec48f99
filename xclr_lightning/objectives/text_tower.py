"""Sentences to vectors that train: a transformer with its tokenizer."""

from typing import Any

import torch
from torch import Tensor, nn

from xclr_lightning.errors import UserError, did_you_mean
from xclr_lightning.graphs.location import model_location
from xclr_lightning.pretrained import weights_are_to_come


class TextTower(nn.Module):
    """A text encoder of transformers: BERT and its kin by the mean over tokens, CLIP's text side by its last token.

    Args:
        model: A model id, a local folder, or ``package:NAME`` for a model that an installed package carries.
        pretrained: Start from its weights; else only its architecture and its tokenizer are taken.
        config: What differs from its architecture, such as ``hidden_size`` or ``num_hidden_layers``.
        max_length: Tokens a sentence; longer ones are cut.

    Attributes:
        width: Dimension of its vectors.

    Raises:
        UserError: The model cannot be loaded, or ``config`` or ``max_length`` does not fit it.
    """

    def __init__(
        self, model: str, pretrained: bool = True, config: dict[str, Any] | None = None, max_length: int = 77
    ) -> None:
        super().__init__()
        location = model_location(model)
        try:
            self.tokenizer, settings = _tokenizer_and_settings(location)
        except Exception as error:  # a hub's, a file's or a model's own
            raise UserError(
                f"the text model {model!r} cannot be loaded ({_reason(error)}): give a model id, a local folder, or "
                "package:NAME"
            ) from error
        for name in config or {}:
            if not hasattr(settings, name):
                close = did_you_mean(name, settings.to_dict())
                raise UserError(f"the text model {model!r} has no setting {name!r}{close}")
        try:
            self.model = _model(settings, config or {}, location if pretrained else None)
        except Exception as error:  # transformers checks settings in many ways
            raise UserError(f"the text model {model!r} cannot be made with {config}: {_reason(error)}") from error
        longest = getattr(settings, "max_position_embeddings", max_length)
        if not 0 < max_length <= longest:
            raise UserError(f"the text model {model!r} reads up to {longest} tokens, max_length is {max_length}")
        self.max_length = max_length
        self.width = int(settings.hidden_size)
        self._by_last_token = settings.model_type == "clip_text_model"

    def forward(self, sentences: list[str]) -> Tensor:
        """Vectors of n sentences. Shape: ``(n, width)``, floating point."""
        tokens = self.tokenizer(
            sentences, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt"
        ).to(self.model.device)
        output = self.model(**tokens)
        if self._by_last_token:
            pooled: Tensor = output.pooler_output
            return pooled
        return mean_over_tokens(output.last_hidden_state, tokens["attention_mask"])


def mean_over_tokens(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean of the tokens that are no padding.

    Args:
        hidden: Shape: ``(n, L, d)``, floating point.
        mask: 1 for a token, 0 for padding; at least one token a row. Shape: ``(n, L)``.

    Returns:
        Shape: ``(n, d)``.

    Example:
        >>> mean_over_tokens(torch.tensor([[[1.0], [3.0], [100.0]]]), torch.tensor([[1, 1, 0]]))
        tensor([[2.]])
    """
    weight = mask[..., None].to(hidden.dtype)
    return torch.sum(hidden * weight, dim=1) / weight.sum(dim=1)


def _tokenizer_and_settings(location: str) -> tuple[Any, Any]:
    from transformers import AutoConfig, AutoTokenizer  # seconds to import, and seldom needed

    settings = AutoConfig.from_pretrained(location)
    return AutoTokenizer.from_pretrained(location), getattr(settings, "text_config", settings)  # CLIP has two models


def _model(settings: Any, changes: dict[str, Any], weights: str | None) -> Any:
    from transformers import AutoModel
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()  # it would list the weights of CLIP's other half
    for name, value in changes.items():
        setattr(settings, name, value)
    if weights is None or weights_are_to_come():
        model = AutoModel.from_config(settings)
    else:
        model = AutoModel.from_pretrained(weights, config=settings)
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # without a use it gets no gradient, which DistributedDataParallel refuses
    return model.float().train()  # loaded models come in the precision of their file, and in evaluation mode


def _reason(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())
