"""Settings that jobs read from the frozen run, derived from the configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.analyses.registry import enabled
from pipeline.configuration.checkpoints import features_to_expect, network_to_load
from pipeline.configuration.features import GivenSettings
from pipeline.configuration.settings import WHOLE
from pipeline.configuration.study import Configuration
from pipeline.configuration.user_files import responses_to_read, split_tables, split_to_make
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

# files that each cluster job reads again
WORKFLOW = (
    "Snakefile",
    "data_manifest.yaml",
    "pipeline/rules/*.smk",
    "pipeline/analyses/*/rules.smk",
)


def study_run(study: Configuration, audited: dict[str, Any]) -> dict[str, Any]:
    """Collect the content of a frozen run.

    Parameters
    ----------
    audited : {subject: {variant: files to audit}}
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
    """Return settings that are derived from the configuration."""
    variants, spaces, networks = study.all_variants, study.used_spaces, study.used_networks
    analyses = enabled(study)
    of_analyses = [analysis.job_settings(study) for analysis in analyses.values()]
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
        "own_features": own_features(study),
        "own_texts": own_texts(study),
        "calibrated": study.calibrated,
        "map_spaces": study.map_spaces,
        "mapped_quantities": study.mapped_quantities,
        "spaces_mapped": {
            variant: study.map_spaces if variant == WHOLE else study.map_spaces[:1]
            for variant in variants
        },
        "split_of": {variant: split_to_make(study, variant) for variant in variants},
        "split_tables": split_tables(study),
        "tests": study.tests,
        # only this split depends on the subjects of the study
        "testing_subjects": {
            variant: study.subjects if study.split_of(variant).test == "shared515" else []
            for variant in variants
        },
        "responses_of": {subject: responses_to_read(study, subject) for subject in study.subjects},
        "read_atlases": study.read_atlases,
        "annotations": study.annotations,
        "stimuli": study.stimuli,
        "experiments": study.experiments,
        "table_settings": {name: one.table_settings(study) for name, one in analyses.items()},
        **{key: value for settings in of_analyses for key, value in settings.items()},
    }


def own_features(study: Configuration) -> dict[str, Any]:
    """Return specifications and layers of the used networks that are files of features."""
    used = study.used_networks
    files = [name for name in used if isinstance(study.networks[name], GivenSettings)]
    if not files:
        return {}
    return {
        "networks": {name: network_to_load(study, name) for name in files},
        "layers": {name: study.network_layers(name) for name in files},
    }


def own_texts(study: Configuration) -> dict[str, Any]:
    """Return {network: its table of texts, and the table's hash} of the used ones that have one."""
    specifications = {name: network_to_load(study, name) for name in study.used_networks}
    return {
        name: {key: one.get(key) for key in ("texts", "texts_sha256")}
        for name, one in specifications.items()
        if "texts" in one
    }


class JobSetting(str):
    """A setting among a job's `params`: its value as text, so that Snakemake detects changes.

    The command passes its `key`, by which the stage looks it up in the frozen run.
    """

    key: str

    @classmethod
    def of(cls, run: Mapping[str, Any], key: str) -> JobSetting:
        """Look up a setting of a run."""
        found = cls(canonical(look_up(run, key)))
        found.key = key
        return found


def require_same_run(frozen: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise if the workflow or its settings changed before a cluster job parsed them again.

    The job itself compares the code of its stage.

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
