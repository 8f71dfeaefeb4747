"""Fits whose voxels are divided among jobs are the fits of one job."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from conftest import assert_same_arrays, branch

from encoding.inference.significance import false_discovery_rate
from pipeline.errors import InputError
from pipeline.fits.voxel_chunks import voxels_of
from pipeline.results.storage import create_result, read_result, write_result
from pipeline.stages import gather_voxels

FITS = ("encoding", "significance")
# a joint model, which takes voxels over from parts of others, and a comparison's tests
JOINT, COMPARISON = "subj01/all/alexnet+bert.h5", "subj01/all/alexnet_vs_bert.h5"
FILES = [*(f"{kind}/{JOINT}" for kind in FITS), f"significance/{COMPARISON}"]
RESULTS = [f"results/tiny/{name}" for name in FILES]


@pytest.mark.parametrize("n_voxels", [7, 600, 15_724])
def test_every_voxel_is_in_one_part(n_voxels):
    parts = [voxels_of(f"{number}of7", n_voxels) for number in range(1, 8)]
    voxels = np.concatenate([np.arange(n_voxels)[part] for part in parts])
    np.testing.assert_array_equal(voxels, np.arange(n_voxels))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_more_parts_than_voxels_are_refused():
    with pytest.raises(InputError, match=r"scatter.voxel_chunks: 3 parts of 2 voxels"):
        voxels_of("1of3", 2)


def assert_same_results(found_in, expected_in):
    """All arrays of a fit and its tests, up to rounding; other picks only in voxels that tie."""
    for name in FILES:
        found, expected = (read_result(s.results / name) for s in (found_in, expected_in))
        assert_same_arrays(found, expected)
        assert found.provenance["configuration"] == expected.provenance["configuration"]


def test_results_do_not_depend_on_the_number_of_parts(study, tmp_path):
    divided = branch(study, tmp_path / "study", "divided.yaml")
    divided.edit(lambda values: values.update(scatter={"voxel_chunks": 2}))
    divided.snakemake(*RESULTS)
    assert_same_results(divided, study)
    assert not list((divided.results / "parts").rglob("*.h5"))


def test_parts_are_joined_along_their_voxels(tmp_path, monkeypatch):
    """Every other array is that of the first; q is over all voxels."""
    p = np.array([[0.01, 0.04, np.nan, 0.5, 0.02], [0.9, 0.01, 0.3, 0.2, 0.4]], np.float32)
    whole = xr.Dataset(
        {
            "p": (("component", "voxel"), p),
            "exact": ("voxel", [True, False, True, True, False]),
            "grid_shape": ("axis", [2, 3, 4]),
        },
        {"voxel": [8, 9, 12, 13, 20], "component": ["é", "b"]},
    )
    paths = [tmp_path / f"{number}of2.h5" for number in (1, 2)]
    for path, part in zip(paths, (slice(0, 2), slice(2, 5)), strict=True):
        write_result(path, whole.isel(voxel=part), {"seed": 1})
    out = tmp_path / "joined.h5"
    command = ["gather", "--parts", *map(str, paths), "--out", str(out)]
    monkeypatch.setattr("sys.argv", [*command, "--false-discovery-rates", "True"])
    gather_voxels.main()
    joined = read_result(out)
    q = np.array([false_discovery_rate(row) for row in p], np.float32)
    xr.testing.assert_equal(joined.data, whole.assign(q=(("component", "voxel"), q)))
    assert [joined[name].dtype for name in ("p", "exact")] == [np.float32, bool]


def test_parts_computed_on_different_devices_are_joined_and_both_named(tmp_path, monkeypatch):
    parts = []
    for number, device in enumerate(("cuda: H200", "numpy"), start=1):
        parts.append(tmp_path / f"{number}.h5")
        provenance = {"configuration": {"solver": "native", "computed_by": device}}
        with create_result(parts[-1], provenance) as file:
            file.add("voxel", "voxel", np.array([number]))
    out = tmp_path / "joined.h5"
    monkeypatch.setattr("sys.argv", ["gather", "--parts", *map(str, parts), "--out", str(out)])
    gather_voxels.main()
    configuration = read_result(out).provenance["configuration"]
    assert configuration == {"solver": "native", "computed_by": "cuda: H200, numpy"}


def test_parts_of_different_runs_are_not_joined(tmp_path, monkeypatch):
    for number in (1, 2):
        with create_result(tmp_path / f"{number}.h5", {"seed": number}) as file:
            file.add("voxel", "voxel", np.arange(3))
    paths = [str(tmp_path / f"{number}.h5") for number in (1, 2)]
    out = tmp_path / "joined.h5"
    monkeypatch.setattr("sys.argv", ["gather", "--parts", *paths, "--out", str(out)])
    with pytest.raises(InputError, match=r"2.h5: made of other inputs"):
        gather_voxels.main()
    assert not out.exists()
