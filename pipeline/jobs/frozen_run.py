"""What a run began with: its configuration, the settings that jobs take of it, and its code.

It is frozen at the start in `results/<study>/runs/<hash>.yaml`. Files of configuration and code may
be edited meanwhile; jobs, wherever and whenever they start, take their settings of the frozen file
and stop if the code that they import is no longer the one that it tells.

Snakemake names the file to jobs in the environment, as `PIPELINE_RUN`. Stages take a setting by its
key, such as `responses` or `fits.all.clip`; results record what was taken, and the code.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import InputError
from pipeline.jobs.code_version import code_version, file_versions, stage_modules

RUN = "PIPELINE_RUN"

# {key: value} of all that this process was given
_taken: dict[str, Any] = {}


class _WithoutAliases(yaml.CSafeDumper):
    """Dumper that writes a repeated value out each time instead of an alias for it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


# ---- the file


def frozen_text(content: Mapping[str, Any]) -> str:
    """A run's file, in the order of the configuration."""
    return yaml.dump(dict(content), Dumper=_WithoutAliases, sort_keys=False, allow_unicode=True)


def frozen_path(folder: Path | str, text: str) -> Path:
    """Where a run's file lies, which is named by its content."""
    return Path(folder) / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.yaml"


def freeze(folder: Path | str, text: str) -> Path:
    """Write a run's file, unless it is there: nothing ever overwrites one."""
    path = frozen_path(folder, text)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(text)
        temporary.replace(path)
    read_run(path)
    return path


@lru_cache(maxsize=1)
def read_run(path: Path) -> dict[str, Any]:
    """A run's file.

    Raises
    ------
    InputError
        Missing, or not as it was written.
    """
    if not path.is_file():
        raise InputError(f"{path}: not found. A run writes it when it starts; run snakemake.")
    text = path.read_text()
    if frozen_path(path.parent, text) != path:
        raise InputError(
            f"{path}: was edited. What a run began with cannot be changed; delete the file, edit "
            "the configuration that the run was given, and run snakemake again."
        )
    # ten times as fast as the loader in Python
    return yaml.load(text, Loader=yaml.CSafeLoader)


def current_run() -> dict[str, Any]:
    """The run that `PIPELINE_RUN` names.

    Raises
    ------
    InputError
        None is named, or it cannot be read.
    """
    if RUN not in os.environ:
        raise InputError(
            "settings are taken of a run, but none is named: export "
            f"{RUN}=results/<study>/runs/<hash>.yaml"
        )
    return read_run(Path(os.environ[RUN]))


# ---- settings


def setting(key: str) -> Any:
    """A setting of the run that `PIPELINE_RUN` names, by its key; the type of stages' arguments.

    Parameters
    ----------
    key : as `look_up` knows them

    Raises
    ------
    InputError
        No run is named, or it has no such setting.
    """
    # in one order: what a job computes must not depend on the order in which keys were written, by
    # which Snakemake sees no change
    value = _taken[key] = json.loads(json.dumps(look_up(current_run(), key), sort_keys=True))
    return value


def look_up(run: Mapping[str, Any], key: str) -> Any:
    """A setting by its key.

    Parameters
    ----------
    key : `configuration`, which is the whole of it, or names of sections and what is in them with
        dots between, such as `fits.all.clip`; `interpretation:model,images` is these two of it

    Raises
    ------
    InputError
        The run has no such setting.
    """
    path, _, names = key.partition(":")
    value: Any = {**run["configuration"], **run["settings"], "configuration": run["configuration"]}
    try:
        for name in path.split("."):
            value = value[name]
        return {name: value[name] for name in names.split(",")} if names else value
    except (KeyError, TypeError):
        raise InputError(f"the study has no setting {key}") from None


def record(stage: str) -> dict[str, Any]:
    """What a stage's results record of it: its name, the settings that it took, by their keys, and
    the version of its code."""
    code = code_version(stage_modules().get(stage, stage))
    return {"stage": stage, "settings": dict(_taken), "code": code}


# ---- code


def running_stage() -> str | None:
    """Name of the stage that this process runs, if it runs one."""
    name = getattr(sys.modules["__main__"].__spec__, "name", "")
    return next((stage for stage, module in stage_modules().items() if module == name), None)


def require_code_of_run() -> None:
    """Raise unless the stage that runs is made of the code that its run began with.

    Raises
    ------
    InputError
        Naming the files that were edited since.
    """
    stage = running_stage()
    if RUN not in os.environ or stage is None:
        return
    run, module = current_run(), stage_modules()[stage]
    if code_version(module) == run["stages"].get(stage):
        return
    known = run["code"]
    edited = [path for path, version in file_versions(module).items() if known.get(path) != version]
    raise InputError(
        f"the code of {stage} is not that with which the run began: {', '.join(edited)} changed "
        "meanwhile. Nothing was computed. Run snakemake again: it takes the code as it is now and "
        "computes anew what it changes; or put the code back first."
    )
