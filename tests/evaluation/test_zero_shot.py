"""Zero-shot scores against a loop, and what they do not depend on."""

import pytest
import torch

from xclr_lightning.evaluation import zero_shot_scores


def test_scores_are_cosines_with_the_mean_direction_of_a_class():
    images, prompts = torch.randn(5, 6), torch.randn(3, 4, 6)
    scores = zero_shot_scores(images, prompts)
    for q, image in enumerate(images):
        for c in range(4):
            mean = sum(prompt[c] / prompt[c].norm() for prompt in prompts) / 3
            expected = image @ mean / (image.norm() * mean.norm())
            assert scores[q, c].item() == pytest.approx(expected.item(), abs=1e-6)


def test_length_does_not_matter_and_the_same_template_twice_changes_nothing():
    images, prompts = torch.randn(5, 6), torch.randn(2, 4, 6)
    plain = zero_shot_scores(images, prompts)
    stretched = zero_shot_scores(images * torch.rand(5, 1).add(0.1), prompts * torch.rand(2, 4, 1).add(0.1))
    torch.testing.assert_close(stretched, plain)
    torch.testing.assert_close(zero_shot_scores(images, torch.cat([prompts, prompts])), plain)


def test_a_class_of_agreeing_templates_is_no_nearer_than_one_of_disagreeing_ones():
    """Which the mean without its own normalisation would make it."""
    prompts = torch.tensor([[[1.0, 0.0], [0.6, 0.8]], [[1.0, 0.0], [0.6, -0.8]]])
    assert zero_shot_scores(torch.tensor([[1.0, 0.0]]), prompts).tolist() == [[1.0, 1.0]]


def test_no_pictures_give_no_scores():
    assert zero_shot_scores(torch.zeros(0, 3), torch.ones(2, 4, 3)).shape == (0, 4)


@pytest.mark.parametrize(
    ("images", "prompts"), [((5, 6), (4, 6)), ((5, 6), (1, 4, 5)), ((6,), (1, 4, 6)), ((5, 6), (0, 4, 6))]
)
def test_bad_input_is_named(images, prompts):
    with pytest.raises(ValueError, match=r"images \(Q, d\) and prompts \(T, C, d\) with T ≥ 1 expected, got \("):
        zero_shot_scores(torch.ones(images), torch.ones(prompts))
