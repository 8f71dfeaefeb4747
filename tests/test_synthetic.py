"""NSD-synthetic: trials, pictures and betas of a simulated tree, ceilings, and checks of files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import xarray as xr
import yaml
from conftest import ROOT, bare, damaged_copy, responses_of, rewrite, simulate_without_networks
from scipy.spatial.distance import cdist

from encoding.generalisation import (
    REVERSED,
    SAME,
    UNDECIDED,
    Interval,
    RegionDraws,
    nearest_distance,
    order_of_models,
    regression_slope,
)
from encoding.noise_ceiling import noise_ceiling, trial_noise_ceiling
from encoding.scores import correlation_score
from pipeline.analyses.out_of_distribution.analysis import left_out, scored
from pipeline.analyses.out_of_distribution.compare_distributions import ModelScores, _pairs
from pipeline.analyses.out_of_distribution.image_sets import IN, NOT_GREY, OUT, synthetic_sets
from pipeline.configuration.reading import parse_configuration
from pipeline.dataset.out_of_distribution import open_synthetic
from pipeline.errors import InputError
from pipeline.nsd.check import find_problems
from pipeline.nsd.layout import SYNTHETIC, NSDLayout
from pipeline.nsd.manifest import read_manifest, required_files
from pipeline.nsd.spaces import open_space
from pipeline.nsd.synthetic.design import read_synthetic_design, read_synthetic_images
from pipeline.nsd.synthetic.stimuli import SyntheticPictures, central_square, displayed
from pipeline.simulation import simulate
from pipeline.simulation.scenes import draw_scene

SUBJECT, BETAS = "subj01", "betas_fithrf_GLMdenoise_RR"
SPACES = ["func1mm", "nativesurface", "fsaverage"]
CHANGED = "floc-faces/FFA-1"
# those that lie outside the central square
GREY = [f"word{n}_pos{place}_{i}" for n in (4, 6) for place in (1, 5) for i in range(1, 5)]


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Iterator[Path]:
    """A simulated subject with millimetre voxels and both surfaces, of one scene."""
    folder = tmp_path_factory.mktemp("synthetic")
    scene = draw_scene(1, np.random.default_rng(0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            simulate, "draw_scene", lambda n, generator: replace(scene, objects=[*scene.objects])
        )
        simulate_without_networks(
            folder / "nsd",
            spaces=SPACES,
            planned_sessions=1,
            shared_images=50,
            captions_per_image=1,
            subjects={SUBJECT: {"sessions": 1, "grid": [22, 27, 20], "formats": ["hdf5", "nifti"]}},
            synthetic={"changed": [CHANGED]},
            oracle=False,
        )
    yield folder / "nsd"
    # a gigabyte of pictures
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def layout(tree) -> NSDLayout:
    return NSDLayout(tree)


@pytest.fixture(scope="module")
def truth(tree) -> xr.Dataset:
    with xr.open_dataset(tree.parent / f"truth/{SUBJECT}.h5", engine="h5netcdf") as data:
        return data.load()


# ---- trials


def test_trials_are_those_of_the_published_design(layout):
    design = read_synthetic_design(layout)
    assert np.bincount(design.run).tolist() == [0] + 8 * [93]
    numbers, counts = np.unique(design.n_repeats, return_counts=True)
    assert dict(zip(numbers, counts, strict=True)) == {2: 236, 4: 32, 8: 8, 10: 8}
    assert design.one_back.sum() == 80
    assert all(design.one_back[design.run == run].sum() == 10 for run in range(1, 9))


def write_design(layout: NSDLayout, ordering: np.ndarray, pattern: np.ndarray) -> None:
    layout.synthetic_design.parent.mkdir(parents=True, exist_ok=True)
    layout.synthetic_design.unlink(missing_ok=True)
    content = {"masterordering": ordering, "stimpattern": pattern}
    scipy.io.savemat(layout.synthetic_design, content)


def pattern_of(*runs: int) -> np.ndarray:
    return (np.arange(107) < np.array(runs)[:, None]).astype(np.uint8)[None]


def test_the_same_image_across_an_edge_of_runs_is_no_one_back(tmp_path):
    ordering = np.resize(np.arange(1, 285), 744)
    # trials 92 and 93 are of the first and the second run
    ordering[93] = ordering[92]
    ordering[200] = ordering[199]
    own = NSDLayout(tmp_path)
    write_design(own, ordering.astype(np.uint16)[None], pattern_of(*8 * [93]))
    assert np.flatnonzero(read_synthetic_design(own).one_back).tolist() == [200]


@pytest.mark.parametrize(
    ("last", "runs", "message"),
    [
        (285, 8 * [93], "has not each of 284 images"),
        (284, [*(7 * [93]), 92], "92] trials in its runs, expected 93"),
    ],
)
def test_a_design_of_other_trials_is_refused(tmp_path, last, runs, message):
    own = NSDLayout(tmp_path)
    write_design(own, np.resize(np.arange(1, last + 1), 744)[None], pattern_of(*runs))
    with pytest.raises(InputError, match=rf"(?s)expdesign\.mat.*{message}"):
        read_synthetic_design(own)


def test_images_have_names_and_classes_in_their_order(layout):
    images = read_synthetic_images(layout)
    sizes = images.groupby("image_class", sort=False).size()
    assert sizes.tolist() == [12, 4, 12, 20, 16, 40, 112, 68]
    assert images["image_subclass"].value_counts().tolist() == 71 * [4]
    assert images["name"][12] == "natscene_1"


def test_a_table_without_a_column_is_refused(layout, tmp_path):
    own = NSDLayout(tmp_path)
    own.synthetic_images.parent.mkdir(parents=True)
    table = pd.read_csv(layout.synthetic_images)
    table.drop(columns="Image class").to_csv(own.synthetic_images, index=False)
    with pytest.raises(InputError, match="lacks the columns Image class"):
        read_synthetic_images(own)
    table[:-1].to_csv(own.synthetic_images, index=False)
    with pytest.raises(InputError, match="names 283 images in 283 rows, expected 284"):
        read_synthetic_images(own)


# ---- pictures


def test_pixels_become_values_of_a_display_and_margins_are_cut():
    assert displayed(np.array([0, 63, 64, 254, 255], np.uint8)).tolist() == [0, 126, 127, 254, 255]
    columns = np.arange(1360)[None, :, None].repeat(714, axis=0)
    square = central_square(columns)
    assert square.shape == (714, 714, 1)
    # 323 columns on each side
    assert square[0, [0, -1], 0].tolist() == [323, 1036]


def test_pictures_are_the_shared_ones_and_then_those_coloured_for_the_subject(layout):
    pictures = SyntheticPictures(layout, SUBJECT)
    assert len(pictures) == 284
    for image, (path, row) in {
        0: (layout.synthetic_stimuli(), 0),
        219: (layout.synthetic_stimuli(), 219),
        220: (layout.synthetic_stimuli(SUBJECT), 0),
        283: (layout.synthetic_stimuli(SUBJECT), 63),
    }.items():
        with h5py.File(path) as file:
            stored = file["imgBrick"][row][:, 323:1037].astype(float)
        expected = np.uint8(np.sqrt(stored / 255) * 255)
        assert np.array_equal(pictures[image], expected), image
        assert np.array_equal(pictures[image : image + 1][0], expected)
    assert expected.std() > 1


def test_sixteen_pictures_are_plain_grey_in_the_central_square(layout):
    pictures = SyntheticPictures(layout, SUBJECT)
    names = read_synthetic_images(layout)["name"]
    found = [n for n, picture in zip(names, pictures, strict=True) if np.ptp(picture) == 0]
    assert sorted(found) == sorted(GREY)


# ---- responses


@pytest.mark.parametrize("name", SPACES)
def test_betas_of_every_space_follow_the_planted_signal(layout, truth, name):
    """By what the simulator planted in the volume, of which surfaces are samples."""
    space = open_space(layout, SUBJECT, name, BETAS)
    voxel = truth["voxel"].to_numpy() if name == "func1mm" else np.arange(space.n_voxels)
    settings = responses_of([SUBJECT], name, BETAS)[SUBJECT]
    averaged = open_synthetic(layout.root, SUBJECT).responses(settings).averaged(voxel)
    responses = averaged.averaged.responses
    assert responses.shape == (284, len(voxel))
    covered = np.isfinite(responses).all(axis=0)
    assert 0.5 < covered.mean() < 1
    assert np.allclose(averaged.trial_variance[covered], 1, atol=1e-5)
    if name == "func1mm":
        signal = truth["synthetic_signal"].to_numpy()
        driven = covered & (signal.std(axis=0) > 0)
        ceiling = noise_ceiling(
            responses, averaged.averaged.n_valid_repeats, averaged.averaged.noise_variance
        ).ceiling[driven]
        # of single trials the noise has a variance of 1 / 1.5²
        noise = (1 / 1.5**2) * np.mean(1 / averaged.averaged.n_repeats)
        expected = 1 - noise / (signal.var(axis=0, ddof=1) + noise)[driven]
        assert np.abs(ceiling - expected).mean() < 0.03
        r = correlation_score(responses, signal)[driven]
        assert np.abs(r - np.sqrt(expected)).mean() < 0.03


def test_both_formats_and_the_mask_of_the_session_agree(layout, tmp_path):
    own = NSDLayout(damaged_copy(layout.root, tmp_path))
    voxel = np.arange(0, 22 * 27 * 20, 7)
    from_hdf5 = open_space(own, SUBJECT, "func1mm", BETAS).read_session(SYNTHETIC, voxel)
    path = own.betas(SUBJECT, "func1mm", BETAS, SYNTHETIC)
    assert path.parent.name == f"nsdsynthetic{BETAS}"
    path.unlink()
    assert own.betas(SUBJECT, "func1mm", BETAS, SYNTHETIC).suffix == ".gz"
    space = open_space(own, SUBJECT, "func1mm", BETAS)
    from_nifti = space.read_session(SYNTHETIC, voxel)
    assert np.array_equal(from_hdf5, from_nifti, equal_nan=True)
    valid = space.frame.read(own.valid_session(SUBJECT, "func1mm", SYNTHETIC)).ravel()[voxel] > 0
    assert np.isnan(from_nifti[:, ~valid]).all()
    assert np.isfinite(from_nifti[:, valid]).all(axis=0).mean() > 0.9


def test_changed_groups_alone_are_driven_by_other_weights(truth):
    signal, kept = truth["synthetic_signal"], truth["synthetic_signal_unchanged"]
    changed = (truth["group"] == CHANGED).to_numpy()
    assert changed.any()
    assert np.array_equal(signal[:, ~changed], kept[:, ~changed])
    r = correlation_score(signal[:, changed].to_numpy(), kept[:, changed].to_numpy())
    assert abs(np.mean(r)) < 0.3


# ---- ceilings and statistics


def test_the_published_ceiling_is_that_of_its_sums_over_images():
    random = np.random.default_rng(1)
    repeats = np.repeat([2, 4, 8, 10], [30, 8, 4, 4])
    signal = random.normal(size=(len(repeats), 3)) * [1.0, 0.5, 0.0]
    image = np.repeat(np.arange(len(repeats)), repeats)
    trials = signal[image] + random.normal(size=(len(image), 3))
    within = np.stack([trials[image == i].var(axis=0, ddof=1) for i in range(len(repeats))])
    noise = ((repeats - 1)[:, None] * within).sum(axis=0) / (repeats - 1).sum()
    of_signal = np.maximum(trials.var(axis=0, ddof=1) - noise, 0)
    ncsnr = np.sqrt(of_signal) / np.sqrt(noise)
    expected = ncsnr**2 / (ncsnr**2 + np.mean(1 / repeats))
    found = trial_noise_ceiling(trials.var(axis=0, ddof=1), noise, repeats)
    np.testing.assert_allclose(found, expected)
    assert found[0] > found[1] > found[2] >= 0
    assert np.isnan(trial_noise_ceiling(np.ones(1), np.zeros(1), repeats)).all()


def test_slopes_are_those_of_a_regression():
    random = np.random.default_rng(2)
    predicted = random.normal(size=(50, 3))
    measured = predicted * [1.0, 0.4, 0.0] + 3 + 0.1 * random.normal(size=(50, 3))
    expected = [np.polyfit(predicted[:, v], measured[:, v], 1)[0] for v in range(3)]
    np.testing.assert_allclose(regression_slope(measured, predicted), expected)
    assert np.isnan(regression_slope(measured, np.ones((50, 3)))).all()


def test_distances_to_the_nearest_training_image():
    random = np.random.default_rng(3)
    images, training = random.normal(size=(20, 7)) + 100, random.normal(size=(30, 7)) + 100
    expected = cdist(images, training).min(axis=1)
    np.testing.assert_allclose(nearest_distance(images, training), expected)
    assert nearest_distance(training[:2], training) == pytest.approx([0, 0], abs=1e-6)


def test_means_of_draws_add_up_over_blocks_and_leave_out_what_is_unknown():
    random = np.random.default_rng(4)
    scores, members = random.normal(size=(6, 9)), random.uniform(size=(9, 3)) < 0.6
    scores[2, 4] = np.nan
    members[:, 2] = False
    draws = RegionDraws.empty(6, 3)
    draws.add(scores[:, :5], members[:5])
    draws.add(scores[:, 5:], members[5:])
    for region in range(2):
        expected = np.nanmean(scores[:, members[:, region]], axis=1)
        np.testing.assert_allclose(draws.means()[:, region], expected, rtol=1e-5)
    assert np.isnan(draws.means()[:, 2]).all()


def test_the_order_of_models_is_reported_where_both_intervals_exclude_0():
    def intervals(*ends: tuple[float, float]) -> Interval:
        lower, upper = np.array(ends).T
        return Interval((lower + upper) / 2, lower, upper)

    inside = intervals((0.1, 0.2), (0.1, 0.2), (0.1, 0.2), (-0.2, -0.1), (-0.1, 0.1))
    outside = intervals((0.05, 0.3), (-0.3, -0.1), (-0.1, 0.1), (-0.3, -0.2), (0.1, 0.2))
    found = order_of_models(inside, outside).tolist()
    assert found == [SAME, REVERSED, UNDECIDED, SAME, UNDECIDED]


def test_images_of_a_subclass_are_drawn_together_and_grey_ones_can_be_left_out():
    classes, subclasses = [*"aaaabbbbbbbb"], [*"uuuuvvvvwwww"]
    grey = np.arange(12) > 9
    sets = synthetic_sets(classes, subclasses, grey, draws=50, seed=0)
    assert {name: len(one.rows) for name, one in sets.items()} == {
        **{OUT: 12, NOT_GREY: 10},
        **{"a": 4, "b": 8},
    }
    assert [one.n_drawn for one in sets.values()] == [3, 3, 1, 2]
    counts = sets[OUT].counts.reshape(50, 3, 4)
    assert (counts == counts[:, :, :1]).all()
    assert counts.std() > 0
    lone = Interval.of(np.zeros(2), np.zeros((50, 2)), 0.95, sets["a"].n_drawn)
    assert np.isnan([lone.lower, lone.upper]).all()


# ---- what a study needs


def study_of(**changes: object):
    values = bare(yaml.safe_load((ROOT / "config/demo.yaml").read_text()))
    del values["simulation"]
    return parse_configuration({**values, "out_of_distribution": {"set": "synthetic"}, **changes})


def test_models_without_pictures_are_left_out_with_the_reason():
    study = study_of()
    assert "bert" not in scored(study)
    assert left_out(study)["bert"] == "bert is of captions, which synthetic images do not have"
    assert set(scored(study)) | set(left_out(study)) == set(study.models)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"out_of_distribution": {"set": "synthetic", "models": ["bert"]}}, "none can be scored"),
        ({"out_of_distribution": {"set": "imagery"}}, "out_of_distribution.set"),
        ({"out_of_distribution": {"set": "synthetic", "models": ["nothing"]}}, "unknown name"),
    ],
)
def test_what_cannot_be_scored_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        study_of(**changes)


def test_betas_and_simulations_without_the_session_are_refused():
    values = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    responses = {**values["responses"], "betas": "betas_assumehrf"}
    with pytest.raises(InputError, match="has no betas_assumehrf"):
        study_of(responses=responses)
    with pytest.raises(InputError, match="the simulation has no NSD-synthetic"):
        study_of(simulation=values["simulation"])


@pytest.mark.parametrize("space", SPACES)
def test_what_is_listed_is_what_the_checks_ask_for(layout, tmp_path, space):
    """Each listed file of NSD-synthetic is missed when it lacks, and named."""
    responses = {"space": space, "betas": BETAS, "mask": "nsdgeneral"}
    changes = {"subjects": [SUBJECT], "responses": responses, "rois": ["prf-visualrois"]}
    changes["maps"] = {}
    study = study_of(**changes)
    files = required_files(read_manifest(ROOT / "data_manifest.yaml"), study)
    paths = [file.path for file in files if SYNTHETIC in file.path]
    assert len(paths) == {"func1mm": 6, "nativesurface": 6, "fsaverage": 6}[space]
    without = study_of(**changes, out_of_distribution=None)
    listed = required_files(read_manifest(ROOT / "data_manifest.yaml"), without)
    assert not [file.path for file in listed if SYNTHETIC in file.path]
    own = NSDLayout(damaged_copy(layout.root, tmp_path))
    # else it would be read instead
    for path in own.root.rglob("betas_nsdsynthetic.nii.gz"):
        path.unlink()

    def problems(experiments: list[str]) -> list[str]:
        settings = responses_of([SUBJECT], space, BETAS)
        return find_problems(own, settings, [], [], experiments=experiments)[1]

    assert problems(study.experiments) == []
    for path in paths:
        (own.root / path).rename(own.root / "away")
        (problem,) = problems(study.experiments)
        assert path in problem
        assert problems(without.experiments) == []
        (own.root / "away").rename(own.root / path)


def test_pictures_of_another_shape_or_never_written_are_refused(layout, tmp_path):
    own = NSDLayout(damaged_copy(layout.root, tmp_path))
    path = own.synthetic_stimuli()
    rewrite(path, b"")
    path.unlink()
    for shape, message in (
        ((220, 714, 714, 3), "expected uint8"),
        ((220, 714, 1360, 3), "incomplete"),
    ):
        with h5py.File(path, "w") as file:
            file.create_dataset("imgBrick", shape, "u1")
        with pytest.raises(InputError, match=message):
            open_synthetic(own.root, SUBJECT).pictures()


# ---- models compared


class Scored(dict):
    """Scores of a model, where a result has them: three sets of images, one region."""

    configuration: ClassVar = {"level": 0.95}


def scored_model(inside: float, outside: float, luck: np.ndarray) -> ModelScores:
    """A model whose draws vary as those of every model do."""
    sets = [IN, OUT, "a class"]
    value = np.array([[inside], [outside], [outside]])
    means = {"r": value, "bound": np.array([[0.8], [0.5], [0.0]])}
    draws = value[:, None] + luck[:, :, None]
    result = Scored(set=np.array(sets), n_drawn=np.array([50, 71, 1]), r_draws=draws)
    return ModelScores(result, sets, means, np.array([9]))


def test_an_order_that_reverses_is_found_although_both_models_intervals_overlap():
    luck = np.random.default_rng(5).normal(size=(3, 2000)) * 0.1
    models = {"first": scored_model(0.6, 0.2, luck), "second": scored_model(0.5, 0.25, luck)}
    arrays = {name: values for name, (_, values) in _pairs(models).items()}
    assert arrays["order"].tolist() == [[REVERSED]]
    assert arrays["difference_in_value"] == pytest.approx(0.1)
    assert arrays["difference_out_upper"] == pytest.approx(-0.05, abs=1e-3)
    both = [one.interval(OUT) for one in models.values()]
    assert both[0].upper > both[1].lower


def test_a_drop_is_of_scores_by_their_ceilings_and_its_draws_are_independent():
    luck = np.random.default_rng(6).normal(size=(3, 4000)) * 0.05
    drop = scored_model(0.6, 0.2, luck).drop()
    assert drop.value == pytest.approx(0.6 / 0.8 - 0.2 / 0.5)
    deviation = np.hypot(0.05 / 0.8, 0.05 / 0.5)
    # Student's t with 49 degrees of freedom, and draws of 50
    assert drop.upper - drop.lower == pytest.approx(2 * 2.03 * deviation, rel=0.06)
    lone = scored_model(0.6, 0.2, luck).interval("a class", normalised=True)
    assert np.isnan([lone.value, lone.lower, lone.upper]).all()
