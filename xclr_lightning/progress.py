"""Progress bars that leave a readable log where there is no terminal."""

import sys
from typing import Any

from tqdm import tqdm


def progress_bar(total: int | None, description: str, unit: str, **options: Any) -> tqdm:
    """A bar on stderr: redrawn in a terminal, a line now and then elsewhere; with rate and time left."""
    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=description,
        unit=unit,
        mininterval=0.1 if terminal else 10,
        bar_format=None if terminal else "{desc}: {n_fmt}/{total_fmt} [{elapsed}, {remaining} left, {rate_fmt}]\n",
        **options,
    )
