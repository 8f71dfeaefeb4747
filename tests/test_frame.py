"""Where voxels are: files in another order of axes read alike, those elsewhere are refused."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
from conftest import damaged_copy, responses_of, rewrite
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from pipeline.errors import InputError
from pipeline.nsd.check import check_tree
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.spaces import open_space
from pipeline.nsd.transforms import mni_points
from pipeline.simulation.files import REPETITION_TIME, VOXEL_SIZE, write_nifti

SUBJECT, SPACE, BETAS = "subj01", "func1mm", "betas_fithrf_GLMdenoise_RR"
MAP_SPACES = (SPACE, "nativesurface", "fsaverage", "MNI152")
ATLASES = ["prf-visualrois", "floc-words"]
FUNCTIONAL = f"nsddata/ppdata/{SUBJECT}/{SPACE}"
TRANSFORMS = f"nsddata/ppdata/{SUBJECT}/transforms"
BETA_FOLDER = f"nsddata_betas/ppdata/{SUBJECT}/{SPACE}/{BETAS}"
SESSION = f"{BETA_FOLDER}/betas_session01.nii.gz"
MASK = f"{FUNCTIONAL}/roi/nsdgeneral.nii.gz"
VOLUMES = (
    SESSION,
    MASK,
    f"{FUNCTIONAL}/roi/prf-visualrois.nii.gz",
    f"{FUNCTIONAL}/roi/lh.prf-visualrois.nii.gz",
    f"{FUNCTIONAL}/mean.nii.gz",
    f"{FUNCTIONAL}/valid_session01.nii.gz",
    f"{BETA_FOLDER}/ncsnr.nii.gz",
    f"{TRANSFORMS}/func1pt0-to-MNI.nii.gz",
)


@pytest.fixture(scope="module")
def nifti_tree(surface_tree, tmp_path_factory) -> Path:
    """The tree with its session as NIfTI instead of HDF5, which has no orientation."""
    tree = damaged_copy(surface_tree, tmp_path_factory.mktemp("nifti"))
    path = tree / BETA_FOLDER / "betas_session01.hdf5"
    with h5py.File(path) as file:
        betas = file["betas"][:].transpose(3, 2, 1, 0)
    path.unlink()
    write_nifti(path.with_suffix(".nii.gz"), betas, VOXEL_SIZE[SPACE], REPETITION_TIME[SPACE])
    return tree


@pytest.fixture(scope="module")
def expected(nifti_tree) -> list[np.ndarray]:
    return read(nifti_tree)


def read(tree: Path) -> list[np.ndarray]:
    """Everything that a study reads of volumes."""
    layout = NSDLayout(tree)
    space = open_space(layout, SUBJECT, SPACE, BETAS)
    some = np.arange(0, space.n_voxels, 7)
    return [
        space.read_session(1, some),
        space.read_ncsnr(),
        space.read_labels("nsdgeneral"),
        *(space.read_labels("prf-visualrois", side) for side in (None, "lh", "rh")),
        space.affine,
        *mni_points(layout, SUBJECT, SPACE),
    ]


def check(tree: Path, space: str = SPACE, map_spaces: tuple[str, ...] = MAP_SPACES) -> None:
    responses = responses_of([SUBJECT], space, BETAS)
    check_tree(NSDLayout(tree), responses, ATLASES, [], map_spaces)


def change(path: Path, changed: Callable[[nibabel.Nifti1Image], nibabel.Nifti1Image]) -> None:
    rewrite(path, gzip.compress(changed(nibabel.load(path)).to_bytes(), compresslevel=1))


def reordered(codes: str) -> Callable[[nibabel.Nifti1Image], nibabel.Nifti1Image]:
    """As any program writes the same voxels in another order of axes."""

    def changed(image: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
        turn = ornt_transform(io_orientation(image.affine), axcodes2ornt(tuple(codes)))
        return image.as_reoriented(turn)

    return changed


CODES = ("LAS", "RPS", "LPI", "PSR", "IRA")


@pytest.mark.parametrize("name", VOLUMES)
def test_the_same_voxels_in_another_order_are_read_alike(nifti_tree, expected, tmp_path, name):
    tree = damaged_copy(nifti_tree, tmp_path)
    change(tree / name, reordered(CODES[VOLUMES.index(name) % len(CODES)]))
    check(tree, map_spaces=(SPACE, "MNI152"))
    for found, values in zip(read(tree), expected, strict=True):
        np.testing.assert_array_equal(found, values)


def test_so_they_are_whatever_the_order_of_each(nifti_tree, expected, tmp_path):
    """As a copy that was converted whole, but for the session."""
    tree = damaged_copy(nifti_tree, tmp_path)
    for name, codes in zip(VOLUMES[1:], (*CODES, *CODES), strict=False):
        change(tree / name, reordered(codes))
    for found, values in zip(read(tree), expected, strict=True):
        np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SRA"])
def test_a_template_in_another_order_gives_the_same_places(nifti_tree, tmp_path, codes):
    expected = mni_points(NSDLayout(nifti_tree), SUBJECT, SPACE)
    tree = damaged_copy(nifti_tree, tmp_path)
    change(NSDLayout(tree).mni_template, reordered(codes))
    for found, values in zip(mni_points(NSDLayout(tree), SUBJECT, SPACE), expected, strict=True):
        np.testing.assert_array_equal(found, values)


def placed(affine: Callable[[np.ndarray], np.ndarray]) -> Callable[..., nibabel.Nifti1Image]:
    """The same numbers, said to lie elsewhere."""

    def changed(image: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
        made = nibabel.Nifti1Image(np.asanyarray(image.dataobj), None, image.header)
        made.set_sform(affine(image.affine), code=1)
        return made

    return changed


def without_orientation(image: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    return image


def of_two_orientations(image: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    image.set_qform(image.affine @ np.diag([-1, 1, 1, 1]), code=1)
    return image


def turned(affine: np.ndarray) -> np.ndarray:
    return nibabel.affines.from_matvec(nibabel.eulerangles.euler2mat(0.1)) @ affine


ELSEWHERE = {
    "moved": (placed(lambda a: a + np.eye(4, k=3)), "do not lie where"),
    "mirrored": (placed(lambda a: np.diag([-1, 1, 1, 1]) @ a + np.eye(4, k=3)), "do not lie where"),
    "larger": (placed(lambda a: a @ np.diag([1.8, 1.8, 1.8, 1])), "do not lie where"),
    "turned": (placed(turned), "do not lie where"),
    "without an affine": (placed(lambda _: np.eye(4)), "do not lie where"),
    "singular": (placed(lambda a: a @ np.diag([1, 0, 1, 1])), "singular affine"),
    "without orientation": (without_orientation, "no orientation in its header"),
    "of two orientations": (of_two_orientations, "disagree"),
}


def refused(tree: Path, name: str, message: str, reader: Callable[[Path], object]) -> None:
    with pytest.raises(InputError, match=message) as error:
        reader(tree)
    assert str(tree / name) in str(error.value).splitlines()[0]


@pytest.mark.parametrize("name", VOLUMES)
def test_a_volume_that_lies_elsewhere_is_refused(nifti_tree, tmp_path, name):
    tree = damaged_copy(nifti_tree, tmp_path)
    changed, message = ELSEWHERE["moved"]
    change(tree / name, changed)
    refused(tree, name, message, partial(check, map_spaces=(SPACE, "MNI152")))
    if "mean" not in name:
        refused(tree, name, message, read)


@pytest.mark.parametrize("elsewhere", ELSEWHERE.values(), ids=ELSEWHERE)
def test_voxels_that_lie_elsewhere_are_refused_whatever_moved_them(nifti_tree, tmp_path, elsewhere):
    changed, message = elsewhere
    for number, name in enumerate((VOLUMES[3], MASK)):
        tree = damaged_copy(nifti_tree, tmp_path / str(number))
        change(tree / name, changed)
        refused(tree, name, message, read)


# ---- hemispheres


def exchange(tree: Path, left: str, right: str) -> None:
    """Both files under the other's name."""
    contents = [(tree / name).read_bytes() for name in (left, right)]
    rewrite(tree / left, contents[1])
    rewrite(tree / right, contents[0])


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (f"{FUNCTIONAL}/roi/{{}}.prf-visualrois.nii.gz", "hemispheres were exchanged"),
        ("nsddata/freesurfer/fsaverage/surf/{}.pial", "hemispheres were exchanged"),
        (f"nsddata/freesurfer/{SUBJECT}/surf/{{}}.pial", "grid"),
        (f"nsddata/freesurfer/{SUBJECT}/surf/{{}}.sulc", "grid"),
        (f"{TRANSFORMS}/{{}}.func1pt0-to-layerB1.mgz", "grid"),
        (f"{TRANSFORMS}/{{}}.func1pt0-to-layerB2.mgz", "grid"),
        (f"{TRANSFORMS}/{{}}.white-to-fsaverage.mgz", "belongs to another subject"),
    ],
)
def test_exchanged_hemispheres_are_refused(surface_tree, tmp_path, pattern, message):
    tree = damaged_copy(surface_tree, tmp_path)
    exchange(tree, pattern.format("lh"), pattern.format("rh"))
    with pytest.raises(InputError, match=message) as error:
        check(tree)
    assert pattern.rpartition(".")[0].format("?h")[-20:-3] in str(error.value)


