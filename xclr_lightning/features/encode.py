"""From pictures to blocks of features, on any device and with flat memory."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from xclr_lightning.data import Source
from xclr_lightning.data.dataset import PictureDataset, collate_pictures
from xclr_lightning.data.views import View
from xclr_lightning.errors import UserError
from xclr_lightning.objectives.base import BackboneModule

# Pictures a block: what a process that is killed loses at most, and a row group of a Parquet file.
BLOCK = 4096

AUTOCAST = {"32": None, "16": torch.float16, "bf16": torch.bfloat16}


def block_rows(number: int, samples: int) -> range:
    """Numbers of the samples in a block, of which the last may have fewer."""
    return range(number * BLOCK, min(samples, (number + 1) * BLOCK))


def missing_blocks(done: Iterable[int], samples: int) -> list[int]:
    """Numbers of the blocks of so many samples that are not done, ascending."""
    return sorted({*range(math.ceil(samples / BLOCK))} - {*done})


@dataclass
class Block:
    """Features ``(n, D)`` of the pictures with numbers ``index`` ``(n,)``, batch by batch; ``bad`` names the others."""

    features: list[np.ndarray] = field(default_factory=list)
    index: list[np.ndarray] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)


def encoder(
    module: BackboneModule, device: torch.device, precision: str = "32", projection: bool = False
) -> Callable[[Tensor], np.ndarray]:
    """A function from pictures ``(n, 3, H, W)``, uint8, to their features on the CPU.

    Args:
        module: The model; it is moved to the device, and stays in evaluation mode.
        device: Where it computes.
        precision: ``32``, or ``16`` or ``bf16`` with autocast, whose features come out in half precision.
        projection: Unit vectors z in place of features.

    Returns:
        ``(n, D)``, float32 or float16. It raises UserError where a feature is too large for half precision.
    """
    module.to(device).eval()
    low = AUTOCAST[precision]

    @torch.inference_mode()
    def encode(pictures: Tensor) -> np.ndarray:
        with torch.autocast(device.type, low) if low else nullcontext():
            features = module(pictures.to(device, non_blocking=True))
            values = module.project(features) if projection else features
        values = F.normalize(values.float(), dim=1) if projection else values.float()
        if low is None:
            return values.cpu().numpy()
        if values.abs().max() > torch.finfo(torch.float16).max:
            raise UserError(f"features up to {values.abs().max():.3g} are too large for 16 bits: use --precision 32")
        return values.half().cpu().numpy()

    return encode


def blocks(
    source: Source,
    view: View,
    encode: Callable[[Tensor], np.ndarray],
    numbers: Sequence[int],
    batch_size: int = 64,
    num_workers: int = 0,
    on_batch: Callable[[int], None] = lambda pictures: None,
) -> Iterator[tuple[int, Block]]:
    """Encode blocks of ``BLOCK`` pictures.

    Args:
        source: The pictures.
        view: Crops them.
        encode: See :func:`encoder`.
        numbers: Which blocks, ascending.
        batch_size: Pictures at once; the last batch of a block may have fewer.
        num_workers: Processes that read pictures.
        on_batch: Told how many pictures were just done.

    Yields:
        A block's number, and the block.

    Raises:
        UserError: Not one picture of a full block can be read, or not one of all.
    """
    every = {number: block_rows(number, len(source)) for number in numbers}
    batches = [rows[i : i + batch_size] for rows in every.values() for i in range(0, len(rows), batch_size)]
    loader = DataLoader(
        PictureDataset(source, view),
        batch_sampler=batches,  # type: ignore[arg-type]
        num_workers=num_workers,
        collate_fn=collate_pictures,
    )
    block = Block()
    for rows, batch in zip(batches, loader, strict=True):
        block.bad += batch["bad"]
        if len(batch["image"]):
            block.features.append(encode(batch["image"]))
            block.index.append(batch["index"].numpy())
        on_batch(len(rows))
        number = rows.start // BLOCK
        if rows.stop == every[number].stop:
            if len(block.bad) == min(BLOCK, len(source)):
                raise UserError(f"none of {len(block.bad):,} pictures in a row can be read, first {block.bad[0]}")
            yield number, block
            block = Block()
