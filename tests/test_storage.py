"""Results: whole or absent, joined by id, and honest about what they were made from."""

from __future__ import annotations

import time

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from pipeline.errors import InputError
from pipeline.results.integrity import atomic_path
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import (
    Result,
    _errno,
    aligned_result,
    create_result,
    open_result,
    positions,
    read_result,
    write_result,
)
from pipeline.results.stored_matrix import StoredMatrix
from pipeline.results.tables import read_table, write_table

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
        # HDF5 would write in which second something was made
        time.sleep(1.1)
    assert (tmp_path / "one/result.h5").read_bytes() == (tmp_path / "two/result.h5").read_bytes()
    read = read_result(tmp_path / "one/result.h5")
    assert set(read.data.variables) == set(arrays)
    assert read["model"].tolist() == ["a", "a+b"]
    assert read["letter"].tolist() == ["é", "z"]
    assert np.array_equal(read["r2"], r2, equal_nan=True)
    assert [read[name].dtype for name in ("r2", "exact")] == [np.float32, bool]
    assert read["number"] == 3
    assert read.provenance == ACCOUNT


def test_missing_truncated_foreign_and_outdated_results_are_named_with_the_hint(tmp_path):
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


def test_dimensions_are_joined_by_label_and_a_lacking_label_is_refused_by_name(tmp_path):
    arrays = {
        "voxel": ("voxel", [7, 3, 5]),
        "component": ("component", ["a", "b"]),
        "variance": (("component", "voxel"), [[0.7, 0.3, 0.5], [7.0, 3.0, 5.0]]),
        "grid_shape": ("axis", [2, 2, 2]),
    }
    path = tmp_path / "partition.h5"
    write_result(path, arrays, ACCOUNT)
    like = Result(tmp_path / "fit.h5", xr.Dataset({"voxel": [3, 7]}), ACCOUNT)
    found = aligned_result(path, like)
    assert found["variance"].tolist() == [[0.3, 0.7], [3.0, 7.0]]
    assert found["grid_shape"].tolist() == [2, 2, 2]
    assert found.by_label("variance")["b"].tolist() == [3.0, 7.0]
    assert found.ordered("component", np.array(["b", "a"]), "x")["variance"][0, 0] == 3
    lacking = Result(tmp_path / "fit.h5", xr.Dataset({"voxel": [3, 8]}), ACCOUNT)
    with pytest.raises(InputError, match=r"partition\.h5: lacks 1 of the 2 ids in .*fit\.h5.*: 8"):
        aligned_result(path, lacking)
    with pytest.raises(InputError, match=r"partition\.h5: lacks 1 .* in the study .*: c\)"):
        found.ordered("component", np.array(["a", "c"]), "the study")


def test_a_dimension_of_two_lengths_is_refused(tmp_path):
    with create_result(tmp_path / "x.h5", ACCOUNT) as file:
        file.add("voxel", "voxel", np.arange(3))
        with pytest.raises(ValueError, match="4 of voxel"):
            file.add("r", "voxel", np.zeros(4))


@pytest.mark.parametrize("stored", [np.float16, np.int16])
def test_values_are_read_as_their_attributes_say_however_they_are_stored(tmp_path, stored):
    path, values = tmp_path / "x.h5", np.array([[0.5, -1.5]], np.float32)
    with create_result(path, ACCOUNT) as file:
        file.add("image", "image", [4])
        file.add("voxel", "voxel", [1, 2])
        scale = np.float32(0.5 if stored == np.int16 else 1)
        array = file.add("r", ("image", "voxel"), (values / scale).astype(stored))
        array.attrs["dtype"], array.attrs["scale_factor"] = np.bytes_(b"float32"), scale
    with open_result(path) as file:
        found = StoredMatrix(file, "r", np.array([4]), "the test").of(np.array([1, 2]))
    for read in (found, read_result(path)["r"]):
        assert read.dtype == np.float32
        assert np.array_equal(read, values)


def test_rows_are_found_by_id_and_a_lacking_id_names_both_files():
    ids = np.array([2, 5, 9])
    assert positions(ids, np.array([9, 2]), "features.h5", "split.tsv").tolist() == [2, 0]
    with pytest.raises(
        InputError, match=r"features\.h5: lacks 2 of the 3 ids in split\.tsv.*: 1\)"
    ):
        positions(ids, np.array([5, 1, 10]), "features.h5", "split.tsv")
    with pytest.raises(InputError, match="lacks 1"):
        positions(np.array([], int), np.array([5]), "features.h5", "split.tsv")


def test_simulated_data_and_untrained_weights_are_reported_by_everything_made_from_them(tmp_path):
    brain, features = tmp_path / "responses.h5", tmp_path / "features.h5"
    provenance = {"conv1": {"state": "untrained", "label": "untrained (seed 2)"}}
    write_result(brain, {"x": ("row", [0])}, make_provenance("a", {}, {}, simulated=True))
    write_result(
        features,
        {"x": ("row", [0])},
        make_provenance("b", {}, {}, untrained=["alexnet"], weights=provenance),
    )
    both = make_provenance("c", {}, {"responses": brain, "features": features})
    assert both["simulated"]
    assert both["untrained"] == ["alexnet"]
    assert both["weights"] == provenance
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


def test_a_full_disk_is_recognised_if_closing_the_file_fails_too():
    """HDF5's last message then has no number."""
    error = RuntimeError("Can't destroy cache")
    error.__context__ = OSError("errno = 28, error message = 'No space left on device'")
    assert _errno(error) == 28
    assert _errno(ValueError("no file is concerned")) is None


def test_values_stored_with_less_precision_are_read_as_what_they_are(tmp_path):
    values = np.random.default_rng(0).standard_normal((50, 20)).astype(np.float32)
    with create_result(tmp_path / "r.h5", {}) as file:
        file.add("x", ("row", "column"), values, dtype=np.float32, stored=np.float16)
    with open_result(tmp_path / "r.h5") as file:
        assert file["x"].dtype == np.float16
    found = read_result(tmp_path / "r.h5")["x"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, values, rtol=2**-11, atol=1e-7)
