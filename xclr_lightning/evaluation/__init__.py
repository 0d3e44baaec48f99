"""How good features are, as pure functions of tensors."""

from xclr_lightning.evaluation.class_scores import best_classes, scores_over
from xclr_lightning.evaluation.diagnostics import alignment, rank_me, uniformity
from xclr_lightning.evaluation.few_shot import few_shot_accuracy
from xclr_lightning.evaluation.imagenet import imagenet_classes, variant_classes
from xclr_lightning.evaluation.knn import knn_predict
from xclr_lightning.evaluation.linear_head import topk_accuracy
from xclr_lightning.evaluation.neighbours import nearest
from xclr_lightning.evaluation.probe import linear_probe_accuracy, linear_probe_predict
from xclr_lightning.evaluation.real import real_accuracy, real_labels
from xclr_lightning.evaluation.retrieval import retrieval_scores
from xclr_lightning.evaluation.ridge import ridge_probe
from xclr_lightning.evaluation.sgd_probe import sgd_probe
from xclr_lightning.evaluation.split import random_halves
from xclr_lightning.evaluation.zero_shot import zero_shot_scores

__all__ = [
    "alignment",
    "best_classes",
    "few_shot_accuracy",
    "imagenet_classes",
    "knn_predict",
    "linear_probe_accuracy",
    "linear_probe_predict",
    "nearest",
    "random_halves",
    "rank_me",
    "real_accuracy",
    "real_labels",
    "retrieval_scores",
    "ridge_probe",
    "scores_over",
    "sgd_probe",
    "topk_accuracy",
    "uniformity",
    "variant_classes",
    "zero_shot_scores",
]
