"""The study to begin with on real data: small, and as its page tells."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT

from pipeline.configuration.masks import MaskSettings
from pipeline.configuration.reading import read_configuration
from pipeline.configuration.settings_files import read_settings
from pipeline.estimates.resources import estimate_study
from pipeline.estimates.study_size import feature_sizes, subject_size
from pipeline.nsd.fetch.plan import bytes_to_come
from pipeline.nsd.manifest import read_manifest, required_files, required_weights

FIRST, PAGE = ROOT / "config/nsd_first.yaml", ROOT / "docs/real_data.md"
MANIFEST = read_manifest(ROOT / "data_manifest.yaml")
HOUR, GIGABYTE = 3600, 1e9


@pytest.fixture(scope="module")
def study():
    return read_configuration(FIRST)


def test_it_is_one_subject_one_mask_and_four_networks(study):
    assert study.subjects == ["subj01"]
    assert study.responses.mask == MaskSettings(within="nsdgeneral")
    assert set(study.models) == {"clip_rn50", "resnet50", "bert", "alexnet"}
    assert sorted(map(len, study.comparisons.values())) == [2, 2, 2, 3]


def test_it_reads_and_extracts_what_the_whole_study_does():
    """Else features would be extracted twice."""
    first, whole = read_settings(FIRST), read_settings(ROOT / "config/nsd.yaml")
    shared = ("nsd", "stimulus_set", "splits", "encoding")
    assert [first[key] for key in shared] == [whole[key] for key in shared]
    assert first["responses"] == {**whole["responses"], "mask": "nsdgeneral"}


def test_its_page_states_what_is_downloaded(study):
    to_come = bytes_to_come(required_files(MANIFEST, study), Path("nowhere"), MANIFEST)
    weights = sum(entry.bytes for entry in required_weights(MANIFEST, study).values())
    reported = re.search(r"about (\d+) GB from NSD and COCO, and ([\d.]+) GB of weights", text())
    assert [float(number) for number in reported.groups()] == [
        pytest.approx(to_come / GIGABYTE, rel=0.02),
        pytest.approx(weights / GIGABYTE, rel=0.05),
    ]


def test_its_page_states_the_estimates(study):
    """Within the factor that estimates are meant to be right by."""
    subjects = [subject_size(study, MANIFEST, name) for name in study.subjects]
    stages = estimate_study(study, subjects, feature_sizes(study))
    rows = dict(re.findall(r"\| `snakemake (\w+) --configfile \S+` \| (.*) \|", PAGE.read_text()))
    for stages_of_row, row in ((["features"], "features"), (["responses", "encoding"], "encoding")):
        jobs = [job for stage in stages_of_row for job in stages[stage]]
        hours, gigabytes = re.search(r"([\d.]+) core hours.*\| ([\d.]+)", rows[row]).groups()
        for reported, estimated in (
            (float(hours), sum(job.core_seconds for job in jobs) / HOUR),
            (float(gigabytes), sum(job.disk_bytes for job in jobs) / GIGABYTE),
        ):
            assert reported / 1.5 < estimated < 1.5 * reported, f"{PAGE}: {row}"


def text() -> str:
    return " ".join(PAGE.read_text().split())
