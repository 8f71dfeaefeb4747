"""How a run that failed ends: with what its stages said, once.

A stage that refuses says why in the last lines of its log, from one that begins with `error: `.
Snakemake would end with the job's command, thousands of characters long, and point upwards.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent

SNAKEMAKES_END = "At least one job did not complete successfully"
SHOWN_LINES = 20


class FailedJobs(logging.Filter):
    """A filter of Snakemake's log that ends a run with the messages of the jobs that failed."""

    def __init__(self) -> None:
        super().__init__()
        self._failed: dict[int, tuple[str, list[str]]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is shown; those of failed jobs are shortened."""
        # Snakemake adds fields of its own
        fields, text = vars(record), str(record.msg)
        event = fields.get("event")
        if event == LogEvent.JOB_ERROR:
            self._failed[fields["jobid"]] = fields["rule_name"], fields["log"]
            # it would say `message: None`
            fields["shellcmd"], record.msg = None, ""
        elif event == LogEvent.JOB_FINISHED:
            # tried again
            self._failed.pop(fields["job_id"], None)
        elif event == LogEvent.ERROR and SNAKEMAKES_END in text and self._failed:
            record.msg = "\n\n".join(dict.fromkeys(failure(*job) for job in self._failed.values()))
        return "CalledProcessError" not in text and "Look above for error messages" not in text


def failure(rule: str, logs: list[str]) -> str:
    """What a job that failed said last: its message, or if it has none the end of its log.

    Parameters
    ----------
    logs : the job's own, then its scheduler's
    """
    there = [path for path in map(Path, logs) if path.is_file()]
    texts = {path: path.read_text(errors="replace").rstrip() for path in there}
    for said in texts.values():
        if message := re.search(r"^error: .*", said, re.MULTILINE | re.DOTALL):
            return message[0]
    for path, said in reversed(texts.items()):
        if said:
            end = said.splitlines()[-SHOWN_LINES:]
            return "\n".join([f"error: a job of rule {rule} failed; the end of {path}:", *end])
    return f"error: a job of rule {rule} failed and said nothing: it may have been killed."
