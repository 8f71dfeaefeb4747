"""A real SLURM of one node on this machine: munged, slurmctld and slurmd on loopback, two GPUs.

It needs root and Debian's packages slurm-wlm and munge. Jobs are scheduled, limited in time,
cancelled and drained as on a cluster; memory is not enforced, as there are no cgroups.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
SETTINGS = Path("/etc/slurm")
# more than there are, so that several jobs run side by side
CPUS, MEMORY_MB, GPUS = 8, 64_000, 2
SECONDS_TO_START = 60

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={node_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
# no cgroups here: processes are followed by their parents
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
# finished jobs can be asked after for so long
MinJobAge=3600
MaxArraySize=1001
KillWait=2
InactiveLimit=0
MessageTimeout=60
# a limit of time is kept at once
OverTimeLimit=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=600 State=UP
PartitionName=gpu Nodes={host} MaxTime=600 State=UP
"""


def missing() -> list[str]:
    """What has to be installed before a cluster can start."""
    lacking = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    return lacking if os.geteuid() == 0 else ["the rights of root", *lacking]


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


class SlurmCluster:
    """Starts on entry, stops on exit."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.host = folder, socket.gethostname().split(".")[0]

    def __enter__(self) -> SlurmCluster:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in ("slurmd", "slurmctld", "munged"):
            file = self.folder / f"{name}.pid"
            if file.exists() and (pid := file.read_text().strip()):
                self._end(int(pid), name)
        for name in ("slurm.conf", "gres.conf"):
            if (SETTINGS / name).is_symlink() and not (SETTINGS / name).exists():
                (SETTINGS / name).unlink()
            elif (SETTINGS / name).resolve() == (self.folder / name).resolve():
                (SETTINGS / name).unlink(missing_ok=True)

    def ask(self, *command: str) -> str:
        """Output of a SLURM command."""
        done = subprocess.run(command, capture_output=True, text=True, env=self._environment)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def jobs(self, states: str = "all") -> list[tuple[str, str, str]]:
        """(id, comment, state) of the jobs in a state; the comment names rule and wildcards."""
        listed = self.ask("squeue", "-h", "-r", "-t", states, "-o", "%i|%k|%T")
        return [tuple(line.split("|")) for line in listed.splitlines()]

    @property
    def state(self) -> str:
        """State of the node: idle, mixed, drained, …"""
        return self.ask("sinfo", "-h", "-N", "-o", "%T").split()[0]

    def wait_until(self, condition: Callable[[], object], seconds: float, what: str) -> object:
        end = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > end:
                raise TimeoutError(f"{what} did not happen in {seconds} s; see {self.folder}/*.log")
            time.sleep(0.3)
        return found

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": _path()}

    def _start(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        ports = {"port": _free_port(), "node_port": _free_port()}
        sizes = {"cpus": CPUS, "memory": MEMORY_MB, "gpus": GPUS}
        text = CONFIGURATION.format(host=self.host, folder=self.folder, **ports, **sizes)
        (self.folder / "slurm.conf").write_text(text)
        devices = [self.folder / f"gpu{number}" for number in range(GPUS)]
        for device in devices:
            # SLURM counts devices: each is one like /dev/null
            subprocess.run(["mknod", "-m", "666", str(device), "c", "1", "3"], check=True)
        lines = [f"NodeName={self.host} Name=gpu File={device}\n" for device in devices]
        (self.folder / "gres.conf").write_text("".join(lines))
        # a job's own srun looks for them there, whatever the environment says
        SETTINGS.mkdir(exist_ok=True)
        for name in ("slurm.conf", "gres.conf"):
            (SETTINGS / name).unlink(missing_ok=True)
            (SETTINGS / name).symlink_to(self.folder / name)
        munge = [f"--{key}={self.folder}/{value}" for key, value in MUNGE.items()]
        for command in (["munged", "--force", *munge], ["slurmctld"], ["slurmd"]):
            subprocess.run(command, check=True, env=self._environment)
        self.wait_until(self._idle, SECONDS_TO_START, "the start of SLURM's node")

    def _idle(self) -> bool:
        try:
            return self.state == "idle"
        except RuntimeError:
            return False

    def _end(self, pid: int, name: str) -> None:
        command = Path(f"/proc/{pid}/comm")
        if not command.exists() or command.read_text().strip() != name:
            return
        os.kill(pid, signal.SIGTERM)
        for _ in range(100):
            if not command.exists():
                return
            time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)


MUNGE = {
    "socket": "munge.socket",
    "key-file": "munge.key",
    "pid-file": "munged.pid",
    "log-file": "munged.log",
    "seed-file": "munged.seed",
}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
