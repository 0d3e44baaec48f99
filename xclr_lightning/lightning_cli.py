"""LightningCLI for this package: command line over config over checkpoint, and a run folder for every run."""

import logging
import os
import re
import tempfile
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeInt
from lightning import Trainer
from lightning.fabric.plugins import CheckpointIO, ClusterEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.loggers import TensorBoardLogger
from omegaconf.errors import OmegaConfBaseException

from xclr_lightning import callbacks
from xclr_lightning.callbacks.bad_pictures import BadPictures
from xclr_lightning.callbacks.console import Console
from xclr_lightning.callbacks.feature_writer import FeatureWriter
from xclr_lightning.callbacks.next_steps import how_to_go_on
from xclr_lightning.callbacks.requeue import Requeue
from xclr_lightning.callbacks.run_folder import RunFolder, new_run_folder
from xclr_lightning.callbacks.secrets import without_secrets
from xclr_lightning.callbacks.throughput import Throughput
from xclr_lightning.checkpoint import checkpoint_model, differences, lay_below
from xclr_lightning.checkpoint_io import AtomicCheckpointIO, StepCheckpoint
from xclr_lightning.data import GraphDataModule
from xclr_lightning.errors import UserError
from xclr_lightning.interrupts import by_ctrl_c, ctrl_c_is_heard
from xclr_lightning.model_by_name import spell_out
from xclr_lightning.objectives.base import BackboneModule
from xclr_lightning.parsing import Parser
from xclr_lightning.pretrained import weights_to_come
from xclr_lightning.quiet import quiet
from xclr_lightning.resume import LAST, going_on, option

EVALUATIONS = {
    "knn": callbacks.KNN,
    "linear_probe": callbacks.OnlineProbe,
    "feature_probe": callbacks.FeatureProbe,
    "few_shot": callbacks.FewShot,
    "retrieval": callbacks.Retrieval,
    "zero_shot": callbacks.ZeroShot,
    "imagenet_real": callbacks.ImageNetReal,
    "imagenet_shift": callbacks.ImageNetShift,
    "imagenet9": callbacks.ImageNet9,
    "objectnet": callbacks.ObjectNet,
    "mit_states": callbacks.MITStates,
    "agreement": callbacks.Agreement,
    "similarity_figure": callbacks.SimilarityFigure,
    "graph_report": callbacks.GraphReport,
    "view_sheet": callbacks.ViewSheet,
    "neighbour_sheet": callbacks.NeighbourSheet,
    "embedding_projector": callbacks.EmbeddingProjector,
    "scalar_layout": callbacks.ScalarLayout,
}

log = logging.getLogger(__name__)


