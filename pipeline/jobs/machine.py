"""The memory and the GPUs of this machine."""

from __future__ import annotations

import os
from pathlib import Path


def machine_memory(root: Path = Path("/")) -> int:
    """Return the bytes available to jobs: all, or the limit of the container or allocation.

    Parameters
    ----------
    root : folder that contains `proc` and `sys`
    """
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [path.read_text().strip() for path in _limits(root) if path.is_file()]
    # without a limit the file says `max`, or a number larger than any memory
    return min([installed, *(int(limit) for limit in limits if limit.isdigit())])


def machine_gpus(root: Path = Path("/")) -> int:
    """Return the number of GPUs, without importing torch, which takes seconds.

    Parameters
    ----------
    root : folder that contains `dev`
    """
    names = ("nvidia[0-9]*", "kfd", "dxg")  # NVIDIA's, AMD's and Windows's
    return sum(1 for name in names for _ in (root / "dev").glob(name))


def _limits(root: Path) -> list[Path]:
    """List the files with memory limits of this process's control group and its parents."""
    groups, files = root / "proc/self/cgroup", []
    for line in groups.read_text().splitlines() if groups.is_file() else []:
        inside = Path(line.split(":", 2)[2].lstrip("/"))
        for group in (inside, *inside.parents):
            files.append(root / "sys/fs/cgroup" / group / "memory.max")
            files.append(root / "sys/fs/cgroup/memory" / group / "memory.limit_in_bytes")
    return files
