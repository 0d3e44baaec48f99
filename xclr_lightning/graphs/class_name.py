"""A graph from the names of classes: a sentence encoder says how near their meanings are."""

from functools import cache
from typing import Any, Literal

import numpy as np

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.caption import CaptionGraph
from xclr_lightning.graphs.class_graph import ClassGraph
from xclr_lightning.graphs.clip_text import ClipTextGraph, is_clip
from xclr_lightning.graphs.location import folder_revision, model_location


class ClassNameGraph(ClassGraph):
    """How alike the names of two classes are: the cosine of their sentence embeddings, one table for all samples.

    With ``names: imagenet`` this is the graph of the paper's ImageNet experiments, of ImageNet's own folders.

    Args:
        encoder: Sentence encoder as in :class:`CaptionGraph`, or a CLIP model as in :class:`ClipTextGraph`.
        template: What is encoded: ``{}`` stands for the name.
        names: What is encoded of a class: ``field``: its name as it is; or of a class named by its wnid, as in
            ImageNet's folders, ``imagenet``: the first of its synonyms, ``imagenet_synonyms``: all of them,
            ``imagenet_definition``: WordNet's definition.
        prompt: Name of one of the encoder's own prompts, or a text that is put before every sentence.
        kwargs: Arguments of :class:`ClassGraph`.

    Raises:
        UserError: ``template`` lacks ``{}``.
    """

    def __init__(
        self,
        encoder: str = "sentence-transformers/all-mpnet-base-v2",
        template: str = "a photo of a {}",
        names: Literal["field", "imagenet", "imagenet_synonyms", "imagenet_definition"] = "field",
        prompt: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.captions = CaptionGraph(encoder, template=template, prompt=prompt)
        self.names = names

    def table(self, classes: list[str]) -> np.ndarray:
        names = classes if self.names == "field" else [imagenet_name(wnid, self.names) for wnid in classes]
        captions = self.captions
        if is_clip(captions.encoder):
            captions = ClipTextGraph(captions.encoder, template=captions.template, prompt=captions.prompt)
        vectors = captions.encode(captions.sentences(names)).astype(np.float64)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors @ vectors.T

    def settings(self) -> dict[str, Any]:
        return {
            "model": self.captions.encoder,
            "revision": folder_revision(model_location(self.captions.encoder)),
            "template": self.captions.template,
            "prompt": self.captions.prompt,
            "names": self.names,
        }


def imagenet_name(wnid: str, form: str = "imagenet") -> str:
    """What a class of ImageNet is called, be it one of the 1,000 or of the larger sets.

    Args:
        wnid: Its WordNet id.
        form: ``imagenet`` for the first of its synonyms, ``imagenet_synonyms`` for all of them, ``imagenet_definition``
            for its definition.

    Raises:
        UserError: It is no class of ImageNet.

    Example:
        >>> imagenet_name("n01440764"), imagenet_name("n01440764", "imagenet_synonyms")
        ('tench', 'tench, Tinca tinca')
    """
    info = _imagenet_info()
    try:
        synonyms: str = info.label_name_to_description(wnid)
    except KeyError as error:
        raise UserError(
            f"class {wnid!r} is not named by a wnid of ImageNet, such as n02084071: leave out data.graph.names for "
            "classes that bear their own names"
        ) from error
    if form == "imagenet_definition":
        description: str = info.label_name_to_description(wnid, detailed=True).removeprefix(f"{synonyms}: ")
        return description
    return synonyms.split(", ")[0] if form == "imagenet" else synonyms


@cache
def _imagenet_info() -> Any:
    from timm.data import ImageNetInfo

    return ImageNetInfo()