class CLI(LightningCLI):
    """``fit``, ``validate``, ``test`` and ``predict``, with the evaluations as config groups of their own."""

    def __init__(self, arguments: list[str]) -> None:
        self._given = arguments
        self._folder: Path | None = None
        given = spell_out(arguments)
        self._arguments = going_on(given)
        self._found = self._arguments != given  # the checkpoint, which nobody named
        arguments = self._arguments
        self._checkpoint = None
        path = option(arguments, "ckpt_path")
        if path and path != "null":
            self._checkpoint = checkpoint_model(path)
        with tempfile.TemporaryDirectory() as folder:
            if self._checkpoint:
                arguments = lay_below(arguments, self._checkpoint, Path(folder))
            super().__init__(
                BackboneModule,
                GraphDataModule,
                save_config_callback=None,  # RunFolder saves it
                seed_everything_default=0,
                parser_kwargs={"parser_mode": "omegaconf"},
                parser_class=Parser,
                subclass_mode_model=True,
                subclass_mode_data=True,
                args=arguments,
                auto_configure_optimizers=False,
            )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Each command's arguments that are no options; Lightning's own table would say the numbers twice."""
        hidden = LightningCLI.subcommands()
        return hidden | {name: hidden[name] | {"verbose"} for name in ("validate", "test")}

    def validate(self, **kwargs: Any) -> None:
        """Run ``validate``."""
        self.trainer.validate(verbose=False, **kwargs)

    def test(self, **kwargs: Any) -> None:
        """Run ``test``."""
        self.trainer.test(verbose=False, **kwargs)

    def add_arguments_to_parser(self, parser: Any) -> None:
        parser.add_argument(
            "--run_dir",
            type=str | None,
            default=None,
            help="Where the run is written; fit goes on from the last checkpoint there.",
        )
        parser.add_argument(
            "--save_every_n_steps",
            type=NonNegativeInt,
            default=0,
            help="Write checkpoints/last.ckpt so often, besides at each epoch's end; 0 for not.",
        )
        for name, evaluation in EVALUATIONS.items():
            parser.add_lightning_class_args(evaluation, name)

    def instantiate_classes(self) -> None:
        """Make what the config names; a checkpoint's weights make pretrained ones needless."""
        with weights_to_come() if self._checkpoint else nullcontext():
            super().instantiate_classes()

    def _parse_ckpt_path(self) -> None:
        """Say what differs from the checkpoint; Lightning would let the checkpoint win over the command line."""
        if self._checkpoint:
            model = self.config[self.config.subcommand].model.as_dict()
            changed = differences(model, self._checkpoint)
            other = [change for change in changed if change.split()[0] in ("class", "backbone", "projector")]
            if other and self._found:
                raise UserError(
                    f"the run in this folder is of another model, {', '.join(other)}: choose another --run_dir, or "
                    "name a checkpoint with --ckpt_path"
                )
            if changed:
                log.warning("not as in the checkpoint, as config or command line say: %s", ", ".join(changed))

    def _dump_config(self) -> None:
        """What a checkpoint records of its model."""
        super()._dump_config()
        self.config_dump = without_secrets(self.config_dump)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config, throughput = self._get(self.config_init, "trainer"), Throughput()
        kwargs["enable_progress_bar"] = False  # Console has its own
        kwargs["enable_model_summary"] = bool(config.enable_model_summary)
        if config.devices == "auto" and "TORCHELASTIC_RUN_ID" in os.environ:
            # On a CPU, Lightning takes one, and each of torchrun's processes would train for itself.
            kwargs["devices"] = int(os.environ["LOCAL_WORLD_SIZE"])
        if config.fast_dev_run:
            self.trainer_defaults["callbacks"] = [BadPictures(), throughput, Console(None, throughput)]
            return super().instantiate_trainer(**kwargs)
        self._folder = folder = new_run_folder(self._get(self.config, "run_dir"), _run_name(self._arguments))
        self.trainer_defaults["callbacks"] = [
            BadPictures(),
            throughput,
            RunFolder(folder, self.settings_text(), self._given),
            FeatureWriter(folder),
            Console(folder, throughput),
        ]
        if config.enable_checkpointing is not False:
            self.trainer_defaults["callbacks"] += _checkpoints(folder, self._get(self.config, "save_every_n_steps"))
        plugins = kwargs["plugins"] = [*(config.plugins or [])]
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            plugins.append(AtomicCheckpointIO())
        own = any(isinstance(plugin, ClusterEnvironment) for plugin in plugins)
        if self.subcommand == "fit" and _tasks_of_slurm() and not own:
            plugins.append(SLURMEnvironment(auto_requeue=False))
            self.trainer_defaults["callbacks"].append(Requeue(folder / LAST))
        if config.default_root_dir is None:
            kwargs["default_root_dir"] = folder  # or what else Lightning may write is in the current folder
        if config.logger in (None, True):
            kwargs["logger"] = TensorBoardLogger(folder, name="", version="", default_hp_metric=False)
        return super().instantiate_trainer(**kwargs)

    def settings_text(self) -> str:
        """The whole config of the command, as YAML."""
        # The last is called skip_none before jsonargparse 4.49, and skip_unset since.
        text: str = self._parser(self.subcommand).dump(self.config[self.subcommand], "yaml", False)
        return text

    def _run_subcommand(self, subcommand: str) -> None:
        """Run the command; say how it goes on where Ctrl-C stops it.

        Lightning makes an exit status of 1 of that; and a loader's worker that the same Ctrl-C ended may raise an error
        in the middle of it.
        """
        try:
            with ctrl_c_is_heard():
                super()._run_subcommand(subcommand)
        except (KeyboardInterrupt, SystemExit, RuntimeError) as ended:
            if not by_ctrl_c(ended):
                raise
            said = "stopped"
            if subcommand == "fit" and self._folder:
                said = how_to_go_on(self._folder, bool(self._get(self.config, "ckpt_path")))
            raise KeyboardInterrupt(said if self.trainer.is_global_zero else "") from None


class DataCLI(CLI):
    """Reads a command line as ``fit`` does, and makes nothing of it but the data."""

    def instantiate_classes(self) -> None:
        config = self.config[self.config.subcommand]
        self.datamodule = self._parser(self.subcommand).instantiate_classes(Namespace(data=config.data)).data

    def _run_subcommand(self, subcommand: str) -> None:
        pass


def run(arguments: list[str], cli: type[CLI] = CLI) -> CLI:
    """Parse a command line and run it.

    Raises:
        UserError: Something in it or in the data it names is wrong.
    """
    quiet()
    try:
        return cli(arguments)
    except RuntimeError as error:
        if "loading state_dict" not in str(error):
            raise
        reason = " ".join(str(error).split())
        raise UserError(f"the checkpoint does not fit the model: {reason[:300]} …") from error
    except MisconfigurationException as error:
        if not (wanted := re.search(r"restored a checkpoint with current_epoch.*max_epochs=(\d+)", str(error))):
            raise
        raise UserError(
            f"the checkpoint is past trainer.max_epochs {wanted[1]}: raise it, choose another --run_dir, or begin anew "
            "with --ckpt_path null"
        ) from error
    except OmegaConfBaseException as error:
        raise UserError(f"in a config: {str(error).splitlines()[0]}") from error
    except ValueError as error:
        # The parser wraps what a class raises when it is made.
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, UserError):
            cause = cause.__cause__ or cause.__context__
        raise cause or error from None


def _checkpoints(folder: Path, every_n_steps: int) -> list[ModelCheckpoint]:
    """What writes ``checkpoints/last.ckpt``: at an epoch's end, and every few steps if wanted."""
    last = folder / LAST
    place: dict[str, Any] = {"dirpath": last.parent, "filename": last.stem, "enable_version_counter": False}
    # By default it waits for validation, which need not run every epoch.
    writers = [ModelCheckpoint(**place, save_on_train_epoch_end=True)]
    return writers + ([StepCheckpoint(**place, every_n_train_steps=every_n_steps)] if every_n_steps else [])


def _tasks_of_slurm() -> bool:
    """Whether srun started this process, and not torchrun in a job of SLURM's."""
    return SLURMEnvironment.detect() and not TorchElasticEnvironment.detect()


def _run_name(arguments: list[str]) -> str:
    """``--config demo.yaml --config objective/simclr.yaml`` → ``demo+simclr``."""
    return "+".join(Path(value).stem for option, value in pairwise(arguments) if option == "--config") or "run"
