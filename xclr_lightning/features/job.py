"""A run of ``embed``: opens model and pictures, encodes what is missing, writes the file."""

import argparse
import hashlib
from pathlib import Path

import torch

from xclr_lightning.data import EvalView, Source, View, open_source
from xclr_lightning.errors import UserError
from xclr_lightning.features.crop import eval_crop
from xclr_lightning.features.encode import block_rows, blocks, encoder, missing_blocks
from xclr_lightning.features.files import contents, write_npy, write_parquet
from xclr_lightning.features.unfinished import Unfinished
from xclr_lightning.model_by_name import load_module
from xclr_lightning.objectives.base import BackboneModule
from xclr_lightning.progress import progress_bar


def run(given: argparse.Namespace, output: Path) -> None:
    """Do what the options of ``embed`` say.

    Raises:
        UserError: Something in them is wrong, or no picture can be read.
    """
    device, module, source = device_by_name(given.device), load_module(given.ckpt), open_source(given.images)
    view, origin = eval_crop(given.ckpt, module) if given.size is None else (_asked_for(given), "as asked for")
    kind = "z" if given.projection else "features"
    settings = {
        "model": digest_of_weights(module),
        "images": _digest(source),
        "crop": repr(view),
        "precision": given.precision,
        "values": kind,
    }
    unfinished = Unfinished(output, settings)
    print(f"{len(source):,} pictures by {given.ckpt} on {device}; crop {origin}: {view!r}", flush=True)
    encode = encoder(module, device, given.precision, given.projection)
    missing = missing_blocks(unfinished.done(), len(source))
    ready = len(source) - sum(len(block_rows(number, len(source))) for number in missing)
    with progress_bar(len(source), "encoding", "picture", initial=ready) as bar:
        for number, block in blocks(source, view, encode, missing, given.batch_size, given.num_workers, bar.update):
            unfinished.add(number, block)
    if output.suffix == ".npy":
        written = f"{output}, keys in {write_npy(output, unfinished, source)}"
    else:
        found = unfinished.arrays("features", "index")
        write_parquet(output, found, source, kind, settings | {"name": given.ckpt})
        written = str(output)
    _report(unfinished, f"{kind}: {written}")
    unfinished.remove()


def _digest(source: Source) -> str:
    """Another one for other pictures, and for pictures of the same names elsewhere."""
    digest = hashlib.sha256(f"{source.path.absolute()}".encode())
    for part in source.parts():
        digest.update(f"{part} {source.version(part)}".encode())
    digest.update(source.keys().tobytes())
    return digest.hexdigest()[:16]


def device_by_name(name: str) -> torch.device:
    """The device of a name; ``auto`` is the first of cuda, mps and cpu that is there.

    Raises:
        UserError: It is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError) as error:  # torch built without it raises the latter
        reason = str(error).splitlines()[0]
        raise UserError(f"no device {name!r}: {reason}; --device auto takes what there is") from error


def _asked_for(given: argparse.Namespace) -> View:
    # As far from the border as 224 is from 256.
    return EvalView(given.size, given.resize or round(given.size * 8 / 7))


def digest_of_weights(module: BackboneModule) -> str:
    """Tells whether two models are the same."""
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def _report(unfinished: Unfinished, what: str) -> None:
    rows = sum(len(index) for (index,) in unfinished.arrays("index"))
    width = next(features.shape[1] for (features,) in unfinished.arrays("features"))
    bad = [message for (messages,) in unfinished.arrays("bad") for message in messages.tolist()]
    print(contents(rows, width, what, bad))
