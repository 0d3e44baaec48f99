"""How good features are, as pure functions of tensors."""

from xclr_lightning.evaluation.knn import knn_predict
from xclr_lightning.evaluation.probe import linear_probe_accuracy, linear_probe_predict
from xclr_lightning.evaluation.split import random_halves
from xclr_lightning.evaluation.zero_shot import zero_shot_scores

__all__ = ["knn_predict", "linear_probe_accuracy", "linear_probe_predict", "random_halves", "zero_shot_scores"]
