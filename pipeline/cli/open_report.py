"""The report of a study in the browser."""

from __future__ import annotations

import os
import socket
import sys
import webbrowser
from pathlib import Path

from pipeline.cli.names import not_made
from pipeline.configuration.reading import read_configuration
from pipeline.errors import InputError


def open_report(configfile: Path) -> None:
    """Open a study's report in the browser; where there is none, print where the report is.

    Raises
    ------
    InputError
        The report has not been made.
    """
    study = read_configuration(configfile)
    report = (Path("results") / study.study / "report/index.html").resolve()
    if not report.exists():
        raise InputError(not_made(report, configfile))
    if _has_browser() and webbrowser.open(report.as_uri()):
        print(f"opened {report}")
        return
    print(
        f"{report}\nThere is no browser here. Copy the folder to your own computer, and open "
        f"index.html there: scp -r {socket.gethostname()}:{report.parent} report"
    )


def _has_browser() -> bool:
    """Test whether a window would appear in front of the user: not on a server or over SSH."""
    if os.environ.get("BROWSER"):
        return True
    if os.environ.get("SSH_CONNECTION"):
        return False
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
