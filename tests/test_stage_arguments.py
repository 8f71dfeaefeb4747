"""A stage is declared once: its rule's command, its settings and its reading agree."""

from __future__ import annotations

import importlib
import shlex
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import pytest
from runs import frozen

from pipeline.jobs import stage_arguments as given
from pipeline.jobs.code_version import stage_modules
from pipeline.jobs.frozen_run import RUN

# those that users call have options of their own
STAGES = sorted(set(stage_modules()) - {"fetch", "preflight"})


class Arguments(given.StageArguments):
    """One argument of each kind."""

    nsd: given.NsdFolder
    encoding: given.InputFiles
    split: given.OptionalInput
    subject: given.Wildcard
    spaces: Annotated[list[str], given.Setting("fits.{variant}")]
    settings: Annotated[dict[str, Any], given.Setting()]
    out: given.OutputFile
    memory_mb: given.SolverMemory
    simulated: given.Switch = False


COMMAND = (
    "python -m mine --nsd {params.nsd:q} --encoding {input.encoding:q}"
    " --split {input.split:q} --subject {wildcards.subject} --spaces {params.spaces.key}"
    " --settings {params.settings.key} --out {output:q} --memory-mb {resources.solver_mb}"
    " --simulated {params.simulated} 2>&1 | tee {log:q}"
)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A stage in a file that cannot be imported, as this class declares it."""
    lines = Path(__file__).read_text().split("\nclass ")[1].split("\n\n\n")[0]
    (tmp_path / "mine.py").write_text(f"raise ImportError\n\nclass {lines}\n")
    monkeypatch.setattr(given, "ROOT", tmp_path)
    monkeypatch.setattr(given, "stage_modules", lambda: {"mine": "mine"})
    given._declared.cache_clear()
    yield
    given._declared.cache_clear()


def test_a_command_has_every_argument_from_where_it_is(mine):
    assert given.command("mine") == COMMAND
    assert given.declared_settings("mine") == {"spaces": "fits.{variant}"}
    assert given.reads_nsd("mine")


def read(monkeypatch, tmp_path, words: str) -> Arguments:
    run = frozen(tmp_path, fits={"all": ["clip", "bert"]}, mine={"draws": 3})
    monkeypatch.setenv(RUN, run[RUN])
    monkeypatch.setattr("sys.argv", ["mine", *shlex.split(words)])
    return Arguments.read()


NEEDED = "--nsd data/nsd --subject subj01 --spaces fits.all --settings mine --memory-mb 800"


def test_arguments_are_read_as_they_are_declared(monkeypatch, tmp_path):
    words = f"{NEEDED} --encoding a.h5 'b c.h5' --split s.tsv --out o.h5 --simulated True"
    assert read(monkeypatch, tmp_path, words) == Arguments(
        nsd=Path("data/nsd"),
        encoding=[Path("a.h5"), Path("b c.h5")],
        split=Path("s.tsv"),
        subject="subj01",
        spaces=["clip", "bert"],
        settings={"draws": 3},
        out=Path("o.h5"),
        memory_mb=800.0,
        simulated=True,
    )


def test_what_a_rule_does_not_have_is_none_or_empty(monkeypatch, tmp_path):
    found = read(monkeypatch, tmp_path, f"{NEEDED} --encoding --split --out o.h5")
    assert found.encoding == []
    assert found.split is None
    assert found.simulated is False


def test_an_argument_that_is_missing_is_reported(monkeypatch, tmp_path, capsys):
    with pytest.raises(SystemExit):
        read(monkeypatch, tmp_path, NEEDED)
    assert "--out" in capsys.readouterr().err


@pytest.mark.parametrize("stage", STAGES)
def test_the_workflow_reads_what_the_stage_declares(stage):
    """From its text, without importing it."""
    module = importlib.import_module(stage_modules()[stage])
    hints = get_type_hints(module.Arguments, include_extras=True)
    declared = [(name, get_args(hint)[1]) for name, hint in hints.items()]
    assert given._declared(stage) == declared
    assert declared
