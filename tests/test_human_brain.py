"""The simulated brain of human shape: orientation, places of ROIs, NSD's transforms."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import yaml

from pipeline.nsd.dataset.anatomy import NSDAnatomy
from pipeline.nsd.layout import HEMISPHERES, NSDLayout
from pipeline.nsd.sampling import sample, winner_take_all
from pipeline.nsd.transforms import mni_points, nearest_native_vertices, surface_points
from pipeline.report.meshes import MOST_VERTICES, small_surface
from pipeline.simulation import simulate as simulator
from pipeline.simulation.atlases import LABELS
from pipeline.simulation.human import human_hemispheres, make_human_brain, millimetres
from pipeline.simulation.settings import SimulatedSubject, SimulationSettings

ROOT = Path(__file__).resolve().parents[1]
EDGE, SPACE = 4.0, "func1pt8mm"
SUBJECT = SimulatedSubject(sessions=1, voxel_size=EDGE)
# in localisers of single subjects too, these are often absent
ABSENT = {"mTL-faces", "aTL-faces", "mTL-words", "mTL-bodies"}


@pytest.fixture(scope="module")
def settings():
    """The simulation of the demo, coarser."""
    values = yaml.safe_load((ROOT / "config/demo.yaml").read_text())["simulation"]
    return SimulationSettings(**{**values, "subjects": {"subj01": SUBJECT.model_dump()}})


@pytest.fixture(scope="module")
def brain(settings):
    return make_human_brain(SUBJECT.shape, EDGE, settings.groups)


@pytest.fixture(scope="module")
def tree(brain, settings, tmp_path_factory):
    """Anatomy, surfaces and transforms, as a simulation writes them."""
    root = tmp_path_factory.mktemp("human")
    simulator._write_anatomy(root, "subj01", settings, brain, np.random.default_rng(0))
    simulator._write_surfaces(root, "subj01", settings, brain)
    return NSDLayout(root)


def _centre(brain, roi, left):
    """Mean MNI152 coordinates of the voxels of an ROI in one hemisphere, mm."""
    atlas = next(atlas for atlas, names in LABELS.items() if roi in names)
    member = (brain.labels[atlas] == LABELS[atlas].index(roi) + 1) & (brain.left == left)
    return millimetres(brain.grid, EDGE)[member].mean(axis=0)


def test_numbers_of_voxels_are_about_those_that_resources_are_estimated_from(brain):
    for mask, n_voxels in (("cortex", brain.cortex.sum()), ("nsdgeneral", len(brain.nsdgeneral))):
        assert SUBJECT.n_masked(mask) == pytest.approx(n_voxels, rel=0.15)
    # of NSD's subject 1: 15,724 voxels of 1.8 mm
    assert len(brain.nsdgeneral) * EDGE**3 == pytest.approx(15_724 * 1.8**3, rel=0.25)
    assert len(set(brain.grid)) == 3
    fine = SimulatedSubject(sessions=1, voxel_size=3.1).n_masked("nsdgeneral")
    assert 2_500 < fine < 6_000


def test_left_is_first_posterior_is_first_and_inferior_is_first(brain):
    x, y, z = np.indices(brain.grid)
    cortex = brain.cortex
    assert x[cortex & brain.left].mean() < x[cortex & ~brain.left].mean()
    general = brain.labels["nsdgeneral"] == 1
    assert y[general].max() < y[cortex].mean()
    # the vertex is near the middle, the temporal poles are lateral
    top, bottom = (cortex & (z > np.quantile(z[cortex], q)) for q in (0.98, 0))
    bottom = cortex & (z < np.quantile(z[cortex], 0.02))
    middle = (brain.grid[0] - 1) / 2
    assert np.abs(x[top] - middle).mean() < np.abs(x[bottom] - middle).mean()


@pytest.mark.parametrize("left", [True, False])
def test_rois_lie_where_they_usually_do(brain, left):
    x, y, z = range(3)
    at = {
        roi: np.abs(_centre(brain, roi, left)) * [1, 0, 0] + _centre(brain, roi, left) * [0, 1, 1]
        for atlas, names in LABELS.items()
        if atlas.startswith(("prf-", "floc-"))
        for roi in names
        if roi not in ABSENT and (left or roi != "mfs-words")
    }
    for area in ("V1", "V2", "V3"):
        assert at[f"{area}v"][z] < at[f"{area}d"][z] - 5
    # early areas are medial of hV4, and all behind the category areas
    assert max(at[roi][x] for roi in ("V1v", "V2v", "V3v")) < at["hV4"][x]
    assert max(at[roi][y] for roi in ("V1v", "V1d", "hV4")) < at["FFA-1"][y] < at["FFA-2"][y]
    assert at["OFA"][y] < at["FFA-1"][y]
    assert at["PPA"][x] < at["FFA-2"][x] - 5
    assert at["RSC"][x] < at["PPA"][x]
    assert at["RSC"][z] > at["PPA"][z] + 10
    assert at["OPA"][z] > at["EBA"][z] > at["FBA-1"][z]
    assert at["EBA"][x] > at["OPA"][x]
    # published coordinates of other groups' localisers, to a centimetre
    for roi, place in {"FFA-2": (40, -52, -18), "PPA": (28, -46, -8), "EBA": (47, -71, 4)}.items():
        assert np.linalg.norm(at[roi] - place) < 10, roi


def test_every_roi_is_in_both_hemispheres_and_inside_nsdgeneral(brain):
    general = brain.labels["nsdgeneral"] == 1
    for atlas, names in LABELS.items():
        if atlas == "HCP_MMP1":
            continue
        for number, name in enumerate(names, start=1):
            member = brain.labels[atlas] == number
            assert not (member & ~general).any(), name
            sides = {bool(side) for side in brain.left[member]}
            expected = set() if name in ABSENT else {True, False}
            assert sides == ({True} if name == "mfs-words" else expected), name
    assert (brain.labels["nsdgeneral"][~brain.cortex] == -1).all()
    assert brain.mask[brain.cortex].all()


def test_a_voxel_belongs_to_the_first_group_that_names_it(brain, settings):
    names = np.array(brain.group_names)[brain.group]
    ffa = brain.labels["floc-faces"] == LABELS["floc-faces"].index("FFA-1") + 1
    ppa = brain.labels["floc-places"] == LABELS["floc-places"].index("PPA") + 1
    assert set(names[ffa & ~ppa]) == {"floc-faces/FFA-1"}
    early = brain.labels["streams"] == LABELS["streams"].index("early") + 1
    assert {"streams/early"} <= set(names[early])
    assert set(brain.group_names) == {*np.unique(names[brain.group >= 0])}
    assert (brain.group[brain.labels["nsdgeneral"] < 1] == -1).all()


def test_headers_are_those_of_nsd_whose_origin_is_the_volumes_centre(tree, brain):
    image = nibabel.load(tree.mean_image("subj01", SPACE))
    expected = np.diag([EDGE, EDGE, EDGE, 1])
    expected[:3, 3] = -(np.array(brain.grid) - 1) / 2 * EDGE
    np.testing.assert_allclose(image.affine, expected)
    assert nibabel.aff2axcodes(image.affine) == ("R", "A", "S")
    # a template: grey matter is brighter than what is outside
    assert image.get_fdata()[brain.cortex].mean() > 10 * abs(image.get_fdata()[:2].mean())


def test_labels_come_back_on_the_surface_by_nsds_transforms(tree, brain):
    vertices = human_hemispheres(EDGE, shift=1)
    for side in HEMISPHERES:
        middle = surface_points(tree, "subj01", SPACE, side)[1]
        wall = vertices[side].medial_wall
        assert (middle[wall] > max(brain.grid)).all()
        assert ((middle[~wall] > 1) & (middle[~wall] < brain.grid)).all()
        found = winner_take_all(brain.labels["nsdgeneral"], middle)
        drawn = nibabel.load(tree.surface_roi("subj01", "nsdgeneral", side)).get_fdata().ravel()
        assert drawn.sum() > 1000
        assert (found[drawn == 1] == 1).mean() > 0.9


def test_fsaverage_takes_the_vertex_at_the_same_place(tree):
    for side in HEMISPHERES:
        native, average = (
            nibabel.freesurfer.read_geometry(tree.surface(owner, side, "white"))[0]
            for owner in ("subj01", "fsaverage")
        )
        nearest = nearest_native_vertices(tree, "subj01", side, len(native))
        # another order, so that exchanging them would be noticed
        assert (nearest != np.arange(len(average))).all()
        np.testing.assert_allclose(native[nearest], average, atol=1e-3)


def test_regions_are_at_their_mni_coordinates_after_the_transform(tree, brain):
    points, affine = mni_points(tree, "subj01", SPACE)
    ffa = (brain.labels["floc-faces"] == LABELS["floc-faces"].index("FFA-1") + 1) & brain.left
    found = sample(ffa.astype(float), points.reshape(-1, 3), "linear").reshape(points.shape[:3])
    weight = np.nan_to_num(found)
    place = nibabel.affines.apply_affine(affine, np.moveaxis(np.indices(weight.shape), 0, -1))
    centre = (place * weight[..., None]).sum(axis=(0, 1, 2)) / weight.sum()
    np.testing.assert_allclose(centre, _centre(brain, "FFA-1", True), atol=1)
    assert centre[0] < -30


def test_the_report_finds_a_flat_shape_of_its_surfaces(tree):
    anatomy = NSDAnatomy.open(tree.root, "subj01", SPACE)
    native, average = (small_surface(anatomy, space) for space in ("nativesurface", "fsaverage"))
    for side in (0, 1):
        assert len(native.vertex[side]) == MOST_VERTICES
        np.testing.assert_allclose(
            native.shapes["pial"][side], average.shapes["pial"][side], atol=1e-3
        )
    assert native.flat is not None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "needs `grid`"),
        ({"grid": [15, 19, 14], "voxel_size": 3.0}, "not both"),
        ({"voxel_size": 3.0, "voxels": {"brain": 9, "cortex": 8, "nsdgeneral": 7}}, "`voxels`"),
    ],
)
def test_a_subject_has_a_grid_or_a_voxel_size(values, message):
    with pytest.raises(ValueError, match=message):
        SimulatedSubject(sessions=1, **values)
