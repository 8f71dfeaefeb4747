"""The memory of this machine."""

from __future__ import annotations

import os
from pathlib import Path


def machine_memory(root: Path = Path("/")) -> int:
    """Bytes that jobs can have here: all of the machine's, or what its container or allocation may.

    Parameters
    ----------
    root : where `proc` and `sys` are
    """
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [path.read_text().strip() for path in _limits(root) if path.is_file()]
    # without a limit: `max`, or a number beyond any machine
    return min([installed, *(int(limit) for limit in limits if limit.isdigit())])


def _limits(root: Path) -> list[Path]:
    """Files that may limit this process, of its control group and of those around it."""
    groups, files = root / "proc/self/cgroup", []
    for line in groups.read_text().splitlines() if groups.is_file() else []:
        inside = Path(line.split(":", 2)[2].lstrip("/"))
        for group in (inside, *inside.parents):
            files.append(root / "sys/fs/cgroup" / group / "memory.max")
            files.append(root / "sys/fs/cgroup/memory" / group / "memory.limit_in_bytes")
    return files
