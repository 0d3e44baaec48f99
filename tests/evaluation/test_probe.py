"""The linear probe finds scikit-learn's optimum of the same problem."""

import pytest
import torch

from xclr_lightning.evaluation import linear_probe_accuracy, linear_probe_predict


def problem(count: int = 150, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Overlapping clouds, their directions of very different length."""
    labels = torch.arange(count) % classes
    centres = torch.randn(classes, 6, generator=torch.Generator().manual_seed(3))
    return (centres[labels] + 0.9 * torch.randn(count, 6)) * torch.logspace(-2, 3, 6) + 5, labels


@pytest.mark.parametrize("weight_decay", [1e-3, 1e-1])
def test_agrees_with_scikit_learn(weight_decay):
    linear_model = pytest.importorskip("sklearn.linear_model")
    (train, train_labels), (test, test_labels) = problem(), problem(400)
    deviation, mean = torch.std_mean(train, dim=0)
    x, y = (((part - mean) / deviation).numpy() for part in (train, test))
    # Its penalty stands beside the sum over samples, ours beside the mean.
    reference = linear_model.LogisticRegression(C=1 / (weight_decay * len(train)), tol=1e-8, max_iter=1000)
    expected = reference.fit(x, train_labels.numpy()).score(y, test_labels.numpy())
    accuracy = linear_probe_accuracy(train, train_labels, test, test_labels, weight_decay)
    assert 0.5 < expected < 1
    assert accuracy == pytest.approx(expected, abs=1 / 400)


def test_scale_and_shift_of_features_do_not_matter():
    (train, labels), (test, truth) = problem(), problem(100)
    assert linear_probe_accuracy(train, labels, test, truth) == linear_probe_accuracy(
        train * 8 + 64, labels, test * 8 + 64, truth
    )


def test_a_constant_feature_does_no_harm():
    (train, labels), (test, truth) = problem(), problem(100)
    plain = linear_probe_accuracy(train, labels, test, truth)
    train, test = (torch.cat([part, torch.full((len(part), 1), 7.0)], dim=1) for part in (train, test))
    assert linear_probe_accuracy(train, labels, test, truth) == pytest.approx(plain, abs=0.01)


def test_an_unseen_class_counts_as_an_error():
    x, y = torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([0, 0, 1, 1])
    assert linear_probe_accuracy(x, y, x, torch.tensor([0, 0, 1, 5])) == 0.75


def test_half_precision_costs_little() -> None:
    (train, labels), (test, truth) = problem(), problem(400)
    plain = linear_probe_accuracy(train, labels, test, truth)
    assert linear_probe_accuracy(train.half(), labels, test.half(), truth) == pytest.approx(plain, abs=0.02)


def test_runs_where_gradients_are_off():
    train, labels = problem()
    with torch.no_grad():
        assert linear_probe_accuracy(train, labels, train, labels) > 0.5


def test_one_sample_is_what_everything_is_taken_for():
    found = linear_probe_predict(torch.tensor([[3.0, -1.0]]), torch.tensor([2]), torch.randn(5, 2))
    assert found.tolist() == [2] * 5


def test_nothing_to_learn_from():
    with pytest.raises(ValueError, match="got an empty one"):
        linear_probe_predict(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64), torch.randn(5, 2))
