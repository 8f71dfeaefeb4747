"""The line that a run shows when a job ends: jobs done and running, and the time left."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent

from pipeline.jobs.job_list import ListedJob, last_run
from pipeline.jobs.remaining_time import seconds_left
from pipeline.status import summary

# all files of the run's jobs are looked at each time
SECONDS_BETWEEN = 10


class ProgressLine(logging.Filter):
    """A filter of Snakemake's log that adds running jobs and the time left to its progress."""

    def __init__(self, results: Path, estimate: Callable[[ListedJob], float]) -> None:
        super().__init__()
        self._results, self._estimate, self._shown = results, estimate, float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is shown: always; that of progress is written anew."""
        now = time.monotonic()
        if (
            getattr(record, "event", None) == LogEvent.PROGRESS
            and now - self._shown >= SECONDS_BETWEEN
        ):
            self._shown, run = now, last_run(self._results)
            left = seconds_left(run, self._estimate)
            # by its event Snakemake would write its own words, and not the message
            record.event = LogEvent.RESOURCES_INFO
            record.msg = (
                f"{record.done} of {record.total} steps ({record.done / record.total:.0%}) done; "
                f"of the study: {summary(run, left)}"
            )
        return True
