"""Surfaces are read as volumes are: images by voxels, whichever the space."""

from __future__ import annotations

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import Study, damaged_copy, responses_of
from runs import frozen

from pipeline.dataset.repeats import average_repeats
from pipeline.errors import InputError
from pipeline.jobs.frozen_run import RUN
from pipeline.nsd.check import check_tree
from pipeline.nsd.design import read_design
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.noise_ceilings import recompute_ncsnr
from pipeline.nsd.rois import read_colour_table, read_mask, read_roi_labels
from pipeline.nsd.sessions import SessionReader
from pipeline.nsd.spaces import open_space
from pipeline.stages import compare_noise_ceilings

BETAS = "betas_fithrf_GLMdenoise_RR"
SPACES = ("func1mm", "nativesurface", "fsaverage")
ATLASES = ["prf-visualrois", "streams", "HCP_MMP1"]


@pytest.fixture(params=SPACES)
def space(request, layout):
    return open_space(layout, "subj01", request.param, BETAS)


def test_every_space_gives_images_by_voxels(space, layout):
    design, voxel = read_design(layout, "subj01"), read_mask(space, "nsdgeneral")
    assert (np.diff(voxel) > 0).all()
    reader = SessionReader(space, design)
    averaged = average_repeats(reader.sessions(voxel), design.images, len(voxel))
    assert averaged.responses.shape == (len(design.images), len(voxel))
    covered = averaged.n_valid_repeats.any(axis=0)
    assert 0.5 < covered.mean() < 1
    assert np.isnan(averaged.responses[:, ~covered]).all()


def test_a_session_is_nan_in_all_trials_of_a_voxel_or_in_none(space):
    missing = np.isnan(space.read_session(1, read_mask(space, "cortex")))
    assert np.array_equal(missing.any(axis=0), missing.all(axis=0))
    assert 0 < missing.all(axis=0).mean() < 0.6


def test_some_voxels_are_the_same_as_all_of_them(space):
    voxel = read_mask(space, "cortex")
    some = voxel[::7]
    whole, part = space.read_session(1, voxel), space.read_session(1, some)
    assert np.array_equal(whole[:, np.isin(voxel, some)], part, equal_nan=True)


def test_ncsnr_recomputed_from_the_betas_is_the_released_one(space, layout):
    voxel = read_mask(space, "nsdgeneral")
    recomputed = recompute_ncsnr(space, read_design(layout, "subj01"), voxel)
    released = space.read_ncsnr()[voxel]
    assert np.array_equal(np.isnan(recomputed), np.isnan(released))
    noise = [1 / (1 + ncsnr**2) for ncsnr in (recomputed, released)]
    assert np.nanmax(np.abs(noise[0] - noise[1])) < 1e-5


def test_hemispheres_share_no_voxel_and_together_are_everything(space):
    left, right = (space.read_labels("streams", hemisphere) for hemisphere in ("lh", "rh"))
    both = space.read_labels("streams")
    assert not ((left >= 0) & (right >= 0)).any()
    assert np.array_equal(np.where(left >= 0, left, right), both)


def test_rois_have_the_names_of_their_colour_table_on_both_hemispheres(space):
    labels = read_roi_labels(space, ATLASES, read_mask(space, "nsdgeneral"))
    visual = labels[labels["roi"] == "V1v"]
    assert set(visual["hemisphere"]) == {"lh", "rh"}
    assert set(labels.loc[labels["atlas"] == "HCP_MMP1", "roi"]) <= set(
        read_colour_table(space.layout, "subj01", "HCP_MMP1").values()
    )


def test_an_area_whose_name_is_a_number_keeps_it_as_a_name(layout):
    names = read_colour_table(layout, "subj01", "HCP_MMP1")
    assert names[8] == "4"
    assert 0 not in names


def test_subcortical_rois_have_no_minus_one_and_names_of_several_words(layout):
    space = open_space(layout, "subj01", "func1mm", BETAS)
    names = read_colour_table(layout, "subj01", "MTL")
    assert names[2] == "area 35"
    assert set(np.unique(space.read_labels("MTL"))) == {0, *names}
    left, right = (space.read_labels("MTL", hemisphere) for hemisphere in ("lh", "rh"))
    assert np.array_equal(left + right, space.read_labels("MTL"))
    labels = read_roi_labels(space, ["MTL"], np.flatnonzero(space.read_labels("MTL") > 0))
    assert set(labels["hemisphere"]) == {"lh", "rh"}


