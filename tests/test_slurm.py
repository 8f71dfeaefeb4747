"""The workflow on a real SLURM, whose scheduler and users do to it what they do on clusters."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from conftest import ENVIRON, ROOT, Study, assert_same_arrays, branch
from slurm_cluster import SlurmCluster, missing

from pipeline.results.storage import read_result

pytestmark = pytest.mark.slurm
# pip cannot install a scheduler; CI does, by apt-get
if lacking := missing():
    message = (
        f"NOT TESTED: SLURM needs {', '.join(lacking)}; apt-get install slurm-wlm munge, as root"
    )
    pytest.skip(message, allow_module_level=True)

PARTITIONS = {
    "cpu": {"max_runtime": 600, "max_mem_mb": 60_000, "max_cpus_per_task": 8},
    "gpu": {"max_runtime": 600, "max_mem_mb": 60_000, "max_cpus_per_task": 8, "max_gpu": 2},
}
# seconds in which a job of the small study starts, on a busy machine
PATIENCE = 600
FIT = "fit_encoding_models"
TARGETS = [f"results/tiny/significance/subj03/all/{fit}.h5" for fit in ("bert", "alexnet_vs_bert")]


@dataclass
class Events:
    """What happened to the run."""

    gpu_job: str = ""
    while_drained: set[str] = field(default_factory=set)
    states: dict[str, list[str]] = field(default_factory=dict)
    limits: dict[str, list[str]] = field(default_factory=dict)
    log: str = ""


class ClusterStudy(Study):
    """A study that is run through SLURM's executor, with the profile that users have."""

    def command(self, *arguments: str) -> list[str]:
        partitions = self.directory / "partitions.yaml"
        partitions.write_text(yaml.safe_dump({"partitions": PARTITIONS}))
        local = super().command()
        cores = local.index("--cores")
        return [
            *(*local[:cores], *local[cores + 2 :]),
            *("--workflow-profile", str(ROOT / "profiles/slurm")),
            *("--slurm-partition-config", str(partitions), "--latency-wait", "10"),
            *arguments,
            *("--slurm-init-seconds-before-status-checks", "5"),
            *("--slurm-array-jobs", "extract_features"),
            *("--set-resources", f"{FIT}:runtime=attempt", f"{FIT}:mem_mb=2000"),
        ]

    def start(self) -> subprocess.Popen[bytes]:
        """The workflow in the background; its words go to run.log."""
        with (self.directory / "run.log").open("ab") as log:
            return subprocess.Popen(
                self.command(*TARGETS), env=ENVIRON, stdout=log, stderr=log, start_new_session=True
            )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[SlurmCluster]:
    cluster = SlurmCluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.__enter__()
    except (OSError, subprocess.CalledProcessError) as error:
        # of this machine, not of the workflow
        pytest.skip(f"NOT TESTED: SLURM does not start here: {error}")
    yield cluster
    cluster.__exit__()


@pytest.fixture(scope="module")
def cluster_study(study, tmp_path_factory) -> ClusterStudy:
    """The small study, of which a network's features and what follows from them are gone."""
    directory = tmp_path_factory.mktemp("cluster") / "study"
    begun = ClusterStudy(**vars(branch(study, directory, "cluster.yaml")))
    shutil.rmtree(begun.results / "features/layers/bert")
    for path in begun.results.glob("features/*/bert.h5"):
        path.unlink()
    for folder in ("encoding", "significance"):
        for path in (begun.results / folder).rglob("*bert*.h5"):
            path.unlink()
    return begun


def running(cluster: SlurmCluster, rule: str) -> str | None:
    """Id of a job of the rule that runs."""
    found = [job for job, comment, _ in cluster.jobs("running") if rule in comment]
    return found[0] if found else None


def processes_of(module: str, directory: Path) -> list[int]:
    """Processes of a job of the study there: the stage and the snakemake that started it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            elsewhere = Path(os.readlink(folder / "cwd")) != directory.resolve()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has ended, or belongs to another user
            continue
        if elsewhere:
            continue
        if f"-m {module}" in command and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def stop(stage: str, directory: Path) -> bool:
    """Stop the processes of a job; whether one of them was still there to be stopped."""
    stopped = []
    for process in processes_of(f"pipeline.stages.{stage}", directory):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGSTOP)
            stopped.append(process)
    return bool(stopped)


def described(cluster: SlurmCluster, job: str) -> dict[str, str]:
    fields = cluster.ask("scontrol", "show", "job", job).split()
    return dict(field.split("=", 1) for field in fields if "=" in field)


def limits_of(cluster: SlurmCluster, rule: str) -> list[str]:
    """Time limits of the rule's jobs, in any state."""
    found = [job for job, comment, _ in cluster.jobs() if rule in comment]
    return [described(cluster, job)["TimeLimit"] for job in found]


