"""What clusters do: kills at random times, full disks, read-only folders, clocks, two at once."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ENVIRON, ROOT, rewrite
from faults import Faults, data_files, stages_of
from runs import run_file

from pipeline.jobs.frozen_run import read_run
from pipeline.results.audit import audit_files
from pipeline.results.storage import read_result

pytestmark = pytest.mark.robustness

KILLS, SECONDS = 5, 10.0


# ---- kills


def test_a_study_killed_five_times_loses_nothing_and_ends_with_the_same_bytes(branched):
    """The first kill meets a network of which one shard is finished and the other being written."""
    faults = Faults(branched, data_files(branched), seed=1)
    shards = branched.results / "features/layers/alexnet"
    # small files, that are equal again afterwards, rerun nothing else
    deleted = [
        *shards.glob("*.h5"),
        *branched.results.glob("significance/subj03/all/*.h5"),
        *branched.results.glob("partitions/*/all/*.h5"),
        *branched.results.glob("rois/*.tsv"),
    ]
    n_parts = len(list(shards.glob("*.h5")))
    (store,) = branched.results.parent.glob("features/tiny/alexnet-*")
    for path in [*deleted, *store.iterdir()]:
        path.unlink()
    requested = [str(path.relative_to(branched.directory)) for path in deleted]

    def recorded() -> list[Path]:
        """Shards whose jobs have ended for Snakemake, a second after the files are there."""
        marks = branched.directory / ".snakemake/incomplete"
        names = {base64.urlsafe_b64decode(mark.name).decode() for mark in marks.iterdir()}
        found = {str(path.relative_to(branched.directory)): path for path in shards.glob("*.h5")}
        return [path for name, path in found.items() if name not in names]

    def half_way(_: float) -> bool:
        finished = len(list(store.glob("tiny-*.h5")))
        return bool(recorded()) and finished < n_parts and any(store.glob(".*.h5"))

    assert faults.kill(half_way, "workflow", *requested[:n_parts])
    (shard,) = recorded()
    made = shard.stat().st_mtime_ns
    while len(faults.kills) < KILLS:
        assert faults.kill_at_random(2.0, *requested)
    assert [kill.half for kill in faults.kills] == [()] * KILLS
    branched.snakemake(*requested)
    assert faults.lost() == []
    assert shard.stat().st_mtime_ns == made


@pytest.mark.skipif(
    "KILLS" not in os.environ, reason="NOT TRIED: many kills, which `make soak` does"
)
def test_a_study_killed_again_and_again_from_its_beginning_loses_nothing(branched):
    """Shown by `pytest -s`: what each kill met."""
    faults, finished, seconds = Faults(branched, data_files(branched), seed=0), 0, SECONDS
    shutil.rmtree(branched.results)
    end = time.monotonic() + 60 * float(os.environ["MINUTES"])
    while len(faults.kills) < int(os.environ["KILLS"]) and time.monotonic() < end:
        if faults.kill_at_random(seconds):
            kill = faults.kills[-1]
            print(f"{len(faults.kills)}: {kill}")
            # where no job came to its end, the next have longer
            seconds = SECONDS if kill.finished > finished else 2 * seconds
            finished = kill.finished
        else:
            assert faults.lost() == []
            shutil.rmtree(branched.results)
    branched.snakemake()
    assert faults.lost() == []
    assert not any(kill.half for kill in faults.kills)


# ---- a disk that is full, a folder that is read-only

WRITERS = {
    "result.h5": "write_result(path, {'x': ('row', np.zeros(100_000))}, {})",
    "streamed.h5": "stream(path, noise.astype(np.float32).reshape(100, 1000))",
    "table.tsv": "write_table(path, pd.DataFrame({'x': np.arange(20_000)}), {'x': ''}, {})",
    "account.json": "write_metadata(path, {'x': list(range(20_000))})",
    "page.html": "write_text(path, 'x' * 100_000)",
    "map.nii.gz": "write_map(path, nibabel.Nifti1Image(noise.reshape(50, 40, 50), np.eye(4)), {})",
    "map.func.gii": "write_map(path, gifti(noise), {})",
    "voxels.parquet": "write_parquet(path, noise)",
    "figure.svg": "save_figure(plot(noise[:9000]), path.with_suffix(''))",
}
PROGRAM = """
import json, os, resource, sys
from pathlib import Path
import matplotlib.pyplot as plt
import nibabel, numpy as np, pandas as pd
from pipeline.errors import run_stage
from pipeline.figures.style import save_figure
from pipeline.maps.files import map_images, write_map
from pipeline.results.metadata import write_metadata, write_text
from pipeline.results.storage import create_result, write_result
from pipeline.results.tables import write_table
from pipeline.tables.voxels import parquet_writer

