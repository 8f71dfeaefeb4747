"""Voxels as Parquet: every value at its voxel, every column explained."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from pipeline.results.storage import Result, aligned_result, read_result, write_result
from pipeline.tables.columns import COLUMNS
from pipeline.tables.voxels import (
    COMPONENT_TESTS,
    TESTS,
    component_parts,
    describe,
    model_part,
    parquet_writer,
    voxel_locations,
)

VOXEL = np.array([7, 25, 40])
GRID = (3, 4, 5)
ROIS = pd.DataFrame(
    {
        "voxel": [7, 40, 40, 40],
        "atlas": ["floc-faces", "composite", "composite", "floc-faces"],
        "roi": ["OFA", "face", "body", "FFA-1"],
    }
)


@pytest.fixture
def where() -> pd.DataFrame:
    return voxel_locations("subj01", VOXEL, GRID, ROIS)


def test_voxels_have_indices_into_the_map_and_a_label_per_atlas(where):
    assert np.ravel_multi_index((where["x"], where["y"], where["z"]), GRID).tolist() == [7, 25, 40]
    labels = where["roi_floc-faces"].tolist()
    assert labels[0] == "OFA"
    assert labels[2] == "FFA-1"
    assert pd.isna(labels[1])
    assert where["roi_composite"].tolist()[2] == "face, body"


def test_vertices_have_a_hemisphere():
    found = voxel_locations("subj01", VOXEL, (26, 30), ROIS)
    assert found["surface_hemisphere"].tolist() == ["lh", "lh", "rh"]
    assert found["vertex"].tolist() == [7, 25, 14]


def results(tmp_path) -> tuple[Result, Result]:
    """A fit, and its tests with the voxels in another order."""
    fit = {
        "voxel": VOXEL,
        "noise_ceiling": [0.1, 0.2, 0.3],
        "noise_ceiling_error": [0.1, 0.1, 0.1],
        "reliability": [0.1, 0.2, 0.3],
    }
    fit |= {key: VOXEL * 0.01 for key in ("r", "r2", "cv_score", "alpha")}
    # every quantity and voxel has its own value
    tests = {key: VOXEL[::-1] * 0.001 + n for n, key in enumerate(reversed(TESTS))}
    return written(tmp_path, "voxel", fit, tests)


def components(tmp_path) -> tuple[Result, Result]:
    """The same of a comparison."""
    partition = {"voxel": VOXEL, "variance": np.stack([VOXEL * 0.1, VOXEL * 0.2])}
    tests = {
        key: np.stack([VOXEL[::-1] * 0.001 + n] * 2)
        for n, key in enumerate(reversed(COMPONENT_TESTS))
    }
    return written(tmp_path, ("component", "voxel"), partition, tests)


def written(tmp_path, dimensions, found, tests) -> tuple[Result, Result]:
    labels = {} if dimensions == "voxel" else {"component": ("component", ["bert", "bert&clip"])}
    found, tests = (
        labels
        | {name: ("voxel" if name == "voxel" else dimensions, v) for name, v in arrays.items()}
        for arrays in (found, {"voxel": VOXEL[::-1], **tests})
    )
    provenance = {"configuration": {"spaces": ["bert"], "comparison": "bert_vs_clip"}}
    write_result(tmp_path / "found.h5", found, provenance)
    write_result(tmp_path / "tests.h5", tests, provenance)
    result = read_result(tmp_path / "found.h5")
    return result, aligned_result(tmp_path / "tests.h5", result)


def test_scores_and_tests_meet_at_their_voxel(tmp_path, where):
    result, tests = results(tmp_path)
    frame = model_part(where, result, tests)
    assert set(frame["model"]) == {"bert"}
    np.testing.assert_allclose(frame["r"], frame["voxel"] * 0.01, rtol=1e-6)
    np.testing.assert_allclose(frame["q"], frame["voxel"] * 0.001, rtol=1e-6)
    np.testing.assert_allclose(frame["r2_upper"], frame["voxel"] * 0.001 + 2, rtol=1e-6)
    unique, shared = component_parts(where, *components(tmp_path))
    np.testing.assert_allclose(unique["p"], unique["voxel"] * 0.001 + 1, rtol=1e-6)
    np.testing.assert_allclose(shared["variance_lower"], shared["voxel"] * 0.001 + 3, rtol=1e-6)
    assert shared["component"].unique().tolist() == ["bert&clip"]
    np.testing.assert_allclose(shared["q"], shared["voxel"] * 0.001, rtol=1e-6)


def test_pandas_reads_a_folder_of_subjects_as_one_table(tmp_path, where):
    for subject in ("subj01", "subj02"):
        with parquet_writer(tmp_path / f"voxels/{subject}.parquet", {"seed": 3}) as append:
            for model in ("bert", "clip"):
                append(where.assign(subject=subject, model=model, r=np.float32(0.5)))
    whole = pd.read_parquet(tmp_path / "voxels")
    assert whole.groupby(["subject", "model"]).size().tolist() == [3] * 4
    assert whole["roi_floc-faces"].notna().sum() == 8
    metadata = pyarrow.parquet.read_schema(tmp_path / "voxels/subj01.parquet").metadata
    described = json.loads(metadata[b"columns"])
    assert set(described) == set(whole.columns)
    assert described["roi_floc-faces"].startswith("ROI of floc-faces")
    assert json.loads(metadata[b"provenance"]) == {"seed": 3}


def test_a_column_without_a_description_is_refused(tmp_path, where):
    with pytest.raises(KeyError, match="mystery"), parquet_writer(tmp_path / "x", {}) as append:
        append(where.assign(mystery=1))
    assert not (tmp_path / "x").exists()
    assert describe("r") == COLUMNS["r"]


def test_a_column_that_differs_between_tables_is_described_for_each():
    assert describe("p", "voxels") == COLUMNS["p"]
    assert describe("p", "voxel_components") == COLUMNS["voxel_components.p"] != COLUMNS["p"]