def test_exchanged_places_of_all_depths_are_refused(surface_tree, tmp_path):
    """Then the numbers of vertices agree with one another."""
    tree = damaged_copy(surface_tree, tmp_path)
    for depth in ("layerB1", "layerB2", "layerB3"):
        pattern = f"{TRANSFORMS}/{{}}.func1pt0-to-{depth}.mgz"
        exchange(tree, pattern.format("lh"), pattern.format("rh"))
    with pytest.raises(InputError, match="hemispheres were exchanged"):
        check(tree, map_spaces=(SPACE, "fsaverage"))


@pytest.mark.parametrize("name", ["betas_session01.hdf5", "ncsnr.mgh"])
def test_exchanged_files_of_a_native_surface_are_refused(surface_tree, tmp_path, name):
    tree = damaged_copy(surface_tree, tmp_path)
    folder = f"nsddata_betas/ppdata/{SUBJECT}/nativesurface/{BETAS}"
    exchange(tree, f"{folder}/lh.{name}", f"{folder}/rh.{name}")
    with pytest.raises(InputError, match=r"grid \(658,\), expected \(643,\)"):
        check(tree, "nativesurface", ("nativesurface",))


def test_a_transform_to_another_fsaverage_is_refused(surface_tree, tmp_path):
    tree = damaged_copy(surface_tree, tmp_path)
    path = tree / f"{TRANSFORMS}/rh.white-to-fsaverage.mgz"
    fewer = np.asanyarray(nibabel.load(path).dataobj)[:400]
    path.unlink()
    nibabel.MGHImage(fewer, np.eye(4)).to_filename(path)
    for space in (SPACE, "fsaverage"):
        with pytest.raises(InputError, match=r"rh\.white-to-fsaverage.*grid \(400,\), expected"):
            check(tree, space, (space, "fsaverage") if space == SPACE else (space,))
