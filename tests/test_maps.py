"""Maps: values at the right place, files that viewers open and that say what they are."""

from __future__ import annotations

import string
from pathlib import Path

import nibabel
import numpy as np
import pytest
import xarray as xr
from conftest import weights_of
from hypothesis import given
from hypothesis import strategies as st
from nilearn import plotting
from nilearn.reporting import get_clusters_table

from encoding.variance_partitioning import COMPONENT_SEPARATOR, MODEL_SEPARATOR
from pipeline.analyses.layers.maps import voxel_maps as layer_maps
from pipeline.configuration.reading import parse_configuration, read_configuration
from pipeline.configuration.settings import DRAWN, QUANTITIES
from pipeline.errors import InputError
from pipeline.fits.described_tests import describe_tests
from pipeline.maps.descriptions import described_quantities
from pipeline.maps.files import (
    bids_label,
    image_like,
    map_files,
    map_images,
    map_names,
    read_map,
    write_map,
)
from pipeline.maps.quantities import (
    DESCRIPTIONS,
    VoxelMap,
    ceiling_maps,
    encoding_maps,
    preferred_model_map,
)
from pipeline.maps.volume import volume_image
from pipeline.results.metadata import metadata_path, read_metadata
from pipeline.results.storage import Result
from pipeline.stages.write_maps import _add

GRID = (4, 5, 6)
AFFINE = np.array([[1.8, 0, 0, -7], [0, 1.8, 0, -11], [0, 0, 1.8, 3], [0, 0, 0, 1.0]])
ONE = np.array([0])
DEMO = Path(__file__).parent.parent / "config/demo.yaml"


GEOMETRY = {"grid_shape": np.array(GRID), "affine": AFFINE}


@pytest.fixture
def image() -> nibabel.Nifti1Image:
    voxel = np.arange(20, 90)
    return map_images(np.linspace(-0.5, 0.5, len(voxel)), voxel, GEOMETRY)[0]


def test_values_come_out_at_their_voxel():
    voxel = np.ravel_multi_index((1, 4, 2), GRID)
    (image,) = map_images(np.array([-0.25]), np.array([voxel]), GEOMETRY)
    volume = image.get_fdata()
    assert volume.shape == GRID
    assert image.get_data_dtype() == np.float32
    assert volume[1, 4, 2] == -0.25
    assert np.isnan(volume).sum() == volume.size - 1


def test_vertices_come_out_in_their_hemisphere(tmp_path):
    values, voxel = np.array([0.1, 0.2, 0.3]), np.array([1, 3, 6])
    images = map_images(values, voxel, {"grid_shape": np.array([3, 4])})
    names = map_names("subj01", "fsaverage", "model-bert_stat-r")
    for name, image in zip(names, images, strict=True):
        write_map(tmp_path / name, image, {})
    nan = np.nan
    left, right = (read_map(tmp_path / name) for name in names)
    np.testing.assert_allclose(left, [nan, 0.1, nan])
    np.testing.assert_allclose(right, [0.2, nan, nan, 0.3])
    assert [name.split("_")[1] for name in names] == ["hemi-L", "hemi-R"]
    meta = nibabel.load(tmp_path / names[1]).meta
    assert meta["AnatomicalStructurePrimary"] == "CortexRight"
    assert metadata_path(tmp_path / names[1]).exists()


def test_file_keeps_values_and_affine(tmp_path, image):
    path = tmp_path / "map.nii.gz"
    write_map(path, image, {"Units": "R²"})
    read = nibabel.load(path)
    np.testing.assert_array_equal(read_map(path), image.get_fdata(dtype=np.float32))
    np.testing.assert_allclose(read.affine, AFFINE)
    assert read_metadata(tmp_path / "map.json") == {"Units": "R²"}


def of_kinds(tmp_path: Path) -> dict[str, Path]:
    """A map of values, one of labels, one in MNI, and a mean over subjects in either."""
    voxel = np.ravel_multi_index(([1, 1, 2], [2, 3, 3], [3, 3, 3]), GRID)
    values, written = np.array([2.0, 3.0, 4.0]), {}
    for space in ("func1mm", "MNI152"):
        for labels in (None, {2: "V1v", 3: "V1d", 4: "V2v"}):
            (made,) = map_images(values, voxel, GEOMETRY, labels, space)
            path = tmp_path / map_names("subj01", space, "stat-r", labels=labels is not None)[0]
            write_map(path, made, {}, labels)
            written[f"{space} {'labels' if labels else 'values'}"] = path
        mean = tmp_path / map_names(None, space, "stat-r_desc-mean")[0]
        values_only = written[f"{space} values"]
        write_map(mean, image_like(values_only, read_map(values_only)), {})
        written[f"{space} mean"] = mean
    return written


