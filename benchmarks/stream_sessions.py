"""Measure memory and speed of averaging by the number of sessions that are streamed.

    python -m benchmarks.stream_sessions [--folder FOLDER] [--sessions 40] [--voxels 15724]

One session of subj01's size stands for all: its file is linked under the names of the others.
Prints seconds per session and the process's peak memory after 1, 5, 10, … sessions. With
`--voxels 107000` the voxels go in blocks, as in a study of the whole cortex.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.read_session import BETAS, SPACE, SUBJECT, cortex, write_session
from pipeline.dataset.repeats import average_repeats
from pipeline.fits.voxel_chunks import voxel_blocks
from pipeline.nsd.design import Design
from pipeline.nsd.layout import TRIALS_PER_SESSION, NSDLayout
from pipeline.nsd.sessions import SessionReader
from pipeline.nsd.spaces import VolumeSpace

REPEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    parser.add_argument("--sessions", type=int, default=40)
    parser.add_argument("--voxels", type=int, default=15_724)
    arguments = parser.parse_args()
    design, voxel = random_design(arguments.sessions), cortex(arguments.voxels)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        layout = NSDLayout(Path(folder))
        link_sessions(layout, arguments.sessions)
        space = VolumeSpace.open(layout, SUBJECT, SPACE, BETAS)
        reader = SessionReader(space, design)
        blocks = voxel_blocks(voxel, len(design.images))
        for number, block in enumerate(blocks, start=1):
            print(f"block {number} of {len(blocks)}: {len(block)} voxels, {peak():.2f} GB before")
            average_repeats(reported(reader.sessions(block)), design.images, len(block))


def random_design(n_sessions: int) -> Design:
    """Every image three times, in random order."""
    n_trials = n_sessions * TRIALS_PER_SESSION
    images = np.random.default_rng(0).permutation(
        np.repeat(np.arange(n_trials // REPEATS), REPEATS)
    )
    session = np.arange(n_trials) // TRIALS_PER_SESSION + 1
    return Design(SUBJECT, images, session, session, np.arange(0))


def link_sessions(layout: NSDLayout, n_sessions: int) -> None:
    first = write_session(layout)
    for session in range(2, n_sessions + 1):
        os.link(first, layout.betas(SUBJECT, SPACE, BETAS, session))
        mask = layout.valid_session(SUBJECT, SPACE, 1)
        os.link(mask, layout.valid_session(SUBJECT, SPACE, session))


def reported(
    sessions: Iterator[tuple[np.ndarray, np.ndarray]],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the sessions, and print seconds and peak memory now and then."""
    start = time.perf_counter()
    for number, session in enumerate(sessions, start=1):
        yield session
        if number in (1, 5) or number % 10 == 0:
            seconds = (time.perf_counter() - start) / number
            print(f"{number:4} sessions: {seconds:.2f} s per session, peak memory {peak():.2f} GB")


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
