"""Results: whole or absent, joined by id, and honest about what they were made from."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.storage import (
    atomic_path,
    make_provenance,
    positions,
    read_result,
    read_table,
    write_result,
    write_table,
)

ACCOUNT = {"stage": "test", "simulated": False, "untrained": [], "weights": {}}


def test_a_write_that_fails_leaves_the_former_file_and_nothing_else(tmp_path):
    path = tmp_path / "result.h5"
    write_result(path, {"x": ("row", np.arange(3))}, ACCOUNT)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_result(path, {"x": ("row", np.arange(4)), "y": ((), object())}, ACCOUNT)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_being_written_is_not_yet_there(tmp_path):
    with atomic_path(tmp_path / "table.tsv") as temporary:
        temporary.write_text("half")
        assert not (tmp_path / "table.tsv").exists()
    assert (tmp_path / "table.tsv").read_text() == "half"


def test_results_come_back_as_written_and_the_same_content_is_the_same_bytes(tmp_path):
    r2 = np.array([0.5, np.nan], np.float32)
    arrays = {
        "r2": ("model", r2),
        "model": ("model", ["a", "a+b"]),
        "weights": (("row", "column"), np.eye(2)),
        "exact": ("model", np.array([True, False])),
        "number": ((), 3),
        "letter": ("row", ["é", "z"]),
    }
    for name in ("one/result.h5", "two/result.h5"):
        write_result(tmp_path / name, arrays, ACCOUNT)
    assert (tmp_path / "one/result.h5").read_bytes() == (tmp_path / "two/result.h5").read_bytes()
    read = read_result(tmp_path / "one/result.h5")
    assert set(read.data.variables) == set(arrays)
    assert read["model"].tolist() == ["a", "a+b"]
    assert read["letter"].tolist() == ["é", "z"]
    assert np.array_equal(read["r2"], r2, equal_nan=True)
    assert [read[name].dtype for name in ("r2", "exact")] == [np.float32, bool]
    assert read["number"] == 3
    assert read.provenance == ACCOUNT


def test_missing_truncated_foreign_and_outdated_results_are_named_with_the_mend(tmp_path):
    path = tmp_path / "result.h5"
    with pytest.raises(InputError, match=r"result\.h5: not found.*snakemake"):
        read_result(path)
    write_result(path, {"x": ("row", np.zeros(10_000))}, ACCOUNT)
    with pytest.raises(InputError, match=r"result\.h5: lacks y.*run snakemake again"):
        read_result(path, ["y"])
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"result\.h5: damaged .*truncated file"):
        read_result(path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match=r"other\.h5: an HDF5 file, but not a result"):
        read_result(tmp_path / "other.h5")


def test_rows_are_found_by_id_and_a_lacking_id_names_both_files():
    ids = np.array([2, 5, 9])
    assert positions(ids, np.array([9, 2]), "features.h5", "split.tsv").tolist() == [2, 0]
    with pytest.raises(
        InputError, match=r"features\.h5: lacks 2 of the 3 ids in split\.tsv.*: 1\)"
    ):
        positions(ids, np.array([5, 1, 10]), "features.h5", "split.tsv")
    with pytest.raises(InputError, match="lacks 1"):
        positions(np.array([], int), np.array([5]), "features.h5", "split.tsv")


def test_simulated_data_and_untrained_weights_are_told_by_everything_made_from_them(tmp_path):
    brain, features = tmp_path / "responses.h5", tmp_path / "features.h5"
    told = {"conv1": {"state": "untrained", "label": "untrained (seed 2)"}}
    write_result(brain, {"x": ("row", [0])}, make_provenance("a", {}, {}, simulated=True))
    write_result(
        features,
        {"x": ("row", [0])},
        make_provenance("b", {}, {}, untrained=["alexnet"], weights=told),
    )
    both = make_provenance("c", {}, {"responses": brain, "features": features})
    assert both["simulated"]
    assert both["untrained"] == ["alexnet"]
    assert both["weights"] == told
    assert set(both["inputs"]["features"]) == {"file", "sha256"}
    alone = make_provenance("d", {}, {"features": features})
    assert not alone["simulated"]


def test_tables_keep_missing_values_and_describe_every_column(tmp_path):
    frame = pd.DataFrame({"roi": ["V1v", "NA"], "r": [0.25, np.nan]})
    described = {"roi": "region", "r": "correlation"}
    write_table(tmp_path / "t.tsv", frame, described, ACCOUNT)
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.tsv"), frame)
    with pytest.raises(KeyError, match="r"):
        write_table(tmp_path / "u.tsv", frame, {"roi": "region"}, ACCOUNT)
    assert not (tmp_path / "u.tsv").exists()
