"""`tee` for the output of a job: log all of it, and display it up to the error message.

The error message of a stage begins with `error: ` on a new line. It is displayed when the run ends
(pipeline/jobs/failed_jobs.py), and here only if the log could not be written.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

START = b"\nerror: "


def copy_output(source: int, log: str, display: int) -> None:
    """Copy output to a log, and until an error message begins also to the display.

    Parameters
    ----------
    source, display : file descriptors to read and write
    log : path
    """
    fault, message = None, b""
    # the last byte displayed, and what may be the start of a message, which can arrive in parts
    before, waiting = b"\n", b""
    while part := os.read(source, 1 << 16):
        fault = fault or _append(log, part)
        if message:
            message += part
            continue
        text = before + waiting + part
        found = text.find(START)
        end = found + 1 if found >= 0 else len(text) - _begun(text)
        os.write(display, text[len(before) : end])
        before, waiting = text[end - 1 : end], text[end:]
        if found >= 0:
            message = waiting
    if fault:
        os.write(display, f"{log}: {fault}\n".encode() + (message or waiting))
    elif not message:
        os.write(display, waiting)


def _begun(text: bytes) -> int:
    """Count the bytes at the end that may begin a message, without the preceding newline."""
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
    # at once, as the log shows that the job has started (pipeline/jobs/job_list.py)
    with suppress(OSError), open(sys.argv[1], "wb"):
        pass
    copy_output(0, sys.argv[1], 1)
