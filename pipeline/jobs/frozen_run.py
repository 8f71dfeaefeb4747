"""The frozen run: configuration, settings of jobs, and versions of code when a run starts.

It is written to `results/<study>/runs/<hash>.yaml`. Configuration and code may be edited during the
run: jobs read their settings from the frozen file, and stop if their code is no longer the version
recorded there.

The environment variable `PIPELINE_RUN` gives jobs the path of the file. Stages read a setting by
its key, such as `responses` or `fits.all.clip`; results record these settings and the code version.
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

# key of all settings of a study together
WHOLE_CONFIGURATION = "configuration"

RUN = "PIPELINE_RUN"

# {key: value} of the settings that this process has read
_settings_read: dict[str, Any] = {}


class _WithoutAliases(yaml.CSafeDumper):
    """Dumper that writes a repeated value out each time instead of an alias for it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


# ---- the file


def frozen_text(content: Mapping[str, Any]) -> str:
    """Return the text of a run's file, in the order of the configuration."""
    return yaml.dump(dict(content), Dumper=_WithoutAliases, sort_keys=False, allow_unicode=True)


def frozen_path(folder: Path | str, text: str) -> Path:
    """Return the path of a run's file, whose name is a hash of its content."""
    return Path(folder) / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.yaml"


def freeze(folder: Path | str, text: str) -> Path:
    """Write a run's file unless it exists: it is never overwritten."""
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
    """Read a run's file.

    Raises
    ------
    InputError
        The file is missing or was edited.
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
    """Read the run that `PIPELINE_RUN` names.

    Raises
    ------
    InputError
        The variable is not set, or the file cannot be read.
    """
    if RUN not in os.environ:
        raise InputError(
            "settings are read from a run, but none is named: export "
            f"{RUN}=results/<study>/runs/<hash>.yaml"
        )
    return read_run(Path(os.environ[RUN]))


# ---- settings


def setting(key: str) -> Any:
    """Read a setting of the run that `PIPELINE_RUN` names; used as `type` of stages' arguments.

    Parameters
    ----------
    key : see `look_up`

    Raises
    ------
    InputError
        No run is named, or it has no such setting.
    """
    value = _settings_read[key] = json.loads(setting_text(current_run(), key))
    return value


def setting_text(run: Mapping[str, Any], key: str) -> str:
    """Write a setting of a run as JSON.

    Keys are sorted, as results must not depend on their order, a change of which reruns nothing.
    Those of the whole configuration are not, which only pages and figures read: they begin with its
    first comparison.
    """
    return json.dumps(
        look_up(run, key), sort_keys=key != WHOLE_CONFIGURATION, separators=(",", ":")
    )


def look_up(run: Mapping[str, Any], key: str) -> Any:
    """Look up a setting by its key.

    Parameters
    ----------
    key : `configuration` for the complete configuration, or names of sections and keys joined by
        dots, such as `fits.all.clip`; `interpretation:model,images` selects two keys of a section

    Raises
    ------
    InputError
        The run has no such setting.
    """
    path, _, names = key.partition(":")
    whole = {WHOLE_CONFIGURATION: run["configuration"]}
    value: Any = {**run["configuration"], **run["settings"], **whole}
    try:
        for name in path.split("."):
            value = value[name]
        return {name: value[name] for name in names.split(",")} if names else value
    except (KeyError, TypeError):
        raise InputError(f"the study has no setting {key}") from None


def record(stage: str) -> dict[str, Any]:
    """Return what results record of their stage: name, {key: setting} read, and code version."""
    code = code_version(stage_modules().get(stage, stage))
    return {"stage": stage, "settings": dict(_settings_read), "code": code}


# ---- code


def running_stage() -> str | None:
    """Return the name of the stage that this process runs, if any."""
    name = getattr(sys.modules["__main__"].__spec__, "name", "")
    return next((stage for stage, module in stage_modules().items() if module == name), None)


def require_code_of_run() -> None:
    """Raise if the code of the running stage has changed since the run began.

    Raises
    ------
    InputError
        The message names the edited files.
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
