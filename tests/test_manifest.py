"""Which external files a study needs: no more and no less."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, bare

from pipeline.configuration.catalogue import read_catalogue
from pipeline.configuration.reading import parse_configuration
from pipeline.configuration.settings import MAPPED_FROM
from pipeline.configuration.study import Configuration
from pipeline.errors import InputError
from pipeline.jobs.code_version import stage_modules
from pipeline.nsd.check import find_problems
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.manifest import (
    read_manifest,
    required_checkpoints,
    required_files,
    required_weights,
)

MANIFEST = ROOT / "data_manifest.yaml"


@pytest.fixture(scope="module")
def manifest():
    return read_manifest(MANIFEST)


def study_of(**changes: object) -> Configuration:
    values = bare(yaml.safe_load((ROOT / "config/nsd.yaml").read_text()))
    responses = {**values["responses"], **changes.pop("responses", {})}
    return parse_configuration({**values, "responses": responses, **changes})


def paths(manifest, study) -> list[str]:
    return [file.path for file in required_files(manifest, study)]


def test_each_subject_has_its_own_number_of_sessions(manifest):
    betas = [path for path in paths(manifest, study_of()) if "betas_session" in path]
    counts = [sum(f"/subj0{number}/" in path for path in betas) for number in range(1, 9)]
    assert counts == [40, 40, 32, 30, 40, 32, 40, 30]
    assert all("func1pt8mm/betas_fithrf_GLMdenoise_RR" in path for path in betas)


def test_a_study_needs_its_subjects_its_space_and_its_version_of_the_betas(manifest):
    changes = {"space": "func1mm", "betas": "betas_assumehrf"}
    needed = paths(manifest, study_of(subjects=["subj02"], responses=changes))
    assert not any("subj01" in path or "func1pt8mm" in path for path in needed)
    assert sum("func1mm/betas_assumehrf/betas_session" in path for path in needed) == 40


def test_the_sizes_of_all_sessions_add_up_to_what_nsd_publishes(manifest):
    """41.95 GB of subj01's int16 at 1.8 mm, and an index of one chunk per voxel."""
    files = required_files(manifest, study_of(subjects=["subj01"]))
    betas = sum(file.bytes for file in files if "betas_session" in file.path)
    assert betas == pytest.approx(41.95e9 * 1576 / 1500, rel=1e-3)
    surface = {"responses": {"space": "fsaverage"}, "subjects": ["subj01"]}
    files = required_files(manifest, study_of(**surface))
    one = next(file for file in files if file.path.endswith("lh.betas_session01.mgh"))
    assert one.bytes == pytest.approx(491.5e6, rel=1e-3)


def test_captions_are_needed_by_networks_that_read(manifest):
    assert any("captions_train2017" in path for path in paths(manifest, study_of()))
    silent = study_of(models=["alexnet"], comparisons={})
    assert not any("captions" in path for path in paths(manifest, silent))


def test_rois_of_a_surface_lie_where_they_were_drawn(manifest):
    study = study_of(subjects=["subj01"], responses={"space": "fsaverage"})
    needed = paths(manifest, study)
    label = "nsddata/freesurfer/{}/label/lh.{}.mgz"
    assert label.format("fsaverage", "nsdgeneral") in needed
    assert label.format("fsaverage", "streams") in needed
    assert label.format("subj01", "prf-visualrois") in needed
    assert label.format("fsaverage", "prf-visualrois") not in needed
    assert any(path.endswith("lh.white-to-fsaverage.mgz") for path in needed)


def test_no_file_is_listed_twice_and_every_source_is_reported(manifest):
    needed = paths(manifest, study_of())
    assert len(needed) == len(set(needed))
    for source in manifest.sources.values():
        assert source.terms
        assert source.terms_url.startswith("https://")


def test_weights_are_those_of_pretrained_networks_that_are_used(manifest):
    models = ["clip_vitb32", "clip_rn50", "clip_text", "resnet50", "alexnet", "bert"]
    weights = required_weights(manifest, study_of(models=models, comparisons={}))
    assert set(weights) == set(models)
    assert all(entry is not None and entry.terms for entry in weights.values())
    alone = study_of(models=["alexnet"], comparisons={})
    assert set(required_weights(manifest, alone)) == {"alexnet"}


def test_transforms_are_needed_for_maps_in_other_spaces_only(manifest):
    def transforms(space, *spaces):
        study = study_of(
            subjects=["subj01"], responses={"space": space}, maps={"spaces": list(spaces)}
        )
        return [path for path in paths(manifest, study) if "-to-" in path or "MNI152" in path]

    folder = "nsddata/ppdata/subj01/transforms"
    layers = [
        f"{folder}/{side}.func1pt8-to-layerB{depth}.mgz"
        for side in ("lh", "rh")
        for depth in (1, 2, 3)
    ]
    vertices = [f"{folder}/{side}.white-to-fsaverage.mgz" for side in ("lh", "rh")]
    mni = [f"{folder}/func1pt8-to-MNI.nii.gz", "nsddata/templates/MNI152_T1_1mm.nii.gz"]
    assert transforms("func1pt8mm") == []
    # of a native surface those vertices are drawn that fsaverage5 has
    assert transforms("func1pt8mm", "nativesurface") == layers + vertices
    assert transforms("func1pt8mm", "fsaverage") == layers + vertices
    assert transforms("func1pt8mm", "MNI152") == mni
    assert transforms("func1mm", "MNI152")[0] == f"{folder}/func1pt0-to-MNI.nii.gz"
    assert transforms("nativesurface", "fsaverage") == vertices
    # of ROIs drawn on the subject
    assert transforms("fsaverage") == vertices


