"""Zero-shot accuracy: pictures are classified by the names of the classes."""

from dataclasses import dataclass, field

import torch
from lightning import LightningModule, Trainer

from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.features import evaluating, projections
from xclr_lightning.data import Source, open_source
from xclr_lightning.data.source import labels
from xclr_lightning.data.views import View
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation import zero_shot_scores


@dataclass
class ZeroShotSet:
    """What is classified, and how a class is put into words.

    Args:
        queries: Pictures to classify.
        label: The field whose values are the classes' names: ``class`` for one subfolder a class.
        templates: Descriptions of a class, ``{}`` standing for its name; their embeddings are averaged.
    """

    queries: str
    label: str = "class"
    templates: list[str] = field(default_factory=lambda: ["a photo of a {}"])


class ZeroShot(Evaluation):
    """Share of pictures whose class's description is nearest to them in z, logged as ``NAME/top1`` for each set.

    It needs a model that encodes text, such as CLIP.

    Args:
        sets: NAME → what is classified, and in which words.
        view: How pictures are cropped, by default ``data.eval_view``. Best at the size of training's views: unlike
            neighbours, texts do not shift along with pictures of another size.
        every_n_epochs: How often it runs; 0 turns it off.
        subset: At most so many pictures of each set.

    Reference:
        Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021, section 3.1.
    """

    def __init__(
        self,
        sets: dict[str, ZeroShotSet] | None = None,
        view: View | None = None,
        every_n_epochs: int = 1,
        subset: int | None = None,
    ) -> None:
        super().__init__(every_n_epochs, subset)
        self.sets, self.view = sets or {}, view
        self._opened: dict[str, tuple[Source, torch.Tensor, list[str]]] = {}

    def open(self) -> bool:
        for name, one in self.sets.items():
            if missing := [template for template in one.templates if "{}" not in template]:
                raise UserError(f"{name}: template {missing[0]!r} lacks the {{}} that stands for the class")
            if not one.templates:
                raise UserError(f"{name} has no templates: give at least one, such as 'a photo of a {{}}'")
            source = open_source(one.queries)
            numbers, classes = labels(source, one.label)
            self._opened[name] = source, torch.from_numpy(numbers), classes
        return bool(self.sets)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        if self._on and not hasattr(pl_module, "encode_text"):
            raise UserError(
                f"zero_shot needs a model that encodes text, such as CLIP, and {type(pl_module).__name__} does not: "
                "turn it off with --zero_shot.every_n_epochs 0"
            )

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        results = {}
        for name, (source, truth, classes) in self._opened.items():
            templates = self.sets[name].templates
            prompts = [template.replace("{}", one) for template in templates for one in classes]
            with evaluating(module):
                encoded = module.encode_text(prompts).float().cpu()  # type: ignore[operator]
            features = self.features(trainer, module, source, self.view)
            scores = zero_shot_scores(projections(module, features), encoded.unflatten(0, (len(templates), -1)))
            results[f"{name}/top1"] = (scores.argmax(1) == truth[features.index]).float().mean().item()
        return results
