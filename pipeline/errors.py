"""Errors that a user can mend."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

# the disk, the user's share of it, or the largest file allowed
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


# a folder of somebody else, or one that was made or mounted read-only
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


class InputError(Exception):
    """Bad input: the message names the file or key, what was expected, and the mend."""


class OtherReleaseError(InputError):
    """A result that another release made, in a format that this one does not read."""


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's `main`, if it is made of the code of its run.

    What a user can mend ends it with its message, without a traceback.
    """
    # it raises errors of this module
    from pipeline.jobs.frozen_run import require_code_of_run

    try:
        require_code_of_run()
        main()
    except InputError as error:
        _tell(str(error))
        sys.exit(1)
    except OSError as error:
        if error.errno in FORBIDDEN:
            _tell(
                f"{error.filename or 'a file'}: may not be read or written ({error.strerror}). It "
                "is read-only or belongs to somebody else: correct its permissions, or run in a "
                "folder of your own; what was finished is kept."
            )
            sys.exit(1)
        if error.errno not in FULL:
            raise
        _tell(
            f"the disk is full, or a quota or file size limit is reached ({error}). Free space "
            "(`snakemake preflight` estimates how much a study needs) and run snakemake again: "
            "what was finished is kept."
        )
        # HDF5 would try to write once more when the interpreter ends, and crash it
        os._exit(1)


def _tell(message: str) -> None:
    """Say why a stage ends, on a line of its own: a progress bar may stand on this one."""
    print(f"\nerror: {message}", file=sys.stderr, flush=True)