def test_headers_state_one_place_in_millimetres(tmp_path):
    for kind, path in of_kinds(tmp_path).items():
        header = nibabel.load(path).header
        np.testing.assert_allclose(header.get_zooms(), [1.8] * 3, rtol=1e-6)
        assert header.get_xyzt_units()[0] == "mm"
        code = 4 if kind.startswith("MNI") else 1
        assert (int(header["sform_code"]), int(header["qform_code"])) == (code, code), kind
        np.testing.assert_allclose(header.get_sform(), AFFINE, atol=1e-5)
        np.testing.assert_allclose(header.get_qform(), AFFINE, atol=1e-5)
        assert header.get_intent()[0] == ("label" if "labels" in kind else "none")


def test_nilearn_measures_clusters_in_cubic_millimetres(tmp_path):
    for path in of_kinds(tmp_path).values():
        table = get_clusters_table(nibabel.load(path), stat_threshold=1.5)
        assert table["Cluster Size (mm3)"].iloc[0] == int(3 * 1.8**3)


def test_a_mirrored_affine_is_recognised_in_both_forms():
    """A frame from right to left needs a qform of another handedness."""
    mirrored = AFFINE @ np.diag([-1, 1, 1, 1])
    header = volume_image(np.zeros(GRID), mirrored).header
    np.testing.assert_allclose(header.get_qform(), mirrored, atol=1e-5)
    np.testing.assert_allclose(header.get_sform(), mirrored, atol=1e-5)


def test_surfaces_of_the_group_state_their_hemisphere(tmp_path):
    voxel = np.arange(7)
    images = map_images(voxel / 7, voxel, {"grid_shape": np.array([3, 4])})
    for name, image in zip(map_names("subj01", "fsaverage", "stat-r"), images, strict=True):
        write_map(tmp_path / name, image, {})
        made = image_like(tmp_path / name, read_map(tmp_path / name) * 2)
        assert made.meta == image.meta
        (array,) = made.darrays
        assert array.data.dtype == np.float32
        np.testing.assert_allclose(array.data, image.darrays[0].data * 2)


def test_equal_maps_are_equal_files(tmp_path, image, monkeypatch):
    write_map(tmp_path / "first.nii.gz", image, {})
    monkeypatch.setattr("time.time", lambda: 2e9)
    write_map(tmp_path / "second.nii.gz", image, {})
    assert (tmp_path / "first.nii.gz").read_bytes() == (tmp_path / "second.nii.gz").read_bytes()


def test_nilearn_opens_a_map(tmp_path, image):
    path = tmp_path / "map.nii.gz"
    write_map(path, image, {})
    view = plotting.view_img(str(path), bg_img=False, threshold=None)
    assert "<canvas" in view.get_standalone()


def test_label_reads_like_the_name():
    assert bids_label("clip_rn50+resnet50") == "clipRn50PlusResnet50"
    assert bids_label("clip_rn50&bert") == "clipRn50AndBert"


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9_]*([+&][A-Za-z][A-Za-z0-9_]*){0,2}", fullmatch=True))
def test_labels_are_alphanumeric(name):
    assert set(bids_label(name)) <= set(string.ascii_letters + string.digits)


def test_labels_of_the_demo_differ():
    study = read_configuration(DEMO)
    joined = {
        separator.join(spaces)
        for spaces in study.fits().values()
        for separator in (MODEL_SEPARATOR, COMPONENT_SEPARATOR)
    }
    names = joined | set(study.comparisons)
    assert len({bids_label(name) for name in names}) == len(names)


def test_the_configuration_names_every_quantity_of_the_core():
    assert set(QUANTITIES) == set(DESCRIPTIONS)
    assert set(DRAWN) < set(QUANTITIES)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, {*DRAWN, "r2", "normalisedR2", "shared"}),
        ({"quantities": []}, {*DRAWN}),
        ({"quantities": ["r", "p"]}, {*DRAWN, "p"}),
        ({"quantities": ["all"]}, {*QUANTITIES}),
    ],
)
def test_quantities_are_chosen_besides_those_of_the_report(tiny_values, chosen, expected):
    tiny_values["maps"] = chosen
    assert set(parse_configuration(tiny_values).mapped_quantities) == expected


