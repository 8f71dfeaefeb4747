"""What interpretation can be asked of which study, and what too small a study is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import bare
from runs import frozen

from pipeline.analyses.similarity import compare_similarities, measure_similarities
from pipeline.analyses.weight_components import fit_components, fit_weights
from pipeline.configuration.reading import parse_configuration
from pipeline.configuration.settings import WHOLE
from pipeline.errors import InputError
from pipeline.jobs.frozen_run import RUN
from pipeline.results.storage import read_result, write_result

SIMILARITY = {"spaces": ["alexnet", "bert"], "atlases": ["floc-words", "composite"]}


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("interpretation", {"model": "alexnt"}, "did you mean alexnet"),
        ("interpretation", {"model": "alexnet_conv3"}, "differ between subjects"),
        ("interpretation", {"model": "alexnet", "clusters": 1}, "interpretation.clusters"),
        ("representational_similarity", {**SIMILARITY, "atlases": ["streams"]}, "'streams'"),
        ("representational_similarity", {**SIMILARITY, "spaces": ["clip"]}, "'clip'"),
        (
            "representational_similarity",
            {**SIMILARITY, "corners": [["alexnet", "alexnet_conv3"]]},
            "`corners` lists alexnet_conv3",
        ),
    ],
)
def test_what_cannot_be_interpreted_is_reported_by_its_key(tiny_values, section, values, message):
    with pytest.raises(InputError, match=message):
        parse_configuration({**tiny_values, section: values})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"component_agreement": {}, "interpretation": None}, "components of `interpretation`"),
        ({"component_agreement": {}, "maps": {"spaces": []}}, "add one to `maps.spaces`"),
        ({"component_agreement": {}, "subjects": ["subj01"]}, "component_agreement: compares"),
        (
            {"component_variance": {"comparisons": ["alexnet_vs_bert"]}, "interpretation": None},
            "component_variance: uses the components of `interpretation`",
        ),
        ({"component_variance": {"comparisons": ["a"]}}, "component_variance.comparisons: .*'a'"),
        ({"cross_subject": {}, "subjects": ["subj01"]}, "cross_subject: compares subjects"),
        ({"cross_subject": {"models": ["brt"]}}, "cross_subject.models: .*did you mean bert"),
        ({"cross_subject": {"atlases": ["streams"]}}, "cross_subject.atlases: .*'streams'"),
    ],
)
def test_what_cannot_be_compared_is_refused(tiny_values, changes, message):
    with pytest.raises(InputError, match=message):
        parse_configuration({**tiny_values, **changes})


def test_interpretation_is_off_unless_asked_for_and_then_needs_its_annotations(tiny_values):
    values = bare(tiny_values)
    off = parse_configuration(values)
    assert off.interpretation is None
    assert off.representational_similarity is None
    asked = parse_configuration({**values, "interpretation": {"model": "alexnet_vs_bert"}})
    assert set(asked.annotations) == {"captions", "instances"}


def test_a_space_that_is_only_compared_is_made_too(tiny_values):
    compared = {"representational_similarity": tiny_values["representational_similarity"]}
    values = {**bare(tiny_values), **compared, "models": ["alexnet"], "comparisons": {}}
    assert "bert" in parse_configuration(values).used_spaces


def run(monkeypatch, stage, arguments: dict[str, object], **settings: object) -> None:
    """A stage in this process, whose run has these settings."""
    words = ["stage"]
    run = frozen(Path(next(iter(np.ravel(arguments["out"])))).parent, **settings)
    monkeypatch.setenv(RUN, run[RUN])
    for name, value in arguments.items():
        words += [f"--{name}", *(map(str, value) if isinstance(value, list) else [str(value)])]
    monkeypatch.setattr("sys.argv", words)
    stage.main()


def fitted(study, subject: str) -> dict[str, object]:
    results = study.results
    return {
        "spaces": "spaces",
        "features": [results / f"features/{subject}/alexnet.h5"],
        "responses": results / f"responses/{subject}.h5",
        "split": results / f"splits/{subject}/{WHOLE}.tsv",
        "encoding": results / f"encoding/{subject}/{WHOLE}/alexnet.h5",
    }


def test_a_ceiling_that_no_voxel_reaches_is_reported(study, monkeypatch, tmp_path):
    settings = {"voxels_per_subject": 9, "min_reliability": 0.999, "components": 2, "seed": 0}
    given = {**fitted(study, "subj01"), "configuration": "mine", "memory-mb": 1000}
    given["out"] = given["permuted"] = tmp_path / "weights.h5"
    with pytest.raises(InputError, match="lower `min_reliability`"):
        run(monkeypatch, fit_weights, given, mine=settings, spaces=["alexnet"])


def test_more_images_than_were_held_out_are_reported(study, monkeypatch, tmp_path):
    given = {
        "spaces": "spaces",
        "features": [study.results / "features/subj01/alexnet.h5"],
        "weights": [study.results / "interpretation/subj01/weights.h5"],
        "permuted": [tmp_path / "permuted_weights.h5"],
        "configuration": "mine",
        "out": tmp_path / "components.h5",
    }
    with pytest.raises(InputError, match=r"interpretation\.images"):
        run(monkeypatch, fit_components, given, mine={"images": 100000}, spaces=["alexnet"])


def test_atlases_without_enough_voxels_are_reported(study, monkeypatch, tmp_path):
    settings = {"atlases": ["floc-words"], "min_reliability": 0.1, "min_voxels": 10**6}
    given = {
        **fitted(study, "subj01"),
        "rois": study.results / "rois/subj01.tsv",
        "configuration": "mine",
        "out": tmp_path / "similarities.h5",
    }
    with pytest.raises(InputError, match="no ROI of floc-words"):
        run(monkeypatch, measure_similarities, given, mine=settings, spaces=["alexnet"])


def test_subjects_without_common_test_images_are_reported(study, monkeypatch, tmp_path):
    path = study.results / "similarities/subj01.h5"
    result = read_result(path)
    other = tmp_path / "subj03.h5"
    others = result.data.assign_coords(image=result["image"] + np.int64(10**6))
    write_result(other, others, result.provenance)
    given = {
        "similarities": [path, other],
        "rois": [study.results / "rois/subj01.tsv"],
        "configuration": "mine",
        "level": "level",
        "out": [tmp_path / "representational_similarity.tsv"],
    }
    with pytest.raises(InputError, match="choose `own`"):
        run(monkeypatch, compare_similarities, given, mine={"images": "common"}, level=0.95)
