"""LightningCLI for this package: precedence, run folders, and errors of one line."""

from lightning.pytorch.cli import LightningCLI

from xclr_lightning.callbacks import KNN, ImageNet9, MITStates, SimilarityFigure
from xclr_lightning.data import GraphDataModule
from xclr_lightning.objectives import ContrastiveModule

EVALUATIONS = {"knn": KNN, "imagenet9": ImageNet9, "mit_states": MITStates, "similarity_figure": SimilarityFigure}


class CLI(LightningCLI):
    def add_arguments_to_parser(self, parser):
        for name, evaluation in EVALUATIONS.items():
            parser.add_lightning_class_args(evaluation, name)


def run(arguments: list[str]) -> None:
    CLI(
        ContrastiveModule,
        GraphDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        seed_everything_default=0,
        auto_configure_optimizers=False,
        parser_kwargs={"parser_mode": "omegaconf"},
        args=arguments,
    )
