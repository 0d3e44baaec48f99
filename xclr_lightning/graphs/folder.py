"""Where a graph is kept: in the cache, under a hash of all that it depends on."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xclr_lightning.cache import cache_dir


def graph_folder(facts: Mapping[str, Any]) -> Path:
    """The folder of the graph of which these facts are true, whether or not it exists.

    Args:
        facts: All that its values depend on, as JSON can hold it.
    """
    name = hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode()).hexdigest()[:16]
    return cache_dir() / "graphs" / name
