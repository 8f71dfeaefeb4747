"""Check of write permissions before the first job starts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import InputError


def require_writable(folders: Iterable[Path]) -> None:
    """Raise if a folder, or the existing folder above it, is not writable."""
    for folder in folders:
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not os.access(existing, os.W_OK | os.X_OK):
            raise InputError(
                f"{existing}: may not be written: it is read-only or belongs to somebody else. "
                "Correct its permissions, or run in a folder of your own (--directory)."
            )
