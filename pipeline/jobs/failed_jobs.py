"""End a failed run with the error messages of its stages.

A stage that fails writes its message, which begins with `error: `, at the end of its log. Without
this filter Snakemake would print the job's command, which can have thousands of characters.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent

SNAKEMAKES_END = "At least one job did not complete successfully"
LOG_LINES = 20


class FailedJobs(logging.Filter):
    """A filter of Snakemake's log that ends a run with the messages of the jobs that failed."""

    def __init__(self) -> None:
        super().__init__()
        self._failed: dict[int, tuple[str, list[str]]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is displayed; records of failed jobs are shortened."""
        # Snakemake adds its own fields to records
        fields, text = vars(record), str(record.msg)
        event = fields.get("event")
        if event == LogEvent.JOB_ERROR:
            self._failed[fields["jobid"]] = fields["rule_name"], fields["log"]
            # or Snakemake would print `message: None`
            fields["shellcmd"], record.msg = None, ""
        elif event == LogEvent.JOB_FINISHED:
            # a later attempt succeeded
            self._failed.pop(fields["job_id"], None)
        elif event == LogEvent.ERROR and SNAKEMAKES_END in text and self._failed:
            record.msg = "\n\n".join(dict.fromkeys(failure(*job) for job in self._failed.values()))
        return "CalledProcessError" not in text and "Look above for error messages" not in text


def failure(rule: str, logs: list[str]) -> str:
    """Return the error message of a failed job, or the end of its log if there is none.

    Parameters
    ----------
    logs : logs of the job, then of its scheduler
    """
    existing = [path for path in map(Path, logs) if path.is_file()]
    texts = {path: path.read_text(errors="replace").rstrip() for path in existing}
    for text in texts.values():
        if message := re.search(r"^error: .*", text, re.MULTILINE | re.DOTALL):
            return message[0]
    for path, text in reversed(texts.items()):
        if text:
            end = text.splitlines()[-LOG_LINES:]
            return "\n".join([f"error: a job of rule {rule} failed; the end of {path}:", *end])
    return f"error: a job of rule {rule} failed and said nothing: it may have been killed."