def test_maps_on_a_surface_need_what_they_are_drawn_on(manifest):
    def surfaces(*spaces):
        study = study_of(subjects=["subj01"], maps={"spaces": list(spaces)})
        return [path for path in paths(manifest, study) if "/surf/" in path]

    def drawn_on(owner):
        names = itertools.product(("inflated", "pial", "sulc"), ("lh", "rh"))
        return [f"nsddata/freesurfer/{owner}/surf/{side}.{name}" for name, side in names]

    assert surfaces() == []
    assert surfaces("nativesurface") == drawn_on("subj01")
    assert surfaces("fsaverage") == drawn_on("fsaverage")


def test_every_stage_that_is_said_to_read_a_file_is_a_program_that_reads_nsd(manifest):
    named = {stage for entry in manifest.files for stage in entry.stages}
    for stage in named:
        text = ROOT.joinpath(*stage_modules()[stage].split(".")).with_suffix(".py").read_text()
        assert "nsd: given.NsdFolder" in text or "parse_configuration" in text, stage


def test_a_transform_to_a_surface_holds_coordinates_of_that_surface(manifest):
    study = study_of(subjects=["subj01"], maps={"spaces": ["nativesurface"]})
    sizes = {file.path: file.bytes for file in required_files(manifest, study)}
    left = sizes["nsddata/ppdata/subj01/transforms/lh.func1pt8-to-layerB1.mgz"]
    assert 0.5 * 12 * 227_021 < left < 12 * 227_021


@pytest.mark.parametrize("space", ["func1mm", "nativesurface", "fsaverage"])
def test_what_is_listed_is_what_the_checks_ask_for(manifest, surface_tree, tmp_path, space):
    """A tree that holds the listed files alone passes, and each of them is missed when it lacks."""
    changes = {"space": space, "mask": "nsdgeneral"}
    rois = ["prf-visualrois", "HCP_MMP1", *(["MTL"] if space == "func1mm" else [])]
    maps = {"spaces": list(MAPPED_FROM[space])}
    study = study_of(subjects=["subj01"], responses=changes, rois=rois, maps=maps)
    first_session = [p for p in paths(manifest, study) if "session" not in p or "session01" in p]
    tree = tmp_path / "nsd"
    for path in first_session:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).hardlink_to(surface_tree / path)
    asked = ({"subj01": study.responses.model_dump()}, study.rois, study.annotations)
    asked += (study.map_spaces,)
    designs, problems = find_problems(NSDLayout(tree), *asked)
    assert problems == []
    assert designs["subj01"].n_sessions == 1
    for path in first_session:
        (tree / path).rename(tree / "away")
        _, problems = find_problems(NSDLayout(tree), *asked)
        hemisphere_of_mask = ".nsdgeneral.nii.gz" in path
        assert problems or hemisphere_of_mask, path
        (tree / "away").rename(tree / path)


def test_a_wrong_manifest_is_reported(tmp_path):
    path = tmp_path / "data_manifest.yaml"
    with pytest.raises(InputError, match="not found"):
        read_manifest(path)
    values = yaml.safe_load(MANIFEST.read_text())
    values["files"][0]["source"] = "elsewhere"
    Path(path).write_text(yaml.safe_dump(values))
    with pytest.raises(InputError, match="unknown source elsewhere"):
        read_manifest(path)
    values = yaml.safe_load(MANIFEST.read_text())
    values["weights"][-1]["path"] = "elsewhere/clip.pt"
    Path(path).write_text(yaml.safe_dump(values))
    with pytest.raises(InputError, match=r"elsewhere/clip\.pt is not below data/weights"):
        read_manifest(path)


def test_every_checkpoint_of_the_catalogue_is_listed_with_its_own_source(manifest):
    """By its tag: LAION's weights are not OpenAI's."""
    study = study_of(models=list(read_catalogue()["feature_spaces"]))
    found = required_weights(manifest, study)
    assert None not in found.values()
    assert "OpenAI" in found["clip_vitb32"].source
    assert "LAION-400M" in found["clip_laion400m"].source
    assert "LAION-2B" in found["clip_laion2b"].source
    checkpoints = required_checkpoints(manifest, study)
    assert set(checkpoints) == {"slip_yfcc", "simclr_yfcc", "clip_yfcc"}
    for network, entry in checkpoints.items():
        assert entry.path == study.used_networks[network]["weights"]
        assert entry.source == f"https://dl.fbaipublicfiles.com/slip/{Path(entry.path).name}"
    needed = paths(manifest, study)
    assert any("instances_train2017" in path for path in needed)
    assert any("captions_train2017" in path for path in needed)
