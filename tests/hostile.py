"""Readers of everything that comes from outside, and a process apart that lets them read.

A reader that crashes, hangs or takes all memory ends its process, not the tests.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

SUBJECT, SPACE, BETAS = "subj01", "func1pt8mm", "betas_fithrf_GLMdenoise_RR"
SURFACE_SPACE = "fsaverage"
SECONDS = 20
# beyond what the process has when it starts
MOST_BYTES = 1 << 30


def readers() -> dict[str, Callable[[Path, Path], Any]]:
    """{kind of file: what reads it, given the folder it lies in and its path}."""
    from pipeline.configuration import read_configuration
    from pipeline.fetch.lock import Lock
    from pipeline.manifest import read_manifest
    from pipeline.maps.files import read_map
    from pipeline.nsd.coco import read_captions
    from pipeline.nsd.design import read_design, read_image_table
    from pipeline.nsd.files import read_mesh, read_morphometry
    from pipeline.nsd.instances import read_instances
    from pipeline.nsd.layout import NSDLayout
    from pipeline.nsd.rois import read_colour_table
    from pipeline.nsd.spaces import open_space
    from pipeline.nsd.stimuli import read_images
    from pipeline.nsd.transforms import mni_points, nearest_native_vertices, surface_points
    from pipeline.seals import read_account
    from pipeline.simulation.photographs import _read_square
    from pipeline.storage import read_result, read_table

    def space(tree: Path, name: str = SPACE) -> Any:
        return open_space(NSDLayout(tree), SUBJECT, name, BETAS)

    def session(tree: Path, name: str = SPACE) -> Any:
        own = space(tree, name)
        return own.read_session(1, np.arange(0, own.n_voxels, 7))

    def images(tree: Path, _: Path) -> Any:
        return next(read_images(NSDLayout(tree), np.array([0, 2, 5]), 3))

    def of_images(read: Callable[..., Any]) -> Callable[[Path, Path], Any]:
        def reader(tree: Path, _: Path) -> Any:
            return read(NSDLayout(tree), read_image_table(NSDLayout(tree)).index.to_numpy()[:60])

        return reader

    return {
        "betas": lambda tree, _: session(tree),
        "betas of a surface": lambda tree, _: session(tree, SURFACE_SPACE),
        "grid": lambda tree, _: space(tree).shape,
        "labels": lambda tree, _: space(tree).read_labels("prf-visualrois", "lh"),
        "labels of a surface": lambda tree, _: space(tree, SURFACE_SPACE).read_labels("nsdgeneral"),
        "ncsnr": lambda tree, _: space(tree).read_ncsnr(),
        "stimuli": images,
        "design": lambda tree, _: asdict(read_design(NSDLayout(tree), SUBJECT)),
        "captions": of_images(read_captions),
        "instances": of_images(read_instances),
        "colour table": lambda tree, _: read_colour_table(
            NSDLayout(tree), SUBJECT, "prf-visualrois"
        ),
        "mesh": lambda _, path: read_mesh(path, 500),
        "morphometry": lambda _, path: read_morphometry(path, 500),
        "places in the volume": lambda tree, _: surface_points(
            NSDLayout(tree), SUBJECT, SPACE, "lh"
        ),
        "nearest vertices": lambda tree, _: nearest_native_vertices(
            NSDLayout(tree), SUBJECT, "lh", space(tree, "nativesurface").shape[0]
        ),
        "places of the template": lambda tree, _: mni_points(NSDLayout(tree), SUBJECT, SPACE),
        "photograph": lambda _, path: _read_square(path),
        "configuration": lambda _, path: read_configuration(path).model_dump(mode="json"),
        "manifest": lambda _, path: read_manifest(path).model_dump(mode="json"),
        "lock": lambda tree, _: vars(Lock(tree))["_files"],
        "result": lambda _, path: read_result(path).arrays,
        "table": lambda _, path: read_table(path),
        "account": lambda _, path: read_account(path),
        "map": lambda _, path: read_map(path),
    }


def digest(value: Any) -> str:
    """The same for the same values."""
    if isinstance(value, dict):
        return digest([digest([str(key), item]) for key, item in sorted(value.items(), key=str)])
    if isinstance(value, list | tuple):
        return digest(" ".join(digest(item) for item in value))
    if hasattr(value, "to_csv"):
        value = value.to_csv()
    content = value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
    return hashlib.sha256(content).hexdigest()


# ---- the process apart


@dataclass(frozen=True)
class Outcome:
    """What became of a file: read (then what was read), refused, failed or died (then why)."""

    what: str
    told: str


class Worker:
    """A process that reads one file after the other, and is started anew when it dies."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def read(self, kind: str, tree: Path, path: Path) -> Outcome:
        if self.process is None or self.process.poll() is not None:
            self._start()
        try:
            self.process.stdin.write(json.dumps([kind, str(tree), str(path)]) + "\n")
            self.process.stdin.flush()
            ready, _, _ = select.select([self.process.stdout], [], [], SECONDS)
            if not ready:
                self.stop()
                return Outcome("died", f"no answer within {SECONDS} s")
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            return Outcome("died", f"signal or exit {self.process.wait()}")
        return Outcome(*json.loads(answer))

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        assert self.process.stdout.readline() == "ready\n"

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


def _serve() -> None:
    from pipeline.errors import InputError

    known = readers()
    # answers leave by a way that no library prints to
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MOST_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        kind, tree, path = json.loads(line)
        try:
            outcome = "read", digest(known[kind](Path(tree), Path(path)))
        except InputError as error:
            outcome = "refused", str(error)
        except BaseException as error:
            outcome = "failed", _where(error)
        print(json.dumps(outcome), file=answers, flush=True)


def _where(error: BaseException) -> str:
    trace, lines = error.__traceback__, []
    while trace is not None:
        lines.append(f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(error).__name__}: {error} ({' '.join(lines[-6:])})"


if __name__ == "__main__":
    _serve()
