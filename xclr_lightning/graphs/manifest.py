"""``graph.json``: what a stored graph is, what it belongs to, and the size and hash of each of its files."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xclr_lightning import __version__
from xclr_lightning.cache import atomic_file
from xclr_lightning.errors import UserError

MANIFEST = "graph.json"


def write_manifest(draft: Path, facts: Mapping[str, Any]) -> None:
    """Describe a graph whose other files are all written.

    Args:
        draft: Its folder, not yet in its place; its parent takes the draft of the description.
        facts: What is said of it: ``form``, ``source``, ``count`` and so on, as JSON can hold it.
    """
    files = {
        path.relative_to(draft).as_posix(): {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
        for path in sorted(draft.rglob("*"))
        if path.is_file() and path != draft / MANIFEST
    }
    manifest = {**facts, "package_version": __version__, "files": files}
    with atomic_file(draft / MANIFEST, draft.parent) as path:
        path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Read ``graph.json``.

    Raises:
        UserError: It is missing, no JSON, or no object.
    """
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"no graph in {folder}: {MANIFEST} is missing or damaged ({error})") from error
    if not isinstance(manifest, dict):
        raise UserError(f"no graph in {folder}: {MANIFEST} holds a {type(manifest).__name__}, expected an object")
    return manifest


def check_belongs(
    folder: str | Path, manifest: Mapping[str, Any], expected: Mapping[str, Any], data_path: str | Path
) -> None:
    """Refuse a graph that was computed from other data or with other settings.

    Args:
        folder: The graph, named in the message.
        manifest: What :func:`read_manifest` returned.
        expected: What its fields must be.
        data_path: The data, named in the message.

    Raises:
        UserError: A field differs; the message has both sides of the first that does.
    """
    for name, value in json.loads(json.dumps(dict(expected))).items():
        if manifest.get(name) != value:
            raise UserError(
                f"the graph in {folder} does not belong to the data in {data_path}: its {name} is "
                f"{manifest.get(name)!r}, expected {value!r}; delete the graph to compute it again"
            )


def check_files(folder: str | Path, manifest: Mapping[str, Any], hashes: bool = False) -> None:
    """Refuse a graph whose files are not those that were written.

    Args:
        folder: The graph.
        manifest: What :func:`read_manifest` returned.
        hashes: Read every file and compare its SHA-256 too; sizes alone cost next to nothing.

    Raises:
        UserError: A file is missing, of another size or of other content, or the list itself is damaged.
    """
    for name, size, digest in _listed(folder, manifest):
        path = Path(folder) / name
        if not path.is_file():
            raise UserError(f"{path} is missing; delete {folder} to compute the graph again")
        if (found := path.stat().st_size) != size:
            raise UserError(
                f"{path} is damaged: it has {found:,} bytes, {MANIFEST} says {size:,}; "
                f"delete {folder} to compute the graph again"
            )
        if hashes and (read := file_sha256(path)) != digest:
            raise UserError(
                f"{path} is damaged: its SHA-256 is {read[:16]}…, {MANIFEST} says {digest[:16]}…; "
                f"delete {folder} to compute the graph again"
            )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file of any size, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _listed(folder: str | Path, manifest: Mapping[str, Any]) -> Iterator[tuple[str, int, str]]:
    try:
        yield from [(str(name), int(file["bytes"]), str(file["sha256"])) for name, file in manifest["files"].items()]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"no graph in {folder}: {MANIFEST} does not list its files ({type(error).__name__}: {error}); "
            "delete the folder to compute the graph again"
        ) from error
