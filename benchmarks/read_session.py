"""Measure how fast a real-sized session is read and z-scored, against h5py reading the same voxels.

    python -m benchmarks.read_session [--folder FOLDER] [--voxels 15724 107000]

Writes a session of subj01's size (81 × 104 × 83 × 750, int16, one chunk per voxel: 1 GB) and prints
seconds (warm, best of three), bytes of betas per second, and the process's peak memory.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.spaces import VolumeSpace
from pipeline.nsd.zscores import zscore_within
from pipeline.simulation import files

SHAPE = (81, 104, 83)
SUBJECT, SPACE, BETAS = "subj01", "func1pt8mm", "betas_fithrf_GLMdenoise_RR"
REPEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    parser.add_argument("--voxels", type=int, nargs="+", default=[15_724, 107_000])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        layout = NSDLayout(Path(folder))
        path = write_session(layout)
        sequential = best_of(lambda: read_bytes(path))
        size = path.stat().st_size
        print(f"file {size / 1e9:.2f} GB, read in sequence {size / sequential / 1e6:.0f} MB/s")
        for n_voxels in arguments.voxels:
            report(layout, path, cortex(n_voxels))


def write_session(layout: NSDLayout) -> Path:
    """One session of noise, and a mask that says every voxel is valid."""
    path = layout.betas(SUBJECT, SPACE, BETAS, 1)
    path.parent.mkdir(parents=True)
    generator = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("betas", (750, *SHAPE[::-1]), "<i2", chunks=(750, 1, 1, 1))
        for z in range(SHAPE[2]):
            data[:, z] = generator.integers(-900, 900, (750, *SHAPE[1::-1]), dtype=np.int16)
    # the mask gives the space its frame
    for file in (layout.valid_session(SUBJECT, SPACE, 1), layout.roi(SUBJECT, SPACE, "nsdgeneral")):
        files.write_nifti(file, np.ones(SHAPE, np.int16), files.VOXEL_SIZE[SPACE])
    return path


def cortex(n_voxels: int) -> np.ndarray:
    """Voxels of a shell, posterior ones first: runs as long as in a real mask."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    radius = np.sqrt(x**2 + y**2 + z**2)
    shell = np.flatnonzero((radius > 0.62) & (radius < 0.97))
    order = np.argsort(y.ravel()[shell], kind="stable")
    return np.sort(shell[order[:n_voxels]])


def report(layout: NSDLayout, path: Path, voxel: np.ndarray) -> None:
    space = VolumeSpace.open(layout, SUBJECT, SPACE, BETAS)

    def pipeline() -> None:
        betas = space.read_session(1, voxel)
        zscore_within(betas, np.ones(len(betas)))

    plain, ours = best_of(lambda: read_plainly(path, voxel)), best_of(pipeline)
    n_bytes = 750 * 2 * len(voxel)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{len(voxel):7} voxels: h5py {plain:.2f} s ({n_bytes / plain / 1e6:.0f} MB/s), "
        f"read_session and z-score {ours:.2f} s ({n_bytes / ours / 1e6:.0f} MB/s), "
        f"ratio {ours / plain:.2f}, peak memory {peak:.2f} GB"
    )


def read_plainly(path: Path, voxel: np.ndarray) -> None:
    """One voxel after another, in the order in which they lie in the file."""
    x, y, z = np.unravel_index(voxel, SHAPE)
    with h5py.File(path) as file:
        data = file["betas"]
        values = np.empty((750, len(voxel)), np.int16)
        for column in np.lexsort((x, y, z)):
            values[:, column] = data[:, z[column], y[column], x[column]]


def read_bytes(path: Path) -> None:
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def best_of(function: Callable[[], None]) -> float:
    """Seconds of the fastest of three calls, after one that warms the caches."""
    function()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()
