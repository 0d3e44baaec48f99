"""The command line. Nothing heavy is imported before it is known to be needed."""

import errno
import importlib
import os
import signal
import sys

from xclr_lightning import __version__
from xclr_lightning.config_files import resolve_config_options, shipped_configs
from xclr_lightning.errors import UserError, did_you_mean

COMMANDS = {
    "fit": "train, evaluate as you go, and write a run folder",
    "validate": "held-out loss and every evaluation of a checkpoint",
    "test": "the same, logged as a test",
    "predict": "features of the pictures in data.predict, written to the run folder as features.parquet",
}

OTHER_COMMANDS = {
    "compare": "train several objectives or settings over several seeds, and print a table of all",
    "report": "tables and figures of finished runs",
    "embed": "features of pictures to a Parquet or .npy file",
    "export": "a backbone that timm loads without this package",
}

GRAPH_COMMANDS = {
    "build": "compute the graph of data.train and data.val, alone or shared under torchrun or srun",
    "inspect": "what a graph holds and how soft it makes the target, of its folder or --config NAME; with a figure",
}

NO_ROOM = {errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EROFS}

HELP = """\
usage: python -m xclr_lightning COMMAND --config NAME [--config NAME …] [--KEY VALUE …]

Learn image representations from a similarity graph (X-CLR).

commands:
{commands}

options of every command:
  --config NAME         a YAML file or a shipped config: {configs}
                        repeat it to lay one over another; later ones win, and --KEY VALUE wins over all
  --ckpt_path FILE      start from a checkpoint; its settings are used where neither config nor option gives one.
                        To be evaluated, a timm model by name: resnet50.a1_in1k
  --run_dir DIR         where the run is written; by default runs/NAME/N, N counting up
  --model CLASS         the objective: XCLR, SimCLR, SupCon, CLIP, SoftCLIP, or a class of your own as module.Class
  --model.KEY VALUE     its settings: backbone, temperature, target_temperature, optimizer, lr, …
  --data.KEY VALUE      the data: train, val, captions, label, graph, batch_size, num_workers, view, …
  --trainer.KEY VALUE   Lightning's Trainer: max_epochs, devices, precision, …
  --knn.KEY VALUE       evaluations, likewise --linear_probe, --feature_probe, --few_shot, --retrieval, --zero_shot,
                        --imagenet_real, --imagenet_shift, --imagenet9, --objectnet, --mit_states, --agreement,
                        and what is drawn: --similarity_figure, --neighbour_sheet, --view_sheet,
                        --embedding_projector, --scalar_layout, --graph_report
  --seed_everything N   the seed
  --print_config        print the whole config and stop
  --help_all            every option with its type, default and meaning

example: python -m xclr_lightning fit --config demo --trainer.max_epochs 1
"""


def main(arguments: list[str] | None = None) -> int:
    """Run a command line; returns the exit status: 2 for input that the user can mend, 130 or 143 if stopped."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # a console script lacks it, and with it the user's own classes
    status = 2
    try:
        return _dispatch(arguments)
    except KeyboardInterrupt as stop:
        status, line = 130, str(stop) if stop.args else "stopped"
    except UserError as error:
        # A loader's worker sends its traceback as the message; the error itself is the last line of it.
        line = str(error).strip().splitlines()[-1].removeprefix(f"{UserError.__module__}.{UserError.__name__}: ")
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        line = f"cannot write {error.filename or 'to the disk'}: {error.strerror}"
    if line:  # of processes that train together, one says it
        print(f"xclr_lightning: {'error: ' if status == 2 else ''}{line}", file=sys.stderr)
    return status


def _dispatch(arguments: list[str]) -> int:
    if not arguments or (arguments[0] not in OTHER_COMMANDS and {"-h", "--help"} & set(arguments)):
        every = COMMANDS | OTHER_COMMANDS | {f"graph {name}": text for name, text in GRAPH_COMMANDS.items()}
        commands = "\n".join(f"  {name:<20}  {text}" for name, text in every.items())
        print(HELP.format(commands=commands, configs=", ".join(shipped_configs())))
        return 0
    if arguments == ["--version"]:
        print(__version__)
        return 0
    if arguments[0] == "graph":
        _check_command("graph command", arguments[1] if len(arguments) > 1 else "", [*GRAPH_COMMANDS])
    else:
        _check_command("command", arguments[0], [*COMMANDS, *OTHER_COMMANDS, "graph"])
    arguments = ["--help" if argument == "--help_all" else argument for argument in resolve_config_options(arguments)]
    if arguments[0] == "graph":
        if arguments[1] == "inspect":
            from xclr_lightning.inspect_command import inspect

            inspect(arguments[2:])
            return 0
        from xclr_lightning.graph_command import build

        build(arguments[2:])
        return 0
    if arguments[0] in OTHER_COMMANDS:
        module = importlib.import_module(f"xclr_lightning.{arguments[0]}_command")
        getattr(module, arguments[0])(arguments[1:])
        return 0
    from lightning.pytorch.utilities.exceptions import SIGTERMException

    from xclr_lightning.lightning_cli import run  # Lightning takes seconds to import

    try:
        run(arguments)
    except SIGTERMException:  # a SystemExit, which would end like a run that is complete
        print("xclr_lightning: stopped by SIGTERM", file=sys.stderr)
        return 128 + signal.SIGTERM
    return 0


def _check_command(kind: str, given: str, known: list[str]) -> None:
    if given not in known:
        raise UserError(f"no {kind} {given!r}: expected {', '.join(known)}{did_you_mean(given, known)}")
