"""Every command of the documentation does what it says, as it is written there."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ENVIRON, ROOT
from snakemake.cli import get_argument_parser
from test_documentation import TARGETS

from pipeline.__main__ import argument_parser, read_arguments
from pipeline.command import check_command

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", "Dockerfile")),
    ROOT / "environment.yml",
    *(ROOT / "data_manifest.yaml", *sorted((ROOT / "docs").glob("*.md"))),
    *sorted((ROOT / "config").glob("*.yaml")),
    *sorted((ROOT / "profiles").glob("*/*.yaml")),
]
PROGRAMS = ("snakemake", "nsd-encoding", "python -m", "make", "pytest")
# values that stand for a user's own
OWN = {"…": "config/nsd.yaml", "<target>": "preflight", "$(CONFIG)": "config/demo.yaml"}

# a plugin that is not installed, and the analysis that docs/new_analysis.md adds
NOT_HERE = ("kubernetes", "explained_fraction")


def lines_of(page: Path) -> list[str]:
    """Lines of code blocks, what is set as code in the text, recipes, and comments of YAML."""
    text = re.sub(r"\\\n\s*", " ", page.read_text())
    inline = re.findall(
        r"`([^`\n]+(?:\n[^`\n]+)?)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    )
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    if page.suffix == ".md":
        lines = [line for block in blocks for line in block.splitlines()]
    else:
        lines = [line.lstrip("#\t ") for line in text.splitlines()]
    # comments end commands: in the shell by a number sign, in a YAML comment by a gap
    return [
        re.split(r"\s#|\s{3,}", line)[0]
        for line in (*lines, *(" ".join(i.split()) for i in inline))
    ]


def documented() -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for page in PAGES:
        for line in lines_of(page):
            line = re.sub(r"^(\w+=\S+ )+", "", line.strip())
            if line.startswith(tuple(f"{program} " for program in PROGRAMS)):
                for own, value in OWN.items():
                    line = line.replace(own, value)
                # a choice of targets is as many commands
                first, *others = line.split(" | ")
                head = first.rsplit(" ", 1)[0]
                for command in (first, *(f"{head} {other}" for other in others)):
                    found.setdefault(command, page.relative_to(ROOT).as_posix())
    return [(command, page) for command, page in found.items()]


COMMANDS = documented()


def of_program(program: str) -> list[pytest.param]:
    return [
        pytest.param(command, id=f"{page}: {command}")
        for command, page in COMMANDS
        if command.startswith(program) and not any(word in command for word in NOT_HERE)
    ]


def arguments(command: str):
    return get_argument_parser().parse_args(shlex.split(command)[1:])


def test_commands_are_found_on_every_kind_of_page():
    commands = [command for command, _ in COMMANDS]
    assert len(commands) > 50
    for command in (
        "snakemake --configfile config/nsd.yaml",
        "snakemake preflight --configfile config/nsd.yaml",
        "snakemake learning_curves",
        "snakemake --lint",
        "python -m pipeline show subj01 --configfile config/demo.yaml",
        "make demo",
    ):
        assert command in commands
    assert {"README.md", "Makefile", "docs/reruns.md", "data_manifest.yaml"} <= {
        page for _, page in COMMANDS
    }


@pytest.mark.parametrize("command", of_program("snakemake"))
def test_snakemake_takes_a_command_as_it_is_meant(command):
    given = arguments(command)
    assert set(given.targets) <= TARGETS | {"all"}
    for rule in given.forcerun or []:
        assert rule in TARGETS
    # what is there is a configuration, and no target was swallowed
    check_command(shlex.split(command.replace("--configfile config.yaml", ""))[1:])
    if given.workflow_profile not in (None, "none"):
        assert (ROOT / given.workflow_profile / "config.yaml").exists()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A checkout beside whose configurations NSD lies, as far as a dry run looks at it."""
    made = tmp_path_factory.mktemp("checkout")
    for path in ROOT.iterdir():
        if path.name not in ("data", "results", "logs", ".snakemake", ".git"):
            (made / path.name).symlink_to(path)
    design = made / "data/nsd/nsddata/experiments/nsd/nsd_expdesign.mat"
    design.parent.mkdir(parents=True)
    design.touch()
    return made


# what a dry run cannot show, or another machine is needed for
NOT_DRY = (
    "--lint",
    "--list-target-rules",
    "--unlock",
    "--report",
    "--sdm",
    "kubernetes",
    "/volume",
    "/opt",
    "-n",
    "--slurm",
)
DRY = [
    param
    for param in of_program("snakemake")
    if ("--" in param.values[0] or "-R" in param.values[0])
    and not any(word in param.values[0] for word in NOT_DRY)
]


def dry_run(argv: list[str], folder: Path) -> str:
    program = str(Path(sys.executable).parent / "snakemake")
    command = [program, *argv, "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=ENVIRON)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def targets_by_options() -> dict[tuple[str, ...], list[str]]:
    """Targets of the documented commands that have the same options: one dry run plans them all."""
    found: dict[tuple[str, ...], list[str]] = {}
    for param in DRY:
        words = shlex.split(param.values[0])[1:]
        targets = arguments(param.values[0]).targets
        options = tuple(word for word in words if word not in targets)
        found.setdefault(options, []).extend(targets or ["all"])
    return found


@pytest.mark.workflow
@pytest.mark.parametrize(("options", "targets"), targets_by_options().items())
def test_documented_runs_can_be_planned(options, targets, folder):
    said = dry_run([*targets, *options], folder)
    jobs = {line.split()[0] for line in said.split("Job stats:")[1].splitlines() if line.split()}
    assert set(targets) <= jobs
    named = arguments(shlex.join(["snakemake", *options])).configfile
    study = Path(str(named[0])).stem if named else "demo"
    assert f"results/{study}/" in said


@pytest.mark.workflow
def test_all_targets_that_are_listed_can_be_planned_together(folder):
    targets = runpy.run_path(str(ROOT / "docs/site_pages.py"))["targets"]()
    assert len(targets) > 15
    dry_run(targets, folder)


@pytest.mark.parametrize("command", of_program("python -m pipeline "))
def test_arguments_of_a_pipeline_command_are_right(command):
    argument_parser().parse_args(shlex.split(command)[3:])


@pytest.mark.parametrize("command", of_program("nsd-encoding "))
def test_arguments_of_an_nsd_encoding_command_are_right(command):
    """Targets and options that `run` hands on are looked at by Snakemake's own parser."""
    given = read_arguments(shlex.split(command)[1:])
    assert set(get_argument_parser().parse_args(given.words).targets) <= TARGETS


@pytest.mark.parametrize("command", of_program("python -m benchmarks"))
def test_a_benchmark_has_what_is_asked_of_it(command, monkeypatch, capsys):
    module, *rest = shlex.split(command)[2:]
    assert find_spec(module)
    # one that takes no arguments would begin, whatever it is asked
    if not rest:
        return
    subcommand = [word for word in rest[:1] if not word.startswith("-")]
    monkeypatch.setattr(sys, "argv", [module, *subcommand, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(module, run_name="__main__")
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    for word in rest:
        assert not word.startswith("--") or word in printed


@pytest.mark.parametrize("command", of_program("make"))
def test_make_has_a_target(command):
    subprocess.run([*shlex.split(command), "--dry-run"], check=True, cwd=ROOT, capture_output=True)


@pytest.mark.parametrize("command", [*of_program("pytest"), *of_program("python -m pytest")])
def test_tests_that_are_named_are_there(command):
    for word in shlex.split(command):
        assert not word.startswith("tests/") or (ROOT / word).exists()
