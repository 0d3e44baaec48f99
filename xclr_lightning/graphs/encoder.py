"""Sentences to vectors, in batches of like length, on one device or several."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, Literal

import numpy as np
from torch import Tensor

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.location import model_location

Precision = Literal["float32", "float16", "bfloat16"]
# A batch of n sentences → vectors (n, d), floating point, on the model's device. It may have a method ``lengths``
# that says how long each of any number of sentences is to it; characters are counted otherwise.
Model = Callable[[list[str]], Tensor]


class Encoder:
    """Encodes any number of sentences; batches are the same whatever the number of models, and so are their vectors.

    Args:
        models: Copies of one model, such as one a device, each used by one thread at a time.
        batch_size: Sentences encoded at once by a model.
        unit: Scale vectors to unit length, in float32.
    """

    def __init__(self, models: Sequence[Model], batch_size: int, unit: bool) -> None:
        self._models, self._batch_size, self._unit = models, batch_size, unit

    def __call__(self, sentences: list[str], advance: Callable[[int], object] = lambda count: None) -> np.ndarray:
        """Encode sentences.

        Args:
            sentences: n of them, in any order.
            advance: Told how many more are done.

        Returns:
            Shape: ``(n, d)``, float32.
        """
        free: SimpleQueue[Model] = SimpleQueue()
        for model in self._models:
            free.put(model)

        def encode(rows: np.ndarray) -> np.ndarray:
            model = free.get()
            try:
                return model([sentences[row] for row in rows]).float().cpu().numpy()
            finally:
                free.put(model)

        lengths = getattr(self._models[0], "lengths", _characters)(sentences)
        by_length = np.argsort(-np.asarray(lengths), kind="stable")  # little padding
        batches = np.split(by_length, range(self._batch_size, len(sentences), self._batch_size))
        vectors = []
        with ThreadPoolExecutor(len(self._models)) as pool:
            # The main thread where it suffices: others do not inherit the number of threads that torch was given.
            for block in (map if len(self._models) == 1 else pool.map)(encode, batches):
                vectors.append(block)
                advance(len(block))
        result = np.concatenate(vectors)[np.argsort(by_length)]
        if self._unit:
            result /= np.maximum(np.linalg.norm(result, axis=1, keepdims=True), 1e-12)
        return result


class SentenceModel:
    """A model of sentence-transformers on one device.

    Args:
        model: The loaded model.
        prompt: Name of one of its prompts, or a text that is put before every sentence.
    """

    def __init__(self, model: Any, prompt: str | None) -> None:
        self._model = model
        self._options: dict[str, Any] = {"convert_to_tensor": True, "show_progress_bar": False}  # numpy has no bfloat16
        if prompt is not None:
            self._options["prompt_name" if prompt in model.prompts else "prompt"] = prompt

    def __call__(self, sentences: list[str]) -> Tensor:
        vectors: Tensor = self._model.encode(sentences, batch_size=len(sentences), **self._options)
        return vectors

    def lengths(self, sentences: list[str]) -> Sequence[int]:
        """Tokens of each sentence, or characters where the model's tokenizer is of an uncommon kind."""
        from transformers import PreTrainedTokenizerBase

        tokenizer = getattr(self._model, "tokenizer", None)
        if not isinstance(tokenizer, PreTrainedTokenizerBase):
            return _characters(sentences)
        longest = self._model.max_seq_length
        tokens = tokenizer(sentences, truncation=longest is not None, max_length=longest, return_attention_mask=False)
        return [len(ids) for ids in tokens["input_ids"]]


def _characters(sentences: list[str]) -> Sequence[int]:
    return [len(sentence) for sentence in sentences]


def sentence_transformer(name: str, prompt: str | None, precision: Precision, device: str | None) -> Model:
    """Load a sentence-transformers model.

    Args:
        name: A model id, a local folder, or ``package:NAME``.
        prompt: Name of one of the model's prompts, or a text that is put before every sentence.
        precision: Of weights and activations.
        device: Such as ``cuda:0``; by default the one that sentence-transformers chooses.

    Raises:
        UserError: The model cannot be loaded, or the device cannot be used.
    """
    import torch
    from sentence_transformers import SentenceTransformer  # seconds to import, and seldom needed
    from transformers.utils import logging as transformers_logging

    location = model_location(name)
    transformers_logging.disable_progress_bar()  # of loading weights, in the way of our own
    try:
        model = SentenceTransformer(location, device=device).to(getattr(torch, precision)).eval()
    except Exception as error:  # a hub's, a file's or a model's own
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(
            f"the sentence encoder {name!r} cannot be loaded{f' on {device}' if device else ''} ({reason}): give "
            "data.graph.encoder a model id, a local folder, or package:NAME"
        ) from error
    return SentenceModel(model, prompt)
