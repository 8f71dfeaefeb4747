"""What a stage is given, declared once: its rule's command and settings, and how it reads them.

A stage declares a class `Arguments` whose annotations are of the kinds below:

    @dataclass(frozen=True)
    class Arguments(given.StageArguments):
        nsd: given.NsdFolder
        images: given.InputFile
        network: Annotated[dict[str, Any], given.Setting("network_specification.{network}")]
        out: given.OutputFile

Its rule has an input `images`, `params: **parameters("extract_features")`, and
`shell: command("extract_features")`. The workflow reads declarations as text: importing stages,
some of which load torch, would take seconds at every start.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Self, get_args, get_type_hints

from pipeline.jobs.code_version import ROOT, stage_modules
from pipeline.jobs.frozen_run import setting


@dataclass(frozen=True)
class Kind:
    """Where a rule's command takes an argument from, and how the stage reads it.

    Attributes
    ----------
    place : as the command says it, with NAME for the argument's name
    read : of each word
    number : as argparse says it: "*" is a list, which may be empty, "?" one or None
    """

    place: str
    read: Callable[[str], Any] = Path
    number: str | None = None


def _truth(word: str) -> bool:
    return {"True": True, "False": False}[word]


def Setting(key: str | None = None) -> Kind:
    """A setting of the frozen run; the rule names its key if the stage does not.

    Parameters
    ----------
    key : see `pipeline.jobs.frozen_run.look_up`; a rule's wildcards in it are filled in
    """
    return _Setting("{params.NAME.key}", setting, key=key)


@dataclass(frozen=True)
class _Setting(Kind):
    key: str | None = None


NsdFolder = Annotated[Path, Kind("{params.nsd:q}")]
InputFile = Annotated[Path, Kind("{input.NAME:q}")]
InputFiles = Annotated[list[Path], Kind("{input.NAME:q}", number="*")]
OptionalInput = Annotated[Path | None, Kind("{input.NAME:q}", number="?")]
# all outputs of a rule, or one of several
OutputFile = Annotated[Path, Kind("{output:q}")]
OutputFiles = Annotated[list[Path], Kind("{output:q}", number="*")]
NamedOutput = Annotated[Path, Kind("{output.NAME:q}")]
Wildcard = Annotated[str, Kind("{wildcards.NAME}", str)]
# what no setting of the study is
Parameter = Annotated[str, Kind("{params.NAME:q}", str)]
PathParameter = Annotated[Path, Kind("{params.NAME:q}")]
OptionalPath = Annotated[Path | None, Kind("{params.NAME:q}", number="?")]
Switch = Annotated[bool, Kind("{params.NAME}", _truth)]
SolverMemory = Annotated[float, Kind("{resources.solver_mb}", float)]
Threads = Annotated[int, Kind("{threads}", int)]


class StageArguments:
    """Base of a stage's `Arguments`, a dataclass."""

    @classmethod
    def read(cls) -> Self:
        """The arguments of this process."""
        parser = argparse.ArgumentParser(description=sys.modules[cls.__module__].__doc__)
        for name, hint in get_type_hints(cls, include_extras=True).items():
            kind = get_args(hint)[1]
            how = {"type": kind.read, "nargs": kind.number, "required": kind.number is None}
            if hasattr(cls, name):
                how |= {"required": False, "default": getattr(cls, name)}
            elif kind.number == "*":
                how["default"] = []
            parser.add_argument(_option(name), **how)
        return cls(**vars(parser.parse_args()))


def command(stage: str) -> str:
    """Shell text of a stage's rule."""
    words = [f"python -m {stage_modules()[stage]}"]
    for name, kind in _declared(stage):
        words.append(f"{_option(name)} {kind.place.replace('NAME', name)}")
    return " ".join([*words, "2>&1 | tee {log:q}"])


def declared_settings(stage: str) -> dict[str, str]:
    """{argument: key} of the settings that a stage takes, where it names the key."""
    return {
        name: kind.key
        for name, kind in _declared(stage)
        if isinstance(kind, _Setting) and kind.key is not None
    }


def reads_nsd(stage: str) -> bool:
    """Whether a stage is given NSD's folder."""
    return any(name == "nsd" for name, _ in _declared(stage))


@lru_cache
def _declared(stage: str) -> list[tuple[str, Kind]]:
    return list(_annotations(ROOT.joinpath(*stage_modules()[stage].split(".")).with_suffix(".py")))


def _annotations(path: Path) -> Iterator[tuple[str, Kind]]:
    """(argument, kind) of the class `Arguments` in a file, which is not imported."""
    body = ast.parse(path.read_text()).body
    (declared,) = [n for n in body if isinstance(n, ast.ClassDef) and n.name == "Arguments"]
    for node in declared.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            # the text is this project's own code, which importing the stage would run as well
            names = {**globals(), "given": sys.modules[__name__]}
            hint = eval(ast.unparse(node.annotation), names)  # noqa: S307
            yield node.target.id, get_args(hint)[1]


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
