"""The modelled voxels: each condition of a mask against an independent computation."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
import yaml
from conftest import ROOT, TINY, damaged_copy, responses_of

from pipeline.configuration.reading import parse_configuration
from pipeline.configuration.user_files import responses_to_read
from pipeline.errors import InputError
from pipeline.jobs.job_settings import job_settings
from pipeline.nsd.check import find_problems
from pipeline.nsd.dataset.responses import NSDResponses
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.manifest import read_manifest, required_files
from pipeline.nsd.masks import select_voxels
from pipeline.nsd.spaces import open_space
from pipeline.report.methods import methods_paragraphs

VOLUME, BETAS = "func1mm", "betas_fithrf_GLMdenoise_RR"
FUNCTIONAL = f"nsddata/ppdata/subj01/{VOLUME}"
LABELS = "nsddata/freesurfer/subj01/label"


def settings_of(mask: object, space: str = VOLUME, **settings: object) -> dict:
    return responses_of(["subj01"], space, BETAS, mask=mask, **settings)["subj01"]


def selected(layout: NSDLayout, mask: dict, space: str = VOLUME, **settings: object) -> np.ndarray:
    """The voxels of a file of responses with this mask."""
    return NSDResponses.open(layout.root, "subj01", settings_of(mask, space, **settings)).voxel


def volume(path: Path) -> np.ndarray:
    return np.asanyarray(nibabel.load(path).dataobj).ravel()


def label_value(layout: NSDLayout, atlas: str, name: str) -> int:
    lines = (layout.root / LABELS / f"{atlas}.mgz.ctab").read_text().split("\n")
    (found,) = [line for line in lines if line.split()[1:] == [name]]
    return int(found.split()[0])


@pytest.fixture
def own(layout, tmp_path) -> Path:
    """A mask of the user's: values 0, 1, 2 and NaN on the grid of the responses."""
    image = nibabel.load(layout.root / FUNCTIONAL / "roi/nsdgeneral.nii.gz")
    values = np.random.default_rng(0).choice([0, 1, 2, np.nan], image.shape).astype(np.float32)
    path = tmp_path / "subj01.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values, image.affine), path)
    return path


def test_a_name_alone_stands_for_itself(layout):
    for name, least in (("nsdgeneral", 1), ("cortex", 0)):
        expected = volume(layout.root / FUNCTIONAL / "roi/nsdgeneral.nii.gz") >= least
        assert np.array_equal(selected(layout, name), np.flatnonzero(expected))


def test_all_conditions_hold(layout, own):
    """Against the files, read by nibabel."""
    functional = layout.root / FUNCTIONAL
    general = volume(functional / "roi/nsdgeneral.nii.gz") > 0
    faces = volume(functional / "roi/floc-faces.nii.gz")
    visual = volume(functional / "roi/prf-visualrois.nii.gz")
    values = volume(own)
    ncsnr = volume(layout.beta_folder("subj01", VOLUME, BETAS) / "ncsnr.nii.gz")
    rois = faces == label_value(layout, "floc-faces", "FFA-1")
    rois |= visual == label_value(layout, "prf-visualrois", "V1v")
    ordinary = np.isfinite(values) & (values != 0)
    threshold = np.nanmedian(ncsnr[general & rois])
    reliable = np.nan_to_num(ncsnr) >= threshold
    named = ["FFA-1", "prf-visualrois/V1v"]
    template = str(own).replace("subj01", "{subject}")
    least = {"min_ncsnr": float(threshold)}
    cases = {
        "rois": ({"within": "nsdgeneral", "rois": named}, general & rois),
        "file": ({"within": "nsdgeneral", "file": template}, general & ordinary),
        "labels": ({"within": "nsdgeneral", "file": str(own), "labels": [2]}, values == 2),
        "ncsnr": ({"within": "nsdgeneral", **least}, general & reliable),
        "all": (
            {"within": "nsdgeneral", "rois": named, "file": template, **least},
            general & rois & ordinary & reliable,
        ),
        "cortex": (
            {"rois": named, "file": template},
            (volume(functional / "roi/nsdgeneral.nii.gz") >= 0) & rois & ordinary,
        ),
    }
    for name, (mask, expected) in cases.items():
        expected = expected & general if name == "labels" else expected
        assert 0 < expected.sum() < general.sum()
        assert np.array_equal(selected(layout, mask), np.flatnonzero(expected)), name
    mask = settings_of(cases["all"][0])["mask"]
    space = open_space(layout, "subj01", VOLUME, BETAS)
    left = select_voxels(space, mask, lambda voxel: ncsnr[voxel]).left
    counted = (general, rois, ordinary, reliable)
    assert [n for _, n in left] == [
        np.logical_and.reduce(counted[: last + 1]).sum() for last in range(4)
    ]
    opened = NSDResponses.open(layout.root, "subj01", settings_of(cases["all"][0]))
    assert opened.sources["mask/subj01.nii.gz"] == own
    assert left[2][0] == f"nonzero in {template}"


