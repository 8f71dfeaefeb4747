"""Preflight names the cheapest change that lets a study fit that is too large."""

from __future__ import annotations

import shutil

import pytest
from conftest import ROOT, TINY

from pipeline.configuration.fits import ResponseSettings
from pipeline.configuration.reading import read_configuration
from pipeline.estimates.resources import estimate_study
from pipeline.estimates.smaller_studies import change_that_fits, smaller_studies
from pipeline.estimates.study_size import FeatureSizes, feature_sizes, subject_size
from pipeline.nsd.manifest import read_manifest
from pipeline.stages import preflight

MANIFEST = read_manifest(ROOT / "data_manifest.yaml")


@pytest.fixture(scope="module")
def study():
    """The first study, of the cortex of three subjects."""
    first = read_configuration(ROOT / "config/nsd_first.yaml")
    return first.model_copy(
        update={
            "subjects": ["subj01", "subj02", "subj05"],
            "responses": ResponseSettings(**{**dict(first.responses), "mask": "cortex"}),
        }
    )


@pytest.fixture(scope="module")
def features(study) -> FeatureSizes:
    return feature_sizes(study)


def bytes_of(study, features) -> float:
    subjects = [subject_size(study, MANIFEST, subject) for subject in study.subjects]
    stages = estimate_study(study, subjects, features)
    return sum(job.disk_bytes + job.temporary_bytes for jobs in stages.values() for job in jobs)


def reported(study, features, monkeypatch, disk: float, memory: float = 64e9) -> str:
    usage = shutil.disk_usage(ROOT)._replace(free=disk)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(preflight, "machine_memory", lambda: memory)
    # no checkpoints to come
    monkeypatch.setattr(preflight, "required_checkpoints", lambda *_: {})

    def fits(changed):
        return preflight._fits(changed, MANIFEST, features, has_files=False)

    said, first = change_that_fits(study, fits).split("; ")
    assert first.startswith("config/nsd_first.yaml is a study to start with")
    return said


def test_each_is_tried_by_its_estimate_and_the_first_that_fits_is_reported(
    study, features, monkeypatch
):
    sizes = {words: bytes_of(changed, features) for words, changed in smaller_studies(study)}
    general = sizes["`mask: nsdgeneral`"]
    assert general < bytes_of(study, features)
    assert reported(study, features, monkeypatch, 1.01 * general).endswith(": `mask: nsdgeneral`")
    fewer = sizes["`subjects: [subj01]` and `mask: nsdgeneral`"]
    assert fewer == min(size for words, size in sizes.items() if "sessions" not in words)
    said = reported(study, features, monkeypatch, 1.01 * fewer)
    assert said.endswith(": `subjects: [subj01]` and `mask: nsdgeneral`")


def test_that_no_change_makes_it_fit_is_reported(study, features, monkeypatch):
    assert reported(study, features, monkeypatch, 1e6).startswith(
        "no change that was tried would fit"
    )


def test_the_first_sessions_of_one_subject_are_the_smallest_study(study):
    words, changed = list(smaller_studies(study))[-1]
    assert words == "`subjects: [subj01]` and `mask: nsdgeneral` and `responses: {sessions: 10}`"
    assert changed.subjects == ["subj01"]
    assert changed.responses.sessions == 10
    one = read_configuration(ROOT / "config/nsd_first.yaml")
    assert [words for words, _ in smaller_studies(one)][-2:] == [
        "`responses: {sessions: 20}`",
        "`responses: {sessions: 10}`",
    ]
    assert "nsd_first" not in change_that_fits(one, lambda _: False)


def test_a_smaller_study_is_one_that_the_configuration_accepts():
    study = read_configuration(ROOT / "config/paper.yaml")
    named = dict(smaller_studies(study))
    one = named["`subjects: [subj01]` without `component_agreement`"]
    assert one.component_agreement is None
    assert named["`subjects: [subj01, subj02]`"].component_agreement is not None


def test_less_memory_is_reported_before_fewer_voxels(study, features, monkeypatch):
    said = reported(study, features, monkeypatch, 1e15, memory=6e9)
    assert said.endswith(": `encoding: {memory_gb: 4}`")


def test_a_simulated_study_is_not_led_to_nsd():
    said = change_that_fits(read_configuration(TINY), lambda _: False)
    assert "nsd_first" not in said
