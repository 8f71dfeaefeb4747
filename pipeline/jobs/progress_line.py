"""The line that a run displays when a job ends: jobs done and running, and remaining time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent

from pipeline.jobs.job_list import ListedJob, last_run
from pipeline.jobs.remaining_time import seconds_left
from pipeline.status import summary

# each line tests the files of all jobs of the run
SECONDS_BETWEEN = 10


class ProgressLine(logging.Filter):
    """A filter of Snakemake's log that adds running jobs and remaining time to its progress."""

    def __init__(self, results: Path, estimate: Callable[[ListedJob], float]) -> None:
        super().__init__()
        self._results, self._estimate, self._shown = results, estimate, float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the text of a record of progress; return True, as every record is displayed."""
        now = time.monotonic()
        if (
            getattr(record, "event", None) == LogEvent.PROGRESS
            and now - self._shown >= SECONDS_BETWEEN
        ):
            self._shown, run = now, last_run(self._results)
            left = seconds_left(run, self._estimate)
            # for a record of progress, Snakemake would display its own text
            record.event = LogEvent.RESOURCES_INFO
            done, total = vars(record)["done"], vars(record)["total"]
            record.msg = (
                f"{done} of {total} steps ({done / total:.0%}) done; "
                f"of the study: {summary(run, left)}"
            )
        return True


class BriefOutput(logging.Filter):
    """A filter, after that of the line, that leaves the line, warnings and errors."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is displayed."""
        # Snakemake's own progress, which other jobs' ends show, has the same fields
        fields = vars(record)
        is_line = "total" in fields and fields["event"] != LogEvent.PROGRESS
        is_end = "total" in fields and fields["done"] == fields["total"]
        return is_line or is_end or record.levelno >= logging.WARNING