@pytest.fixture(scope="module")
def events(cluster, cluster_study) -> Events:
    """A run whose snakemake is killed; resumed, one job hangs past its time on a node that is
    drained meanwhile, and one is cancelled."""
    events = Events()
    run = cluster_study.start()

    def ended() -> bool:
        return run.poll() is not None

    def job_of(rule: str) -> str:
        found = cluster.wait_until(
            lambda: running(cluster, rule) or (ended() and "ended"), PATIENCE, f"a job of {rule}"
        )
        assert found != "ended", (cluster_study.directory / "run.log").read_text()[-5000:]
        return found

    events.gpu_job = cluster.ask("scontrol", "show", "job", job_of("extract_features"))
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    # what is in the queue of a killed workflow goes on, unless its user cancels it
    cluster.ask("scancel", "--state=PENDING", "--me")
    cluster.wait_until(lambda: not cluster.jobs("running,completing"), PATIENCE, "an empty queue")
    cluster_study.snakemake("--unlock")
    run = cluster_study.start()
    hanging = job_of(FIT)
    cluster.wait_until(lambda: stop(FIT, cluster_study.directory), PATIENCE, "a fit")
    node = f"NodeName={cluster.host}"
    cluster.ask("scontrol", "update", node, "State=DRAIN", "Reason=test")
    cluster.wait_until(
        lambda: described(cluster, hanging)["JobState"] == "TIMEOUT",
        PATIENCE,
        "the end of its time",
    )
    cluster.wait_until(lambda: cluster.state == "drained", PATIENCE, "a drained node")
    # by its limit: which jobs came meanwhile says nothing, as the attempt may be among them
    first_limit = described(cluster, hanging)["TimeLimit"]
    cluster.wait_until(
        lambda: ended() or any(limit != first_limit for limit in limits_of(cluster, FIT)),
        PATIENCE,
        "a second attempt",
    )
    events.while_drained = {state for _, _, state in cluster.jobs("running,completing")}
    cluster.ask("scontrol", "update", node, "State=RESUME")
    cluster.ask("scancel", job_of("assess_significance"))
    run.wait(timeout=PATIENCE)
    for job, comment, state in cluster.jobs():
        rule = comment.split("_wildcards")[0].removeprefix("rule_")
        events.states.setdefault(rule, []).append(state)
        events.limits.setdefault(rule, []).append(described(cluster, job)["TimeLimit"])
    # shown by `pytest -s`
    print(
        cluster.ask("squeue", "-r", "-t", "all", "-S", "i", "-o", "%.6i %.10P %.10T %.6M %.6l %k")
    )
    events.log = (cluster_study.directory / "run.log").read_text()
    assert run.returncode == 0, events.log[-5000:]
    return events


def test_the_study_ends_as_it_does_without_a_cluster(events, cluster_study, study):
    for target in TARGETS:
        found, alone = (read_result(s.directory / target) for s in (cluster_study, study))
        # jobs have other numbers of threads there
        assert_same_arrays(found, alone)
    assert cluster_study.planned(*TARGETS) == {}


def test_a_network_runs_on_one_gpu_in_the_gpu_partition(events):
    assert "Partition=gpu" in events.gpu_job
    assert "gres:gpu:1" in events.gpu_job or "gres/gpu=1" in events.gpu_job


def test_jobs_that_are_ready_together_are_one_submission(events):
    assert "array" in events.log.lower()


def test_a_job_that_hangs_is_stopped_at_its_limit_and_tried_again_with_more_time(events):
    assert "TIMEOUT" in events.states[FIT]
    assert "COMPLETED" in events.states[FIT]
    assert len(set(events.limits[FIT])) > 1


def test_no_job_fails_but_by_what_is_done_to_it(events):
    assert "FAILED" not in {state for states in events.states.values() for state in states}


def test_a_cancelled_job_is_tried_again(events):
    states = events.states["assess_significance"]
    assert "CANCELLED" in states
    assert "COMPLETED" in states


def test_nothing_starts_on_a_node_that_is_drained_and_nothing_is_lost(events):
    assert events.while_drained == set()