def test_an_unknown_quantity_is_refused_with_the_known_ones(tiny_values):
    tiny_values["maps"]["quantities"] = ["correlation"]
    with pytest.raises(InputError, match=r"maps\.quantities\.0: .*'r', .*\(got 'correlation'\)"):
        parse_configuration(tiny_values)


@pytest.mark.parametrize(
    ("quantity", "name", "more", "folder"),
    [
        ("r", "clip_rn50+bert", {}, "clip_rn50+bert"),
        ("unique", "bert", {"comparison": "clip_rn50_vs_bert"}, "clip_rn50_vs_bert"),
        ("ceiling", "noise ceiling", {}, "subject"),
        ("preferredModel", "preferred model", {}, "subject"),
        ("roi", "floc-faces", {}, "subject"),
        ("weightProjection", "bert component 1", {"model": "bert"}, "bert"),
    ],
)
def test_maps_are_in_the_folder_of_their_model_or_comparison(quantity, name, more, folder):
    one = VoxelMap(quantity, name, **{"comparison": None, **more}, voxel=ONE, values=ONE)
    assert one.folder == folder


def test_files_of_a_map_are_found_by_the_index(tmp_path):
    names = map_names("subj01", "fsaverage", "model-bert_stat-r")
    reported = {"space": "fsaverage", "entities": "model-bert_stat-r"}
    index = {f"bert/{name}": reported for name in reversed(names)}
    found = map_files(tmp_path, index)
    assert found == {(*reported.values(),): [tmp_path / "bert" / name for name in names]}


def _map(name: str, value: float) -> VoxelMap:
    return VoxelMap("r", name, None, np.array([0]), np.array([value]))


def test_names_with_one_label_are_refused():
    found: dict[str, VoxelMap] = {}
    with pytest.raises(InputError, match=r"net_conv1_1 and net_conv11.*rename one"):
        _add(found, [_map("net_conv1_1", 0.1), _map("net_conv11", 0.2)])


def fitted(model: str, untrained: list[str], **arrays: object) -> tuple[Result, Result]:
    """A fit and its tests in two voxels."""
    values = np.array([0.1, 0.3])
    spaces = model.split(MODEL_SEPARATOR)
    voxel = {"voxel": np.array([7, 9])}
    found = {"noise_ceiling": [0.5, 0.4], "reliability": [0.05, 0.4]}
    found |= dict.fromkeys(("r", "r2", "cv_score", "alpha"), values)
    weights = ("space", "voxel"), np.tile(values, (len(spaces), 1))
    fit, tests = (
        xr.Dataset({name: ("voxel", v) for name, v in {**voxel, **of_voxels}.items()})
        for of_voxels in (found | arrays, {"p": values, "q": values})
    )
    fit = fit.assign(space=spaces, band_weights=weights)
    recorded = describe_tests("permutation", "images", 2000)
    weights = weights_of(*spaces, untrained=untrained)
    provenance = {"configuration": {"tests": recorded, "spaces": spaces}, "weights": weights}
    return (
        Result(Path("x.h5"), fit, provenance),
        Result(Path("y.h5"), tests, provenance),
    )


def test_a_map_of_tested_values_states_the_test():
    result, significance = fitted("clip", [])
    reported = {m.quantity: m.test for m in encoding_maps(result, significance)}
    assert (
        reported["r"]
        == reported["p"]
        == reported["q"]
        == describe_tests("permutation", "images", 1)["models"]
    )
    assert reported["r2"] is None
    assert {m.test for m in ceiling_maps(result)} == {None}
    for resample in ("images", "clusters"):
        words = describe_tests("permutation", resample, 1)
        assert ("clusters" in words["models"]) == ("clusters" in words["components"])
        assert ("clusters" in words["models"]) == (resample == "clusters")
    assert "not below 1 / 2001" in describe_tests("bootstrap", "images", 2000)["components"]


def test_a_map_states_which_of_its_own_spaces_are_untrained():
    models = "bert", "clip", "bert+clip"
    untrained = {"bert": [], "clip": ["clip"], "bert+clip": ["clip"]}
    maps = [m for name in models for m in encoding_maps(*fitted(name, untrained[name]))]
    assert {m.name: m.untrained for m in maps if m.quantity == "r"} == {
        "bert": (),
        "clip": ("clip",),
        "bert+clip": ("clip",),
    }
    assert {m.quantity for m in maps} <= set(described_quantities())