def test_a_file_with_other_axes_selects_the_same_places(layout, own):
    before = selected(layout, {"file": str(own)})
    image = nibabel.load(own)
    turned = image.as_reoriented([[2, -1], [1, 1], [0, 1]])
    assert not np.allclose(turned.affine, image.affine)
    nibabel.save(turned, own)
    assert np.array_equal(selected(layout, {"file": str(own)}), before)


@pytest.mark.parametrize("space", ["nativesurface", "fsaverage"])
def test_files_of_both_hemispheres_are_read_on_surfaces(layout, space, tmp_path):
    owner = "fsaverage" if space == "fsaverage" else "subj01"
    general, chosen = [], []
    for seed, side in enumerate(("lh", "rh")):
        label = layout.root / f"nsddata/freesurfer/{owner}/label/{side}.nsdgeneral.mgz"
        labels = volume(label)
        values = np.random.default_rng(seed).integers(0, 2, len(labels)).astype(np.float32)
        image = nibabel.MGHImage(values[:, None, None], np.eye(4))
        nibabel.save(image, tmp_path / f"{side}.mine.mgz")
        general.append(labels > 0)
        chosen.append(values > 0)
    mask = {"within": "nsdgeneral", "file": f"{tmp_path}/{{hemisphere}}.mine.mgz"}
    expected = np.concatenate(general) & np.concatenate(chosen)
    assert 0 < expected.sum() < np.concatenate(general).sum()
    assert np.array_equal(selected(layout, mask, space), np.flatnonzero(expected))
    nibabel.save(
        nibabel.MGHImage(np.ones((7, 1, 1), np.float32), np.eye(4)), tmp_path / "rh.mine.mgz"
    )
    with pytest.raises(InputError, match=r"rh\.mine\.mgz: grid \(7,\), expected"):
        selected(layout, mask, space)


def test_a_recomputed_ncsnr_selects_and_is_computed_once(layout, monkeypatch):
    released = volume(layout.beta_folder("subj01", VOLUME, BETAS) / "ncsnr.nii.gz")
    general = volume(layout.root / FUNCTIONAL / "roi/nsdgeneral.nii.gz") > 0
    # no voxel lies so near to it that rounding decides
    ordered = np.sort(released[general & np.isfinite(released)])
    middle = len(ordered) // 2
    threshold = float(ordered[middle : middle + 2].mean())
    mask = {"within": "nsdgeneral", "min_ncsnr": threshold}
    opened = NSDResponses.open(layout.root, "subj01", settings_of(mask, ncsnr="recomputed"))
    assert np.array_equal(opened.voxel, selected(layout, mask))
    monkeypatch.setattr("pipeline.nsd.dataset.responses.recompute_ncsnr", None)
    assert np.allclose(opened.ncsnr(), released[opened.voxel], atol=1e-3)


# ---- errors


def _grid(path: Path) -> None:
    image = nibabel.load(path)
    nibabel.save(image.slicer[1:], path)


def _affine(path: Path) -> None:
    image = nibabel.load(path)
    affine = image.affine.copy()
    affine[0, 3] += 1
    nibabel.save(nibabel.Nifti1Image(image.get_fdata(), affine), path)


def _dimensions(path: Path) -> None:
    image = nibabel.load(path)
    series = np.stack([image.get_fdata()] * 2, axis=-1)
    nibabel.save(nibabel.Nifti1Image(series, image.affine), path)


def _unoriented(path: Path) -> None:
    image = nibabel.load(path)
    image.header.set_sform(None, code=0)
    image.header.set_qform(None, code=0)
    nibabel.save(nibabel.Nifti1Image(image.get_fdata(), None, image.header), path)


WRONG_FILES = {
    "missing": (Path.unlink, "not found. Correct `responses.mask.file`"),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:200]), "truncated or damaged"),
    "of another grid": (_grid, "grid (21, 27, 20), expected (22, 27, 20)"),
    "of another affine": (_affine, "its voxels do not lie where those of"),
    "of several volumes": (_dimensions, "grid (22, 27, 20, 2), expected (22, 27, 20)"),
    "without orientation": (_unoriented, "no orientation in its header"),
}


def problems(layout: NSDLayout, mask: dict, **settings: object) -> list[str]:
    """What is told before long work."""
    asked = {"subj01": settings_of(mask, **settings)}
    return find_problems(layout, asked, [], [])[1]


@pytest.mark.parametrize("wrong", WRONG_FILES)
def test_a_wrong_file_is_reported_once_with_the_hint(layout, own, wrong):
    damage, message = WRONG_FILES[wrong]
    damage(own)
    (problem,) = problems(layout, {"file": str(own)})
    assert problem.startswith(str(own))
    assert message in problem
    assert problem.endswith("Correct `responses.mask.file`, or the file.")


def test_an_empty_mask_states_what_each_condition_left(layout, own):
    space = open_space(layout, "subj01", VOLUME, BETAS)
    general = np.count_nonzero(space.read_labels("nsdgeneral") > 0)
    (problem,) = problems(layout, {"within": "nsdgeneral", "file": str(own), "min_ncsnr": 99})
    assert f"{general:,} nsdgeneral, " in problem
    assert re.search(r"[1-9]\d* nonzero in \S+, 0 with an ncsnr of at least 99\.", problem)
    # a recomputed one is not known before the betas are read
    assert not problems(layout, {"min_ncsnr": 99}, ncsnr="recomputed")


