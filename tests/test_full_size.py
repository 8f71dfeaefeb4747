"""Settings of the simulator with which a subject of NSD's size can be made, at small size."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
import scipy.io
import torch
import yaml
from conftest import ROOT, Study, responses_of
from nilearn.datasets import load_fsaverage
from pydantic import ValidationError

from pipeline.nsd.check import check_tree
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.manifest import read_manifest
from pipeline.results.storage import read_result
from pipeline.results.tables import read_table
from pipeline.simulation import files, simulate, spaces, surfaces
from pipeline.simulation.brain import NO_SIGNAL
from pipeline.simulation.scenes import Stimulus
from pipeline.simulation.settings import TEMPLATES, PlantedSpace, SimulationSettings
from pipeline.validation.recovery import compare

CONFIGURATION = ROOT / "config/full_size.yaml"
SUBJECT, SPACE, BETAS = "subj01", "func1pt8mm", "betas_fithrf_GLMdenoise_RR"
SIZES = {"brain": 2000, "cortex": 900, "nsdgeneral": 200}
GRID, N_NUMBERED, N_SHARED = (16, 20, 15), 900, 60
SPACES = ["alexnet", "bert"]


def small_settings(**changes: object) -> SimulationSettings:
    """The simulation of the full-size study with two of three planned sessions of a small brain."""
    values = yaml.safe_load(CONFIGURATION.read_text())["simulation"]
    subject = {"sessions": 2, "grid": GRID, "voxels": SIZES}
    small = {
        "planned_sessions": 3,
        "shared_images": N_SHARED,
        "numbered_images": N_NUMBERED,
        "captions_per_image": 1,
        "templates": "small",
        "subjects": {SUBJECT: subject},
    }
    return SimulationSettings.model_validate(values | small | changes)


@pytest.fixture(scope="module")
def quick():
    """Grey pictures, and features that no network computes: a simulation takes seconds."""
    computed = []

    def scene(n_captions: int, generator: np.random.Generator) -> Stimulus:
        image = np.full((425, 425, 3), generator.integers(1, 255), np.uint8)
        return Stimulus(image, [("dog", (9.0, 9.0, 99.0, 99.0))], ["A dog."] * n_captions)

    def features(name: str, space: PlantedSpace, images: spaces.Images, _: object) -> np.ndarray:
        computed.append(name)
        generator = np.random.default_rng(len(name))
        return generator.normal(size=(len(images), 12))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulate, "draw_scene", scene)
        patch.setattr(simulate, "planted_features", features)
        yield computed


@pytest.fixture(scope="module")
def tree(quick, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("tree") / "nsd"
    simulate.simulate(small_settings(), root)
    return root


# ---- images and sessions


def test_the_tree_is_whole_with_the_completed_sessions_alone(tree):
    layout = NSDLayout(tree)
    check_tree(layout, responses_of([SUBJECT], SPACE, BETAS), ["prf-visualrois"], ["captions"])
    design = scipy.io.loadmat(layout.experiment_design)
    assert design["masterordering"].shape == (1, 3 * 750)
    assert [path.name for path in sorted(layout.beta_folder(SUBJECT, SPACE, BETAS).iterdir())] == [
        "betas_session01.hdf5",
        "betas_session02.hdf5",
        "ncsnr.nii.gz",
    ]
    assert len(pd.read_csv(layout.behaviour(SUBJECT), sep="\t")) == 2 * 750


def test_images_that_nobody_sees_are_numbered_and_take_no_disk_space(tree):
    layout = NSDLayout(tree)
    table = pd.read_csv(layout.image_table, index_col=0)
    seen = np.flatnonzero(table[["subject1", "subject2"]].any(axis=1))
    assert (len(table), len(seen)) == (N_NUMBERED, 3 * 250)
    # numbers are of the whole experiment, not of its beginning
    assert seen.max() > 3 * 250
    with h5py.File(layout.stimuli) as file:
        brick = file["imgBrick"]
        assert brick.shape == (N_NUMBERED, 425, 425, 3)
        drawn = np.array([brick[row, 0, 0, 0] > 0 for row in range(N_NUMBERED)])
    assert np.array_equal(np.flatnonzero(drawn), seen)
    image = 425 * 425 * 3
    on_disk = layout.stimuli.stat().st_blocks * 512
    assert on_disk == pytest.approx(len(seen) * image, rel=0.03)
    assert layout.stimuli.stat().st_size > N_NUMBERED * image


def test_fewer_images_than_subjects_see_are_refused():
    with pytest.raises(ValidationError, match="`numbered_images`: subjects see 750"):
        small_settings(numbered_images=749)


# ---- the brain


def test_masks_have_the_requested_numbers_of_voxels(tree):
    """Up to the symmetry of an ellipsoid, whose voxels come eight at a time."""
    functional = tree / f"nsddata/ppdata/{SUBJECT}/{SPACE}"
    mask, general = (
        np.asanyarray(nibabel.load(functional / name).dataobj)
        for name in ("brainmask.nii.gz", "roi/nsdgeneral.nii.gz")
    )
    assert mask.shape == general.shape == GRID
    assert mask.sum() == pytest.approx(SIZES["brain"], abs=16)
    assert (general >= 0).sum() == pytest.approx(SIZES["cortex"], abs=24)
    assert (general == 1).sum() == SIZES["nsdgeneral"]
    assert mask[general >= 0].all()
    # nsdgeneral is the back of cortex
    y = np.broadcast_to(np.arange(GRID[1])[:, None], GRID)
    assert y[general == 1].max() <= y[general == 0].min()


def test_voxels_without_data_are_not_written_and_read_as_0(tree):
    mask = np.asanyarray(
        nibabel.load(tree / f"nsddata/ppdata/{SUBJECT}/{SPACE}/brainmask.nii.gz").dataobj
    )
    path = NSDLayout(tree).beta_folder(SUBJECT, SPACE, BETAS) / "betas_session01.hdf5"
    with h5py.File(path) as file:
        betas = file["betas"]
        assert betas.shape == (750, *GRID[::-1])
        assert betas.id.get_num_chunks() == mask.sum()
        varies = betas[:].std(axis=0).T > 0
    assert not varies[mask == 0].any()
    # but for two voxels that no session covers
    assert (mask == 1).sum() - varies.sum() == simulate.N_NEVER_VALID


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (SIZES | {"cortex": 2001}, "`cortex` of `brain`"),
        (SIZES | {"nsdgeneral": 901}, "`nsdgeneral` is part of `cortex`"),
        (SIZES | {"brain": 4000}, "an ellipsoid in `grid` has fewer voxels than `brain`"),
    ],
)
def test_masks_that_do_not_fit_into_each_other_are_refused(sizes, message):
    with pytest.raises(ValidationError, match=message):
        small_settings(subjects={SUBJECT: {"sessions": 2, "grid": GRID, "voxels": sizes}})


def test_templates_of_nsds_size_have_its_numbers_of_vertices_and_voxels():
    facts, sizes = read_manifest(ROOT / "data_manifest.yaml"), TEMPLATES["nsd"]
    assert 2 * sizes.fsaverage == facts.n_voxels(SUBJECT, "fsaverage")
    simulated = sum(n + 3 for n in sizes.native.values())
    assert simulated == pytest.approx(facts.n_voxels(SUBJECT, "nativesurface"), rel=0.001)
    points = surfaces.mni_coordinates(SPACE, (81, 104, 83), sizes)
    assert points.shape == (182, 218, 182, 3)


def test_the_first_vertices_of_a_large_fsaverage_are_those_of_fsaverage5():
    """Reports draw them, with the triangles of fsaverage5."""
    sizes = replace(TEMPLATES["nsd"], fsaverage=12_000)
    template = load_fsaverage("fsaverage5")
    for name, side in (("lh", "left"), ("rh", "right")):
        hemisphere = surfaces.fsaverage_hemispheres(sizes, (0.9, 0.6))[name]
        # x points away from the other hemisphere
        outward = hemisphere.sphere[:10_242] * [-1 if name == "lh" else 1, 1, 1]
        np.testing.assert_allclose(
            100 * outward, template["sphere"].parts[side].coordinates, atol=0.01
        )
        assert np.isfinite(hemisphere.direction).all()
        # every vertex is in a triangle of its own mesh
        assert len(np.unique(hemisphere.faces)) == 12_000
        assert len(hemisphere.faces) == 2 * 12_000 - 4


# ---- interruptions and threads


def test_an_interrupted_simulation_goes_on_and_ends_as_if_it_had_not_been(
    tree, quick, tmp_path, monkeypatch
):
    root, write_betas, written = tmp_path / "nsd", files.write_betas, []

    def interrupted(path: Path, *arguments: object) -> None:
        if path.name == "betas_session02.hdf5":
            path.with_suffix(".writing").write_bytes(b"the beginning of a file")
            raise KeyboardInterrupt
        write_betas(path, *arguments)

    monkeypatch.setattr(files, "write_betas", interrupted)
    quick.clear()
    with pytest.raises(KeyboardInterrupt):
        simulate.simulate(small_settings(), root)
    assert not root.exists()
    assert quick == ["alexnet", "bert"]

    def goes_on(path: Path, *arguments: object) -> None:
        written.append(path.name)
        write_betas(path, *arguments)

    monkeypatch.setattr(files, "write_betas", goes_on)
    simulate.simulate(small_settings(), root)
    # neither features nor the first session once more
    assert quick == ["alexnet", "bert"]
    assert written == ["betas_session02.hdf5"]
    assert hashes(root) == hashes(tree)
    truths = [read_result(one.parent / f"truth/{SUBJECT}.h5") for one in (root, tree)]
    for name in ("signal", "perfect_r2", "voxel"):
        assert np.array_equal(*(truth[name] for truth in truths), equal_nan=True)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["nsd", "truth"]


def test_an_interrupted_simulation_with_other_settings_begins_anew(quick, tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "write_betas", refuse)
    quick.clear()
    for seed in (1, 1, 2):
        with pytest.raises(KeyboardInterrupt):
            simulate.simulate(small_settings(seed=seed), tmp_path / "nsd")
    assert quick == ["alexnet", "bert"] * 2


def hashes(folder: Path) -> dict[str, str]:
    # MATLAB files begin with the date
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".mat"
    }


def test_planted_features_do_not_depend_on_the_number_of_threads():
    images = np.random.default_rng(0).integers(0, 255, (10, 425, 425, 3), np.uint8)
    space = PlantedSpace(
        library="torchvision",
        architecture="squeezenet1_1",
        stimulus="image",
        weights="untrained",
        seed=0,
    )
    before, found = torch.get_num_threads(), []
    for n_threads in (1, 3):
        torch.set_num_threads(n_threads)
        found.append(spaces.planted_features("one", space, images, []))
        assert torch.get_num_threads() == n_threads
    torch.set_num_threads(before)
    assert len(found[0]) == 10
    assert np.array_equal(*found)


# ---- the truth


def test_averages_and_noise_are_added_session_by_session():
    generator = np.random.default_rng(0)
    images = np.array([[4, 2, 2, 9], [9, 4, 2, 5]])
    clean, noise = generator.normal(size=(2, 2, 4, 3))
    clean[1, :, 2] = np.nan
    measured = simulate.Measured(images, np.arange(3), noisy=True)
    for number in range(2):
        session = SimpleNamespace(
            noiseless=clean[number], noisy=(clean + noise)[number].astype(np.float32)
        )
        measured.add(number, session)
    measured.finish()
    assert measured.images.tolist() == [2, 4, 5, 9]
    for found, values in ((measured.noiseless, clean), (measured.noisy, clean + noise)):
        means = (
            pd.DataFrame(values.reshape(8, 3))
            .groupby(images.ravel())
            .agg(lambda trials: trials.mean(skipna=False))
        )
        np.testing.assert_allclose(found, means, atol=1e-6)
    variance = noise.reshape(8, 3).var(axis=0)
    np.testing.assert_allclose(measured.noise_variance[:2], variance[:2], rtol=1e-5)
    assert np.isnan(measured.noise_variance[2])


def test_what_is_recovered_is_compared_with_what_was_planted_without_an_oracle(tree):
    truth = read_result(tree.parent / f"truth/{SUBJECT}.h5")
    assert np.isnan(truth["oracle_r2"]).all()
    planted, oracle = (
        {"alexnet": truth.by_label(kind)["alexnet"]} for kind in ("perfect_r2", "oracle_r2")
    )
    # voxels that a session does not cover have no value
    covered = np.flatnonzero(np.isfinite(planted["alexnet"]))
    assert len(covered) == SIZES["nsdgeneral"] - simulate.N_NEVER_VALID - simulate.N_INVALID_IN_LAST
    recovered = {"alexnet": planted["alexnet"] - 0.1}
    recovered["alexnet"][covered[:3]] = np.nan
    table = compare(planted, oracle, recovered, truth["group"])
    assert len(table) == len(set(truth["group"]))
    np.testing.assert_allclose(table["perfect"] - table["recovered"], 0.1)
    assert table["n_voxels"].sum() == len(covered) - 3
    assert table[["oracle", "spearman"]].isna().all(axis=None)


# ---- the study, reduced


@pytest.fixture(scope="module")
def reduced(tmp_path_factory) -> Study:
    """The study of the full-size subject with four sessions, a coarse grid and quick networks."""
    values = yaml.safe_load(CONFIGURATION.read_text())
    for section in ("networks", "feature_spaces"):
        values[section] = {name: values[section][name] for name in SPACES}
    values["feature_spaces"]["alexnet"]["reduction"]["components"] = 100
    values |= {"models": SPACES, "comparisons": {"alexnet_vs_bert": SPACES}}
    values["extraction"]["shards"] = 1
    values["encoding"]["band_weight_samples"] = 6
    sizes = {"brain": 12_000, "cortex": 5000, "nsdgeneral": 1500}
    settings = small_settings(
        planned_sessions=4,
        shared_images=150,
        numbered_images=1500,
        subjects={SUBJECT: {"sessions": 4, "grid": (32, 40, 30), "voxels": sizes}},
    )
    values["simulation"] = settings.model_dump(mode="json")
    directory = tmp_path_factory.mktemp("reduced")
    study = Study(directory, directory / "full_size.yaml")
    study.configuration.write_text(yaml.safe_dump(values, sort_keys=False))
    study.snakemake()
    return study


@pytest.mark.workflow
def test_the_reduced_study_recovers_what_was_planted_in_each_roi(reduced):
    table = read_table(reduced.directory / "results/full_size/validation/recovery.tsv")
    # but for six voxels that a session does not cover
    assert table.groupby("component")["n_voxels"].sum().eq(1494).all()
    assert table[["oracle", "spearman"]].isna().all(axis=None)
    perfect, recovered = (
        table.pivot(index="group", columns="component", values=kind)
        for kind in ("perfect", "recovered")
    )
    # images are too few for a perfect fit
    joint = recovered.sum(axis=1) / perfect.sum(axis=1)
    driven = recovered.index != NO_SIGNAL
    assert joint[driven].between(0.75, 1).all()
    for group in small_settings().groups:
        for space in SPACES:
            unique = recovered.loc[group.name, space]
            if share := group.proportions.get(space, 0):
                assert 0.3 * perfect.loc[group.name, space] < unique < 0.5 * share
            else:
                assert abs(unique) < 0.02
    assert np.abs(recovered.loc[NO_SIGNAL]).max() < 0.02
    assert (reduced.directory / "results/full_size/report/index.html").exists()
