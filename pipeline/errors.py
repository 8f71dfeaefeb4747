"""Errors that a user can mend."""

from __future__ import annotations

import sys
from collections.abc import Callable


class InputError(Exception):
    """Bad input: the message names the file or key, what was expected, and the mend."""


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's `main`; an InputError ends it with its message alone, without a traceback."""
    try:
        main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