def test_an_unknown_roi_or_label_is_reported_with_those_that_exist(layout, own):
    (problem,) = problems(layout, {"rois": ["floc-faces/FFA-3"]})
    assert "responses.mask.rois: floc-faces has no ROI 'FFA-3'; did you mean FFA-" in problem
    (problem,) = problems(layout, {"file": str(own), "labels": [1, 7]})
    assert f"responses.mask.labels: no voxel of {own} has the value 7; values are 1, 2" in problem


# ---- what depends on a mask


def tiny_with(mask: object, **changes: object) -> dict:
    values = yaml.safe_load(TINY.read_text())
    return {**values, "responses": {**values["responses"], "mask": mask}, **changes}


WRONG = {
    "another name": ("v1", "responses.mask: unknown mask 'v1'; write nsdgeneral, cortex, or"),
    "unknown key": ({"roi": []}, "responses.mask.roi: unknown key"),
    "unknown ROI": ({"rois": ["FFA-9"]}, "unknown name 'FFA-9'; did you mean FFA-"),
    "ROI of several collections": (
        {"rois": ["V1v"]},
        "write collection/V1v, such as",
    ),
    "collection that leaves its folder": ({"rois": ["../x/V1"]}, "responses.mask.rois.0"),
    "labels of nothing": ({"labels": [1]}, "responses.mask: `labels` are values of a `file`"),
    "file of a surface": (
        {"file": "{hemisphere}.mgz"},
        "in func1pt8mm a mask is a file",
    ),
    "unknown placeholder": (
        {"file": "{sub}.nii"},
        "unknown placeholder {sub}; in func1pt8mm",
    ),
    "no ncsnr": ({"min_ncsnr": 0}, "responses.mask.min_ncsnr: Input should be greater than 0"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_mask_names_its_key(wrong):
    mask, message = WRONG[wrong]
    with pytest.raises(InputError, match=re.escape(message)) as raised:
        parse_configuration(tiny_with(mask))
    assert len(str(raised.value).splitlines()) == 1


def test_on_surfaces_a_file_is_named_for_each_hemisphere():
    settings = {"space": "nativesurface", "betas": BETAS, "mask": {"file": "mine.mgz"}}
    values = yaml.safe_load((ROOT / "config/nsd.yaml").read_text())
    with pytest.raises(InputError, match=r"has a file for each hemisphere; write .hemisphere"):
        parse_configuration({**values, "responses": settings})


def test_the_rois_of_a_mask_are_needed_and_checked(layout, tmp_path):
    values = yaml.safe_load((ROOT / "config/nsd.yaml").read_text())
    mask = {"rois": ["PPA"]}
    section = {**values["responses"], "space": VOLUME, "mask": mask}
    changes = {"subjects": ["subj01"], "responses": section, "rois": ["prf-visualrois"]}
    for analysis in ("representational_similarity", "error_consistency", "caption_match"):
        changes[analysis] = None
    study = parse_configuration({**values, **changes})
    manifest = read_manifest(ROOT / "data_manifest.yaml")
    needed = {file.path for file in required_files(manifest, study)}
    roi = f"{FUNCTIONAL}/roi/floc-places.nii.gz"
    assert {roi, f"{LABELS}/floc-places.mgz.ctab"} <= needed
    assert not any("floc-faces" in path for path in needed)
    tree = damaged_copy(layout.root, tmp_path)
    (tree / roi).unlink()
    asked = {"subj01": settings_of(mask)}
    (problem,) = find_problems(NSDLayout(tree), asked, study.read_atlases, [])[1]
    assert problem.startswith(f"{tree / roi}: not found")


def test_another_content_of_the_file_changes_the_responses_settings_alone(tmp_path):
    path = tmp_path / "subj01.nii"
    mask = {"file": str(tmp_path / "{subject}.nii")}
    study = parse_configuration(tiny_with(mask))
    found = []
    for content in (b"a", b"b", b"a"):
        path.write_bytes(content)
        found.append(job_settings(study))
    assert found[0] == found[2]
    (key,) = [key for key in found[0] if found[0][key] != found[1][key]]
    assert key == "responses_of"
    assert found[0][key]["subj03"] == found[1][key]["subj03"]
    path.unlink()
    assert responses_to_read(study, "subj01")["mask"]["sha256"] == []


def test_methods_state_the_mask_that_was_read():
    study = parse_configuration(tiny_with({"rois": ["PPA"], "min_ncsnr": 0.2}))
    left = [["cortex", 9000], ["in floc-places/PPA", 1200], ["with an ncsnr of at least 0.2", 1100]]
    reported = methods_paragraphs(study, selected={"subj01": {"voxels_left": left}})[0]
    words = "cortex, in floc-places/PPA, with an ncsnr of at least 0.2 (1,100 of subj01)"
    assert f"Voxels are those of {words}." in reported
