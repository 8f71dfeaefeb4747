"""What jobs are told of a study: the settings that follow from its configuration, by key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.analyses.registry import ANALYSES
from pipeline.configuration.checkpoints import features_to_expect, network_to_load
from pipeline.configuration.settings import WHOLE
from pipeline.configuration.study import Configuration
from pipeline.errors import InputError
from pipeline.jobs.code_version import (
    ROOT,
    code_version,
    file_version,
    file_versions,
    stage_modules,
)
from pipeline.jobs.frozen_run import look_up
from pipeline.results.storage import canonical

# read anew by each job of a cluster
WORKFLOW = (
    "Snakefile",
    "data_manifest.yaml",
    "pipeline/rules/*.smk",
    "pipeline/analyses/*/rules.smk",
)


def study_run(study: Configuration, audited: dict[str, Any]) -> dict[str, Any]:
    """All that a run of a study is frozen as.

    Parameters
    ----------
    audited : files of each subject and variant that the audit looks at
    """
    stages = stage_modules()
    code: dict[str, str] = {}
    for module in stages.values():
        code |= file_versions(module)
    content = {
        "configuration": study.model_dump(mode="json"),
        "settings": {**job_settings(study), "audited": audited},
        "stages": {stage: code_version(module) for stage, module in stages.items()},
        "workflow": {
            path.relative_to(ROOT).as_posix(): file_version(path)
            for pattern in WORKFLOW
            for path in sorted(ROOT.glob(pattern))
        },
        "code": dict(sorted(code.items())),
    }
    # plain values, as they are read back
    return json.loads(json.dumps(content))


def job_settings(study: Configuration) -> dict[str, Any]:
    """Settings that are no section of the configuration, but follow from it."""
    variants, spaces, networks = study.all_variants, study.used_spaces, study.used_networks
    of_analyses = [analysis.job_settings(study) for analysis in ANALYSES.values()]
    return {
        "fits": {variant: study.fits(variant) for variant in variants},
        "stacked": {variant: study.stacked(variant) for variant in variants},
        "encoding_of": {
            variant: study.encoding_of(variant).model_dump(mode="json", exclude={"memory_gb"})
            for variant in variants
        },
        "image_selection": {variant: study.image_selection(variant) for variant in variants},
        "network_specification": {name: network_to_load(study, name) for name in networks},
        "network_layers": {network: study.network_layers(network) for network in networks},
        "space_specification": {space: study.space_specification(space) for space in spaces},
        "feature_specification": {space: features_to_expect(study, space) for space in spaces},
        "calibrated": study.calibrated,
        "map_spaces": study.map_spaces,
        "spaces_mapped": {
            variant: study.map_spaces if variant == WHOLE else study.map_spaces[:1]
            for variant in variants
        },
        # whose common images test: no other split depends on who is in the study
        "testing_subjects": study.subjects if study.splits.test == "shared515" else [],
        "annotations": study.annotations,
        **{key: value for settings in of_analyses for key, value in settings.items()},
    }


class JobSetting(str):
    """A setting among a job's `params`: its value as text, by which Snakemake sees that it changed.

    The command names it by its `key`, by which the stage takes it of the frozen run.
    """

    key: str

    @classmethod
    def of(cls, run: Mapping[str, Any], key: str) -> JobSetting:
        found = cls(canonical(look_up(run, key)))
        found.key = key
        return found


def require_same_run(frozen: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise unless a job that reads the workflow anew, on a node, reads that of its run.

    The code of its stage the job itself compares.

    Raises
    ------
    InputError
    """
    edited = [
        path
        for path in sorted({*frozen["workflow"], *now["workflow"]})
        if frozen["workflow"].get(path) != now["workflow"].get(path)
    ]
    if not edited and any(frozen[key] != now[key] for key in ("configuration", "settings")):
        edited = ["pipeline/configuration"]
    if edited:
        raise InputError(
            f"{', '.join(edited)}: changed since the run began. Run snakemake again, or put the "
            "code back first."
        )