def test_rois_drawn_on_the_subject_come_to_fsaverage_by_its_nearest_vertices(layout):
    assert not layout.surface_roi("fsaverage", "prf-visualrois", "lh").exists()
    native = open_space(layout, "subj01", "nativesurface", BETAS)
    average = open_space(layout, "subj01", "fsaverage", BETAS)
    path = layout.surface_transform("subj01", "lh", "white", "fsaverage")
    nearest = np.asanyarray(nibabel.load(path).dataobj).ravel().astype(int) - 1
    labels = native.read_labels("prf-visualrois")[: native.shape[0]]
    assert np.array_equal(
        average.read_labels("prf-visualrois")[: average.shape[0]], labels[nearest]
    )


def test_native_betas_are_300ths_and_fsaverages_are_percent(layout):
    vertex = 11
    for name, unit in (("nativesurface", 300), ("fsaverage", 1)):
        space = open_space(layout, "subj01", name, BETAS)
        right = np.array([space.shape[0] + vertex])
        betas = space.read_session(1, right)[:, 0]
        path = layout.surface_betas("subj01", name, BETAS, 1, "rh")
        if name == "nativesurface":
            with h5py.File(path) as file:
                assert file["betas"].shape == (750, space.shape[1])
                stored = file["betas"][:, vertex]
        else:
            image = nibabel.load(path)
            assert image.shape == (space.shape[1], 1, 1, 750)
            assert image.get_data_dtype() == np.dtype(">f4")
            stored = np.asanyarray(image.dataobj)[vertex, 0, 0]
        assert np.isfinite(betas).all()
        assert np.allclose(betas, stored / unit)


def test_a_surface_study_checks_its_files(layout):
    for name in SPACES:
        summary = check_tree(layout, responses_of(["subj01"], name, BETAS), ATLASES, ["captions"])
        assert summary["subj01"]["sessions"] == 1


# ---- the command that compares released noise ceilings with those of the betas


def compare(nsd, space, out, monkeypatch):
    """Run the stage in this process; its table's row."""
    settings = responses_of(["subj01"], space, BETAS)["subj01"]
    monkeypatch.setenv(RUN, frozen(out.parent, responses=settings)[RUN])
    options = ["--nsd", str(nsd), "--subject", "subj01", "--configuration", "responses"]
    monkeypatch.setattr("sys.argv", ["compare_noise_ceilings", *options, "--out", str(out)])
    compare_noise_ceilings.main()
    return pd.read_csv(out, sep="\t").iloc[0]


@pytest.mark.parametrize("name", SPACES)
def test_the_noise_ceilings_of_every_space_are_those_of_its_betas(
    layout, name, tmp_path, monkeypatch
):
    row = compare(layout.root, name, tmp_path / "table.tsv", monkeypatch)
    modelled = read_mask(open_space(layout, "subj01", name, BETAS), "nsdgeneral")
    assert row["n_voxels"] + row["n_excluded"] == len(modelled)
    assert row["n_voxels"] > 0.5 * len(modelled)
    assert row["largest_noise_difference"] < 1e-5


@pytest.mark.parametrize("name", ["nativesurface", "fsaverage"])
def test_an_ncsnr_of_other_vertices_is_reported(layout, name, tmp_path, monkeypatch):
    """Moved by one vertex, it would pass every look at its shape."""
    tree = NSDLayout(damaged_copy(layout.root, tmp_path))
    path = tree.surface_ncsnr("subj01", name, BETAS, "rh")
    image = nibabel.load(path)
    covered = np.flatnonzero(np.isfinite(image.get_fdata().ravel()))
    values = np.array(image.dataobj).ravel()
    values[covered] = values[np.roll(covered, 1)]
    path.unlink()
    nibabel.MGHImage(values.reshape(image.shape), image.affine).to_filename(path)
    with pytest.raises(InputError, match=rf"{name}.*: ncsnr of \d+ of \d+ voxels differs"):
        compare(tree.root, name, tmp_path / "table.tsv", monkeypatch)
    assert not (tmp_path / "table.tsv").exists()


@pytest.mark.workflow
def test_snakemake_compares_the_noise_ceilings_of_a_surface(surface_tree, tiny_values, tmp_path):
    values = {**tiny_values, "nsd": str(surface_tree), "subjects": ["subj01"]}
    values.pop("simulation")
    values["responses"] = {**values["responses"], "space": "nativesurface"}
    values["maps"] = {"spaces": []}
    measured = Study(tmp_path, tmp_path / "surface.yaml")
    measured.configuration.write_text(yaml.safe_dump(values))
    measured.snakemake("noise_ceilings")
    table = pd.read_csv(measured.results / "checked/noise_ceilings/subj01.tsv", sep="\t")
    assert (table["largest_noise_difference"] < 1e-5).all()
    assert measured.planned("noise_ceilings") == {}
