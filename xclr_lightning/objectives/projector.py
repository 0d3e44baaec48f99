"""The projection head between features, which are evaluated, and z, which is trained."""

from itertools import pairwise

from torch import nn


def mlp(widths: list[int], batch_norm: bool = True) -> nn.Sequential:
    """Linear layers with batch norm and ReLU between them; the last one is plain.

    Args:
        widths: Dimensions from input to output, at least two.
        batch_norm: Normalise hidden layers over the batch.

    Example:
        >>> [type(layer).__name__ for layer in mlp([2048, 2048, 128])]
        ['Linear', 'BatchNorm1d', 'ReLU', 'Linear']
    """
    layers: list[nn.Module] = []
    for before, after in pairwise(widths[:-1]):
        norm = [nn.BatchNorm1d(after)] if batch_norm else []
        layers += [nn.Linear(before, after, bias=not batch_norm), *norm, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))