noise = np.random.default_rng(0).normal(size=100_000)
def gifti(values):
    return map_images(values, np.arange(len(values)), {"grid_shape": np.array([len(values), 0])})[0]
def stream(path, values):
    # as a fit does: what is cached is written when the array is closed
    with create_result(path, {}) as file:
        array = file.add("x", ("row", "column"), shape=values.shape, dtype=values.dtype)
        array[:] = values
        del array
def write_parquet(path, values):
    with parquet_writer(path, {}) as append:
        append(pd.DataFrame({"r": values}))
def plot(values):
    figure, axis = plt.subplots()
    axis.plot(values)
    return figure
def full_disk():
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
def somebody_else():
    if os.getuid() == 0:
        os.setgroups([]), os.setgid(65534), os.setuid(65534)

folder, fault, writers = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
done = {}
for name, writer in writers.items():
    # a process for each, with what is imported above
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.dup2(writing, 2), os.close(writing)
        path = folder / name
        globals()[fault]()
        run_stage(lambda: eval(writer))
        os._exit(0)
    os.close(writing)
    said = os.fdopen(reading).read()
    done[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said
print(json.dumps(done))
"""


def written(folder, fault):
    """{file: (exit code, what was said)} of everything that writes, under a fault."""
    for name in WRITERS:
        (folder / name).write_text("former")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), fault, json.dumps(WRITERS)],
        capture_output=True,
        text=True,
        env={**ENVIRON, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert {path.name: path.read_text() for path in folder.iterdir()} == dict.fromkeys(
        WRITERS, "former"
    )
    return json.loads(done.stdout)


def test_a_full_disk_is_reported_in_words_and_the_former_files_are_kept(tmp_path):
    for name, (code, said) in written(tmp_path, "full_disk").items():
        assert code == 1, (name, said)
        assert "error: the disk is full, or a quota or file size limit is reached" in said, name
        assert str(tmp_path / name).removesuffix(".svg") in said, (name, said)
        assert "Traceback" not in said.split("error: ")[-1], name


@pytest.fixture
def read_only(tmp_path):
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


def test_a_read_only_folder_is_reported_in_words_and_the_former_files_are_kept(read_only):
    """A user who does not own it; root may write anywhere."""
    for name in WRITERS:
        (read_only / name).touch()
    read_only.chmod(0o555)
    for name, (code, said) in written(read_only, "somebody_else").items():
        assert code == 1, (name, said)
        assert f"error: {read_only}" in said, name
        assert "may not be read or written" in said, name
        assert "Traceback" not in said, name


@pytest.fixture
def disk(branched):
    """A small disk of their own for the study's results."""
    elsewhere = branched.directory / "elsewhere"
    branched.results.rename(elsewhere)
    branched.results.mkdir()
    disk = Disk(branched.results)
    # only root may mount, as CI does; single stages on a full or read-only disk are tried by anyone
    if disk.mount("-t", "tmpfs", "-o", "size=200m", "results").returncode:
        pytest.skip("NOT TRIED: full and read-only disks of a workflow, which only root may mount")
    shutil.copytree(elsewhere, branched.results, dirs_exist_ok=True)
    shutil.rmtree(elsewhere)
    yield disk
    subprocess.run(["umount", str(branched.results)], check=True)


@dataclass
class Disk:
    folder: Path

    def mount(self, *options: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["mount", *options, str(self.folder)], capture_output=True)

    def fill(self, free: int) -> Path:
        """Leave so many bytes free; what takes the others."""
        ballast = self.folder / "ballast"
        ballast.write_bytes(bytes(shutil.disk_usage(self.folder).free - free))
        return ballast


def test_a_workflow_on_a_full_disk_stops_in_words_and_goes_on_once_there_is_room(branched, disk):
    """Predictions, which tests read, take about 40 kB, and the tests 30."""
    before = data_files(branched)
    fit = "subj03/all/bert.h5"
    (branched.results / "significance" / fit).unlink()
    kept = data_files(branched)
    ballast = disk.fill(free=30_000)
    requested = f"results/tiny/significance/{fit}"
    done = branched.snakemake(requested, check=False)
    assert done.returncode != 0
    printed = [
        line for line in (done.stdout + done.stderr).splitlines() if "error: the disk" in line
    ]
    assert len(printed) == 1
    assert f"results/tiny/predictions/significance/{fit}" in printed[0] or requested in printed[0]
    ballast.unlink()
    # no file was added, nor a part of one
    assert data_files(branched) == kept
    branched.snakemake(requested)
    assert data_files(branched) == before


def test_a_workflow_on_a_read_only_disk_is_refused_before_a_job_starts(branched, disk):
    before = data_files(branched)
    path = branched.results / "significance/subj03/all/bert.h5"
    path.unlink()
    requested = str(path.relative_to(branched.directory))
    assert disk.mount("-o", "remount,ro").returncode == 0
    done = branched.snakemake(requested, check=False)
    assert done.returncode != 0
    assert "results/tiny: may not be written: it is read-only" in done.stdout + done.stderr
    assert "rule assess_significance:" not in done.stdout + done.stderr
    # looking is allowed
    assert branched.planned(requested) == {"predict_test_images": 1, "assess_significance": 1}
    assert disk.mount("-o", "remount,rw").returncode == 0
    branched.snakemake(requested)
    assert data_files(branched) == before


def test_complete_features_that_others_own_are_read_and_not_written(branched):
    store = branched.results.parent / "features"
    lost = "results/tiny/features/layers/bert/subj03_1of1.h5"
    (branched.directory / lost).unlink()
    before = data_files(branched)
    mounted = [
        subprocess.run(["mount", *options, str(store), str(store)], capture_output=True).returncode
        for options in (["--bind"], ["-o", "remount,bind,ro"])
    ]
    if any(mounted):
        pytest.skip("NOT TRIED: features on a read-only disk, which only root may mount")
    try:
        done = branched.snakemake(lost)
    finally:
        subprocess.run(["umount", str(store)], check=True)
    assert "rule extract_features:" in done.stdout + done.stderr
    after = data_files(branched)
    assert {name: after[name] for name in before} == before


# ---- clocks


@pytest.mark.parametrize("days", [-3650, 3650])
def test_a_clock_that_jumped_loses_nothing(branched, days):
    """Dates decide at most what is made once more: the same bytes again."""
    before = data_files(branched)
    path = branched.results / "significance/subj01/all/bert.h5"
    # a file of its own: dates are shared as contents are
    rewrite(path, path.read_bytes())
    moment = time.time() + days * 86400
    os.utime(path, (moment, moment))
    to_come = [
        reported
        for reported in audit_files(branched.results, read_run(run_file(branched.results)))
        if "a clock jumped" in reported
    ]
    assert [str(path) in reported for reported in to_come] == [True] * (days > 0)
    done = branched.snakemake(check=False)
    assert done.returncode == 0
    assert data_files(branched) == before


# ---- two at once


def test_a_second_workflow_in_one_folder_is_refused_and_the_first_goes_on(branched):
    before = data_files(branched)
    made = ["partitions", "--forcerun", "partition_variance"]
    first = subprocess.Popen(
        branched.command(*made), env=ENVIRON, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while first.poll() is None and not (jobs := stages_of(first.pid)):
        time.sleep(0.05)
    # the first takes its time
    for job in jobs:
        os.kill(job, signal.SIGSTOP)
    second = branched.snakemake(*made, check=False)
    for job in jobs:
        os.kill(job, signal.SIGCONT)
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout + second.stderr
    assert first.wait() == 0
    assert data_files(branched) == before
    assert branched.planned() == {}
    assert read_result(branched.results / "partitions/subj01/all/alexnet_vs_bert.h5")
