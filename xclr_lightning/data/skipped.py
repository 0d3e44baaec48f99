"""Pictures that cannot be used: few are left out and counted, many stop the run."""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from xclr_lightning.data.source import Source
from xclr_lightning.errors import UserError

log = logging.getLogger(__name__)
# A name before it, or what is said of the error behind it, may have colons, too.
_KIND = re.compile(r": (\w*[Ee]rror): ")


def by_cause(skipped: Mapping[str, int]) -> str:
    """What was skipped, most frequent first.

    Example:
        >>> by_cause({"no caption": 2, "truncated shard": 1200})
        '1,200 truncated shard, 2 no caption'
    """
    return ", ".join(f"{count:,} {cause}" for cause, count in sorted(skipped.items(), key=lambda pair: -pair[1]))


def causes(messages: Iterable[str]) -> Counter[str]:
    """How many pictures there are of each kind of error, of messages that begin with a name and a kind.

    Where there is no kind, it is what the message ends with.

    Example:
        >>> causes(["a.jpg: OSError: truncated", "b: 2.jpg: OSError: broken", "c.jpg: FileNotFoundError: c.jpg"])
        Counter({'OSError': 2, 'FileNotFoundError': 1})
    """
    kinds = ((_KIND.search(message), message.rpartition(": ")[2]) for message in messages)
    return Counter(kind[1] if kind else said for kind, said in kinds)


def refuse_many_skipped(source: Source, most: float, setting: str) -> None:
    """Say what a source had to leave out, and stop before the first step where that is more than a share of it.

    What a damaged shard held is not known: it counts as many samples as the source has a shard in the mean.

    Args:
        source: Has ``skipped``, the samples and shards that it left out by cause.
        most: The share, 0 … 1.
        setting: What names the source in a config.

    Raises:
        UserError: It had to.
    """
    in_shard = len(source) / max(1, len(source.parts()))
    lost = sum(count * (in_shard if "shard" in cause else 1) for cause, count in source.skipped.items())
    if lost > most * (lost + len(source)):
        raise UserError(
            f"{setting}: about {lost:,.0f} of {lost + len(source):,.0f} samples in {source.path} are left out "
            f"({by_cause(source.skipped)}), more than data.max_skipped {most:g} allows; mend the data or raise it"
        )
    if source.skipped:
        log.warning("%s: left out %s of %s", setting, by_cause(source.skipped), source.path)
