"""How wide feature spaces are, asked of the networks once and kept.

Every job of a study reads the workflow, and building the networks would take each of them as long
as some jobs take.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pipeline.configuration import Configuration
from pipeline.errors import FORBIDDEN, InputError, OtherReleaseError
from pipeline.seals import read_account
from pipeline.storage import canonical, write_account

STAGE = "pipeline.stages.measure_widths"
CODE = Path(__file__).resolve().parent.parent


def feature_widths(study: Configuration, kept: Path) -> dict[str, int]:
    """{feature space: number of features} of all that the study uses.

    Parameters
    ----------
    kept : JSON of widths by what spaces are made of; it is written where it lacks one

    Raises
    ------
    InputError
        A network or a layer is unknown, or the file was altered.
    """
    keys = {space: canonical(study.feature_specification(space)) for space in study.used_spaces}
    try:
        known = read_account(kept)["widths"] if kept.exists() else {}
    except OtherReleaseError:
        known = {}
    if not set(keys.values()) <= set(known):
        measured = _measure(study)
        known = {**known, **{key: measured[space] for space, key in keys.items()}}
        try:
            write_account(kept, {"widths": known})
        except OSError as error:
            # a dry run may be made where nothing may be written
            if error.errno not in FORBIDDEN:
                raise
    return {space: known[key] for space, key in keys.items()}


def _measure(study: Configuration) -> Mapping[str, int]:
    """By a process apart, which alone holds the libraries of the networks."""
    command = [sys.executable, "-m", STAGE]
    path = os.pathsep.join([str(CODE), os.environ.get("PYTHONPATH", "")])
    environ = {**os.environ, "PYTHONPATH": path}
    told = study.model_dump_json()
    done = subprocess.run(command, input=told, capture_output=True, text=True, env=environ)
    if done.returncode:
        told = done.stderr.strip().split("error: ")[-1]
        raise InputError(f"feature spaces cannot be measured, as `voxel_chunks: auto` asks: {told}")
    return json.loads(done.stdout.splitlines()[-1])
