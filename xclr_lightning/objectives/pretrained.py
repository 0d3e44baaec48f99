"""Any timm model as it is: evaluated like what is trained here, and by the classifier that it came with."""

import logging
from collections.abc import Sequence
from typing import Any

import torch
from lightning import Callback
from timm.models import load_state_dict
from torch import Tensor, nn

from xclr_lightning.errors import UserError
from xclr_lightning.objectives.base import BackboneModule
from xclr_lightning.objectives.classifier import class_names, logits, take_off
from xclr_lightning.objectives.starting_weights import load_backbone

log = logging.getLogger(__name__)


class Pretrained(BackboneModule):
    """A timm model that is not trained but evaluated: its pooled features, and its own classifier where it has one.

    It has no loss and needs no graph; z is the features themselves.

    Args:
        backbone: Name of a timm model, with or without a tag; ``hf-hub:OWNER/NAME`` and ``local-dir:FOLDER`` too.
        pretrained: Take its weights, which timm fetches once; otherwise it stays as it is initialised.
        init_from: Weights on disk instead: a timm model's file, or a checkpoint of any objective.
        model_args: Further arguments of ``timm.create_model``.

    Attributes:
        classes: Names in the order of the logits, WordNet ids for ImageNet's; None where it does not classify.

    Raises:
        UserError: There is no such model, or its weights cannot be had or read.
    """

    has_loss = False
    classifier: nn.Module | None

    def __init__(
        self,
        backbone: str = "resnet50",
        pretrained: bool = True,
        init_from: str | None = None,
        model_args: dict[str, Any] | None = None,
    ) -> None:
        # Objectives that train have a backbone of no classes; with None there are as many as the weights have.
        whole = {"pretrained": pretrained and not init_from, "num_classes": None, **(model_args or {})}
        super().__init__(backbone, whole)
        self.eval()
        config: dict[str, Any] = self.backbone.pretrained_cfg  # type: ignore[assignment]
        self.input_size = (3, *_side((model_args or {}).get("img_size") or config["input_size"][1:]))
        self.classes = class_names(config, int(self.backbone.num_classes))  # type: ignore[arg-type]
        pictures = torch.rand(2, *self.input_size)
        with torch.no_grad():
            expected = self(pictures) if self.classes else None
        name, self.classifier = take_off(self.backbone)
        if expected is None:
            self.classifier = None
        elif not self._classifies(pictures, expected):
            log.warning("%s is not evaluated by its classifier, which does not read its pooled features", backbone)
            self.classes = self.classifier = None
        if init_from:
            load_backbone(self.backbone, init_from)
            self._load_classifier(name, init_from)

    def forward(self, images: Tensor) -> Tensor:
        """Features of images, see the base.

        Raises:
            UserError: The model cannot take pictures of their size.
        """
        try:
            return super().forward(images)
        except AssertionError as error:  # how timm's models refuse a size
            height, width = self.input_size[1:]
            raise UserError(
                f"{self.hparams['backbone']} cannot take pictures of {images.shape[-2]} × {images.shape[-1]} "
                f"({str(error).rstrip('.')}): crop to {height} × {width}, as with --data.eval_view.size {width}"
            ) from error

    def classify(self, features: Tensor) -> Tensor:
        """Logits of features as the module gives them, in the order of ``classes``. Shapes: ``(n, D)`` → ``(n, C)``.

        Raises:
            UserError: The model has no classifier whose classes are known.
        """
        if self.classifier is None:
            raise UserError(f"{self.hparams['backbone']} has no classifier whose classes are known")
        return logits(self.classifier, features)

    def configure_callbacks(self) -> Sequence[Callback] | Callback:
        """Refuse to be trained; the first hook there is, before data are prepared."""
        if self.trainer.state.fn == "fit":
            raise UserError(
                "Pretrained is evaluated only, by validate, test and predict: to train on from these weights, name an "
                "objective with --model and set --model.backbone and --model.backbone_kwargs.pretrained true"
            )
        return super().configure_callbacks()

    def step(self, batch: dict[str, Any], stage: str, batch_idx: int) -> tuple[Tensor, Tensor]:
        """There is no loss."""
        raise NotImplementedError("Pretrained has no loss")

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:  # type: ignore[override]
        """There is no loss: evaluations are all there is."""

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> None:  # type: ignore[override]
        """There is no loss: evaluations are all there is."""

    def _classifies(self, pictures: Tensor, expected: Tensor) -> bool:
        """Whether the classifier, taken off, gives the logits of pictures that the whole model gave."""
        if self.classifier is None:
            return False
        with torch.no_grad():
            found = logits(self.classifier, self(pictures))
        return found.shape == expected.shape and bool(torch.allclose(found, expected, rtol=1e-3, atol=1e-4))

    def _load_classifier(self, name: str, file: str) -> None:
        """Take the classifier's weights from a file too; without them there it does not classify."""
        weights = load_state_dict(file, use_ema=True)
        own = {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(f"{name}.")}
        if self.classifier is not None and own:
            self.classifier.load_state_dict(own)
        else:
            self.classes = self.classifier = None


def _side(size: int | Sequence[int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])
