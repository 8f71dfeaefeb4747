"""`tee` for the output of a job: all goes to its log, and is shown as far as its message.

The message of a stage that refuses begins with `error: ` on a line of its own. The run ends with it
(pipeline/jobs/failed_jobs.py); it is shown here only where the log could not take it.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

START = b"\nerror: "


def copy_output(source: int, log: str, shown: int) -> None:
    """Copy all that comes to a log, and at once to where it is shown until a message begins.

    Parameters
    ----------
    source, shown : file descriptors
    log : path
    """
    fault, message = None, b""
    # what was shown last, and what may be the beginning of a message: a message comes in parts
    before, waiting = b"\n", b""
    while part := os.read(source, 1 << 16):
        fault = fault or _append(log, part)
        if message:
            message += part
            continue
        text = before + waiting + part
        found = text.find(START)
        end = found + 1 if found >= 0 else len(text) - _begun(text)
        os.write(shown, text[len(before) : end])
        before, waiting = text[end - 1 : end], text[end:]
        if found >= 0:
            message = waiting
    if fault:
        os.write(shown, f"{log}: {fault}\n".encode() + (message or waiting))
    elif not message:
        os.write(shown, waiting)


def _begun(text: bytes) -> int:
    """Bytes at the end that may begin a message, without the end of the line before."""
    lengths = range(len(START) - 1, 1, -1)
    return next((n - 1 for n in lengths if text.endswith(START[:n])), 0)


def _append(log: str, part: bytes) -> OSError | None:
    try:
        with open(log, "ab") as file:
            file.write(part)
    except OSError as error:
        return error
    return None


if __name__ == "__main__":
    # at once, which tells that the job has started (pipeline/jobs/job_list.py)
    with suppress(OSError), open(sys.argv[1], "wb"):
        pass
    copy_output(0, sys.argv[1], 1)