def test_normalised_scores_are_of_explainable_voxels_only():

    def mapped(**arrays: np.ndarray) -> dict[str, np.ndarray]:
        result, tests = fitted("bert", [], **arrays)
        return {
            m.quantity: m.values for m in (*ceiling_maps(result), *encoding_maps(result, tests))
        }

    maps = mapped()
    np.testing.assert_allclose(maps["normalisedR"], [np.nan, 0.3 / np.sqrt(0.4)])
    np.testing.assert_allclose(maps["normalisedR2"], [np.nan, 0.3 / 0.4])
    np.testing.assert_allclose(maps["correlationCeiling"], np.sqrt([0.5, 0.4]))
    # which voxels count is their reliability; below 0 a ceiling is the bound of nothing
    negative = {"noise_ceiling": np.array([0.5, -0.1]), "reliability": np.array([0.5, 0.5])}
    maps = mapped(**negative)
    np.testing.assert_allclose(maps["normalisedR"], [0.1 / np.sqrt(0.5), np.nan])
    np.testing.assert_allclose(maps["ceiling"], [0.5, -0.1])
    np.testing.assert_allclose(maps["correlationCeiling"], [np.sqrt(0.5), 0])


def test_band_weights_are_maps_of_joint_models_by_band():
    assert not any(m.band for m in encoding_maps(*fitted("bert", [])))
    maps = [m for m in encoding_maps(*fitted("bert+clip", [])) if m.band]
    assert [m.entities for m in maps] == [
        "model-bertPlusClip_band-bert_stat-bandWeight",
        "model-bertPlusClip_band-clip_stat-bandWeight",
    ]


def test_the_preferred_model_has_the_best_cross_validated_score():
    first, _ = fitted("bert", [], cv_score=np.array([0.2, 0.1]))
    second, _ = fitted("clip", ["clip"], cv_score=np.array([0.1, 0.15]))
    preferred = preferred_model_map({"bert": first, "clip": second})
    # the first voxel's reliability is too low for a preference
    np.testing.assert_array_equal(preferred.values, [np.nan, 2])
    assert preferred.labels == {1: "bert", 2: "clip"}
    assert preferred.untrained == ("clip",)


def test_labels_are_integers_with_names_and_colours(tmp_path):
    labels = {1: "V1v", 4: "V2d"}
    values, voxel = np.array([4.0, np.nan, 1.0]), np.array([0, 2, 5])
    for geometry, space in ((GEOMETRY, "func1mm"), ({"grid_shape": np.array([3, 4])}, "fsaverage")):
        images = map_images(values, voxel, geometry, labels)
        names = map_names("subj01", space, "seg-prfVisualrois", labels=True)
        for name, image in zip(names, images, strict=True):
            write_map(tmp_path / name, image, {}, labels)
        found = np.concatenate([read_map(tmp_path / name).ravel() for name in names])
        assert found[[0, 2, 5]].tolist() == [4, 0, 1]
        assert np.count_nonzero(found) == 2
    table = nibabel.load(tmp_path / names[0]).labeltable.get_labels_as_dict()
    assert table == {0: "none", **labels}
    lines = (tmp_path / "sub-01_space-func1mm_seg-prfVisualrois_dseg.tsv").read_text()
    assert lines.splitlines()[0] == "index\tname\tcolor"
    assert lines.splitlines()[2].startswith("4\tV2d\t#")


def test_names_are_of_bids_and_state_nsds_subject():
    assert map_names("subj08", "MNI152", "stat-ceiling") == [
        "sub-08_space-MNI152NLin6Asym_stat-ceiling_statmap.nii.gz"
    ]
    assert map_names(None, "fsaverage", "stat-ceiling_desc-t") == [
        f"hemi-{side}_space-fsaverage_stat-ceiling_desc-t_statmap.func.gii" for side in "LR"
    ]


def test_preferred_layers_are_maps_of_a_network_of_their_own_name():
    """A network may be called as one of its layers is: maps of both must have other names."""
    arrays = {"voxel": ("voxel", [7]), "best": ("voxel", [2.0]), "first": ("voxel", [np.nan])}
    configuration = {"network": "bert", "spaces": ["conv1", "bert"]}
    provenance = {
        "configuration": configuration,
        "weights": weights_of("conv1", untrained=["bert"]),
    }
    maps = list(layer_maps(Result(Path("x.h5"), xr.Dataset(arrays), provenance)))
    assert [m.entities for m in maps] == [
        "network-bert_stat-preferredLayer",
        "network-bert_stat-firstLayer",
    ]
    assert maps[0].untrained == ("bert",)
    assert _map("bert", 0.1).entities == "model-bert_stat-r"
