"""Arguments of stages: one declaration gives the rule's command and settings, and the parser.

A stage declares a class `Arguments` with the annotations below:

    class Arguments(given.StageArguments):
        nsd: given.NsdFolder
        images: given.InputFile
        network: Annotated[dict[str, Any], given.Setting("network_specification.{network}")]
        out: given.OutputFile

Its rule has an input `images`, `params: **parameters("extract_features")`, and
`shell: command("extract_features")`. The workflow parses declarations as text, as importing stages,
some of which import torch, would take seconds at every start.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Self, dataclass_transform, get_args, get_type_hints

from pipeline.jobs.code_version import ROOT, stage_modules
from pipeline.jobs.frozen_run import setting


@dataclass(frozen=True)
class Kind:
    """Source of an argument in a rule's command, and its conversion in the stage.

    Attributes
    ----------
    source : Snakemake's placeholder, with NAME for the argument's name
    read : conversion of each word
    number : as in argparse: "*" is a list, which may be empty, "?" is one value or None
    """

    source: str
    read: Callable[[str], Any] = Path
    number: str | None = None


def _truth(word: str) -> bool:
    return {"True": True, "False": False}[word]


def Setting(key: str | None = None) -> Kind:
    """Declare a setting of the frozen run; the rule gives its key if the stage does not.

    Parameters
    ----------
    key : see `pipeline.jobs.frozen_run.look_up`; it may contain wildcards of the rule
    """
    return _Setting("{params.NAME.key}", setting, key=key)


@dataclass(frozen=True)
class _Setting(Kind):
    key: str | None = None


NsdFolder = Annotated[Path, Kind("{params.nsd:q}")]
InputFile = Annotated[Path, Kind("{input.NAME:q}")]
InputFiles = Annotated[list[Path], Kind("{input.NAME:q}", number="*")]
OptionalInput = Annotated[Path | None, Kind("{input.NAME:q}", number="?")]
# all outputs of a rule; see NamedOutput for one of several
OutputFile = Annotated[Path, Kind("{output:q}")]
OutputFiles = Annotated[list[Path], Kind("{output:q}", number="*")]
NamedOutput = Annotated[Path, Kind("{output.NAME:q}")]
Wildcard = Annotated[str, Kind("{wildcards.NAME}", str)]
# values that are not settings of the study
Parameter = Annotated[str, Kind("{params.NAME:q}", str)]
PathParameter = Annotated[Path, Kind("{params.NAME:q}")]
OptionalPath = Annotated[Path | None, Kind("{params.NAME:q}", number="?")]
Switch = Annotated[bool, Kind("{params.NAME}", _truth)]
SolverMemory = Annotated[float, Kind("{resources.solver_mb}", float)]
Threads = Annotated[int, Kind("{threads}", int)]


@dataclass_transform(frozen_default=True)
class StageArguments:
    """Base of the `Arguments` of a stage, which it makes a frozen dataclass."""

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True)(cls)

    @classmethod
    def read(cls) -> Self:
        """Parse the arguments of this process."""
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
    """Return the shell command of a stage's rule."""
    words = [f"python -m {stage_modules()[stage]}"]
    for name, kind in _declared(stage):
        words.append(f"{_option(name)} {kind.source.replace('NAME', name)}")
    return " ".join([*words, "2>&1 | tee {log:q}"])


def declared_settings(stage: str) -> dict[str, str]:
    """Return {argument: key} of a stage's settings whose keys it declares."""
    return {
        name: kind.key
        for name, kind in _declared(stage)
        if isinstance(kind, _Setting) and kind.key is not None
    }


def reads_nsd(stage: str) -> bool:
    """Test whether a stage has NSD's folder as an argument."""
    return any(name == "nsd" for name, _ in _declared(stage))


@lru_cache
def _declared(stage: str) -> list[tuple[str, Kind]]:
    return list(_annotations(ROOT.joinpath(*stage_modules()[stage].split(".")).with_suffix(".py")))


def _annotations(path: Path) -> Iterator[tuple[str, Kind]]:
    """Yield (argument, kind) of the class `Arguments` in a file without importing it."""
    body = ast.parse(path.read_text()).body
    (declared,) = [n for n in body if isinstance(n, ast.ClassDef) and n.name == "Arguments"]
    for node in declared.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            # the annotation is this project's own code
            names = {**globals(), "given": sys.modules[__name__]}
            hint = eval(ast.unparse(node.annotation), names)  # noqa: S307
            yield node.target.id, get_args(hint)[1]


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
