"""A linear classifier on frozen features."""

import torch
from torch import Tensor
from torch.nn import functional as F


def linear_probe_accuracy(
    train: Tensor,
    train_labels: Tensor,
    test: Tensor,
    test_labels: Tensor,
    weight_decay: float = 1e-3,
    max_iterations: int = 100,
) -> float:
    """Share of the test set, in [0, 1], for which :func:`linear_probe_predict` is right.

    Args:
        train: Shape: ``(n, d)``.
        train_labels: Shape: ``(n,)``, int64 ≥ 0.
        test: Shape: ``(m, d)``.
        test_labels: Classes absent from the training set count as errors. Shape: ``(m,)``, int64.
        weight_decay: Strength of ``½ λ ‖W‖²`` beside the mean cross-entropy.
        max_iterations: Of L-BFGS.

    Example:
        >>> x, y = torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([0, 0, 1, 1])
        >>> linear_probe_accuracy(x, y, torch.tensor([[0.4], [2.6]]), torch.tensor([0, 1]))
        1.0
    """
    found = linear_probe_predict(train, train_labels, test, weight_decay, max_iterations)
    return (found == test_labels).float().mean().item()


def linear_probe_predict(
    train: Tensor, train_labels: Tensor, test: Tensor, weight_decay: float = 1e-3, max_iterations: int = 100
) -> Tensor:
    """Fit softmax regression on one set of features by L-BFGS, classify another.

    Features are standardised by the training set's mean and deviation, so that one weight decay suits all backbones.
    The problem is convex and the start is zero: there is no seed.

    Args:
        train: Shape: ``(n, d)``, n ≥ 1, floating point; half precision is computed with in float32.
        train_labels: Shape: ``(n,)``, int64 ≥ 0.
        test: Shape: ``(m, d)``.
        weight_decay: Strength of ``½ λ ‖W‖²`` beside the mean cross-entropy.
        max_iterations: Of L-BFGS.

    Returns:
        Classes of the test set. Shape: ``(m,)``, int64.

    Raises:
        ValueError: The training set is empty.
    """
    if len(train) == 0:
        raise ValueError("a training set (n, d), n ≥ 1, expected, got an empty one")
    with torch.inference_mode(False), torch.enable_grad():  # Lightning evaluates in inference mode
        dtype = torch.promote_types(train.dtype, torch.float32)
        train, test, train_labels = train.to(dtype, copy=True), test.to(dtype, copy=True), train_labels.clone()
        deviation, mean = torch.std_mean(train, dim=0, correction=min(1, len(train) - 1))  # of one sample it is 0
        scale = deviation.clamp_min(1e-6)
        train, test = (train - mean) / scale, (test - mean) / scale
        weight = train.new_zeros(int(train_labels.max()) + 1, train.shape[1], requires_grad=True)
        bias = train.new_zeros(len(weight), requires_grad=True)
        optimizer = torch.optim.LBFGS([weight, bias], max_iter=max_iterations, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(F.linear(train, weight, bias), train_labels)
            loss = loss + 0.5 * weight_decay * weight.square().sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        return F.linear(test, weight, bias).argmax(1)
