"""Errors that a user can correct."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

# errors of a full disk, an exhausted quota, or a file size limit
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# errors of a folder that is read-only or belongs to another user
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)

# errors of a folder where a file is needed, or a file where a folder is
MISPLACED = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST)


class InputError(Exception):
    """Bad input: the message names the file or key, what was expected, and how to correct it."""


class OtherReleaseError(InputError):
    """A result of another release, in a format that this one does not read."""


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's `main`, after checking that its code has not changed since the run began.

    Errors that a user can correct end the process with their message, without a traceback.
    """
    # imported here: that module imports this one
    from pipeline.jobs.frozen_run import require_code_of_run

    try:
        require_code_of_run()
        main()
    except InputError as error:
        _report(str(error))
        sys.exit(1)
    except OSError as error:
        if error.errno in FORBIDDEN:
            _report(
                f"{error.filename or 'a file'}: may not be read or written ({error.strerror}). It "
                "is read-only or belongs to somebody else: correct its permissions, or run in a "
                "folder of your own; what was finished is kept."
            )
            sys.exit(1)
        if error.errno in MISPLACED:
            _report(
                f"{error.filename2 or error.filename}: {error.strerror}. A file is where a folder "
                "is needed, or a folder where a file is: name another path, or move it away."
            )
            sys.exit(1)
        if error.errno not in FULL:
            raise
        _report(
            f"the disk is full, or a quota or file size limit is reached ({error}). Free space "
            "(`snakemake preflight` estimates how much a study needs) and run snakemake again: "
            "what was finished is kept."
        )
        # HDF5 would try to write once more when the interpreter ends, and crash it
        os._exit(1)


def _report(message: str) -> None:
    """Print an error on a new line: the current one may hold a progress bar."""
    print(f"\nerror: {message}", file=sys.stderr, flush=True)
