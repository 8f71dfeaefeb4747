"""Whether results can be written, before a job finds out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import InputError


def require_writable(folders: Iterable[Path]) -> None:
    """Raise if a folder, or where it would be made, may not be written."""
    for folder in folders:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not os.access(there, os.W_OK | os.X_OK):
            raise InputError(
                f"{there}: may not be written: it is read-only or belongs to somebody else. "
                "Correct its permissions, or run in a folder of your own (--directory)."
            )
