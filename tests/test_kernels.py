"""The engine's numbers with the matrix products of other processors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

pytestmark = pytest.mark.robustness

SECOND_KERNEL = "Haswell"
TESTS = Path(__file__).parent


# it starts the second run, which would start another
@pytest.mark.skipif("NSD_SECOND_KERNEL" in os.environ, reason="this is the second run")
def test_the_engine_holds_with_kernels_of_avx2_processors():
    """What is marked `kernels`, in a process whose OpenBLAS takes every processor for a Haswell."""
    environment = os.environ | {"OPENBLAS_CORETYPE": SECOND_KERNEL, "NSD_SECOND_KERNEL": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-m", "kernels", "-p", "no:cacheprovider"]
    # to collect all tests would take longer than most of these
    marked = [str(path) for path in TESTS.glob("test_*.py") if "mark.kernels" in path.read_text()]
    assert len(marked) > 2
    done = subprocess.run(
        [*command, *marked], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:]


# the first run takes the kernel of its processor, whichever that is
@pytest.mark.kernels
@pytest.mark.skipif("NSD_SECOND_KERNEL" not in os.environ, reason="for the second run alone")
def test_the_second_run_uses_the_second_kernel():
    used = {pool["architecture"] for pool in threadpool_info() if pool.get("architecture")}
    assert SECOND_KERNEL in used
