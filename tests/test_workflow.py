"""The real workflow on a small simulated study: what comes out, what reruns, what a kill leaves."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ENVIRON, ROOT, assert_dimensions_are_named
from nilearn import plotting
from runs import frozen
from scipy import stats

from encoding.inference.significance import false_discovery_rate
from encoding.ridge.stacking import fit_stacking
from encoding.scores import r2_score
from encoding.variance_partitioning import partition_variance
from pipeline.analyses.parts import parts
from pipeline.configuration.reading import parse_configuration
from pipeline.fits.fit_inputs import read_scaled
from pipeline.fits.image_blocks import image_blocks
from pipeline.maps.descriptions import described_quantities
from pipeline.maps.files import bids_label, read_map
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.spaces import open_space
from pipeline.results.audit import near_duplicates
from pipeline.results.metadata import metadata_path, read_metadata
from pipeline.results.provenance import read_provenance
from pipeline.results.storage import positions, read_result
from pipeline.results.tables import read_table
from pipeline.simulation.brain import NO_SIGNAL

SPACES = ["alexnet", "bert"]
COMPARISON, JOINT = "alexnet_vs_bert", "alexnet+bert"


@pytest.fixture(scope="module")
def recovery(study):
    return read_table(study.results / "validation/recovery.tsv")


# ---- what comes out


def test_planted_variance_is_recovered_as_well_as_an_oracle_could(recovery):
    finished = recovery[recovery["subject"] == "subj01"]
    assert len(finished) == 4 * 3
    assert np.abs(finished["recovered"] - finished["oracle"]).max() < 0.06
    v1 = finished[finished["group"] == "prf-visualrois/V1v"].set_index("component")
    words = finished[finished["group"] == "floc-words/VWFA-1"].set_index("component")
    assert v1.loc["alexnet", "recovered"] > 0.1 > v1.loc["bert", "recovered"]
    assert words.loc["bert", "recovered"] > 0.1 > words.loc["alexnet", "recovered"]


def test_voxels_without_signal_stay_without(study, recovery):
    null = recovery[recovery["group"] == NO_SIGNAL]
    assert np.abs(null["recovered"]).max() < 0.05
    shares = read_table(study.results / "validation/null_voxels.tsv")["false_positives"]
    assert shares.mean() < 0.12


def test_the_perfect_fit_bounds_the_oracle_where_one_space_drives_all(recovery):
    """Up to what other dimensions of the space add by chance."""
    joint = recovery.groupby(["subject", "group"])[["perfect", "oracle"]].sum()
    assert (joint["oracle"] < joint["perfect"] + 0.02).all()


@pytest.mark.parametrize("subject", ["subj01", "subj03"])
def test_results_carry_ids_provenance_and_their_labels(study, subject):
    result = read_result(study.results / f"encoding/{subject}/all/{JOINT}.h5")
    assert result.provenance["simulated"] is True
    assert result.provenance["untrained"] == ["alexnet"]
    smaller = {f"encoding/{name}" for name in SPACES}
    assert set(result.provenance["inputs"]) == {"responses", "split", *SPACES, *smaller}
    split = read_table(study.results / f"splits/{subject}/all.tsv")
    test = split[split["set"] == "test"]["nsd_id"]
    assert np.array_equal(result["image"], test)


def test_the_split_is_by_image_and_shared_images_test(study):
    import scipy.io

    design = scipy.io.loadmat(NSDLayout(study.nsd).experiment_design)
    shared = set(design["sharedix"].ravel().astype(int) - 1)
    for subject in ("subj01", "subj03"):
        split = read_table(study.results / f"splits/{subject}/all.tsv")
        assert split["nsd_id"].is_unique
        assert set(split.loc[split["set"] == "test", "nsd_id"]) <= shared
        assert not set(split.loc[split["set"] == "train", "nsd_id"]) & shared
        assert set(split.loc[split["set"] == "train", "fold"]) == {0, 1, 2, 3}
        assert set(split.loc[split["set"] == "test", "fold"]) == {-1}


def split_of(study, tmp_path, subject, **settings):
    """The split that other settings make of a subject's images."""
    out = tmp_path / f"{subject}.tsv"
    command = ["python", "-m", "pipeline.stages.split_images", "--nsd", str(study.nsd)]
    command += ["--subject", subject, "--subjects", "subjects"]
    command += ["--responses", str(study.results / f"responses/{subject}.h5")]
    command += ["--features"]
    command += [str(study.results / f"features/{name}/bert.h5") for name in ("subj01", "subj03")]
    defaults = {"folds": 3, "fold_order": "shuffled", "seed": 1, "test_fraction": 0.2}
    defaults |= {"clusters": 12, "space": "bert", "sessions": None}
    command += ["--configuration", "splits", "--out", str(out)]
    whole = {"subset": None, "training_images": None, "draw": 0, "matched": []}
    command += ["--variant", "all", "--selection", "whole"]
    splits = {**defaults, **settings}
    run = frozen(tmp_path, subjects=["subj01", "subj03"], splits=splits, whole=whole)
    subprocess.run(command, check=True, env=ENVIRON | run, cwd=ROOT)
    return read_table(out)


def test_images_that_all_saw_three_times_test_everyone(study, tmp_path):
    both = [split_of(study, tmp_path, s, test="shared515") for s in ("subj01", "subj03")]
    tested = [set(split.loc[split["set"] == "test", "nsd_id"]) for split in both]
    assert tested[0] == tested[1]
    responses = read_result(study.results / "responses/subj03.h5")
    thrice = responses["image"][responses["n_repeats"] == 3]
    assert tested[0] <= set(thrice)
    assert len(tested[0]) > 3


def test_images_that_are_alike_are_reported_whichever_images_test(study, tmp_path):
    split = split_of(study, tmp_path, "subj01", test="shared1000")
    assert (split["cluster"] == -1).all()
    assert split["block"].nunique() == 12
    tested = split["set"] == "test"
    assert split.loc[tested, "nearest_training"].between(-1, 1).all()
    assert split.loc[~tested, "nearest_training"].isna().all()
    # a bootstrap of clusters draws them together
    path = tmp_path / "subj01.tsv"
    nsd_id = split.loc[tested, "nsd_id"].to_numpy()
    blocks = image_blocks(path, nsd_id, "clusters")
    assert np.array_equal(blocks, split.loc[tested, "block"])
    assert image_blocks(path, nsd_id, "images") is None
    assert "test images correlate" in near_duplicates(path)
    without = split_of(study, tmp_path, "subj03", test="shared1000", space=None)
    assert (without["block"] == -1).all()
    assert near_duplicates(tmp_path / "subj03.tsv") is None


def test_a_random_share_tests(study, tmp_path):
    split = split_of(study, tmp_path, "subj01", test="random")
    assert (split["set"] == "test").mean() == pytest.approx(0.2, abs=0.01)
    other = split_of(study, tmp_path, "subj01", test="random", seed=2)
    assert not split["set"].equals(other["set"])


def test_whole_clusters_test_and_validate_the_same_for_everyone(study, tmp_path):
    both = [split_of(study, tmp_path, s, test="clusters") for s in ("subj01", "subj03")]
    for split in both:
        assert split.groupby("cluster")["set"].nunique().max() == 1
        assert split.groupby("cluster")["fold"].nunique().max() == 1
    sides = [split.set_index("nsd_id")["set"] for split in both]
    common = sides[0].index.intersection(sides[1].index)
    assert sides[0][common].equals(sides[1][common])


def test_partitions_are_those_of_the_fits(study):
    partition = read_result(study.results / f"partitions/subj01/all/{COMPARISON}.h5")
    r2 = {
        model: read_result(study.results / f"encoding/subj01/all/{model}.h5")["r2"]
        for model in (*SPACES, JOINT)
    }
    for name, values in partition_variance(r2, SPACES).items():
        assert np.allclose(partition.by_label("variance")[name], values, atol=1e-6, equal_nan=True)


def test_the_stack_is_scored_on_the_test_images_beside_the_joint_model(study):
    """Weighed single-space models, by the library's function on the same files."""
    arrays = read_result(study.results / f"encoding/subj01/all/{JOINT}.h5")
    split = read_table(study.results / "splits/subj01/all.tsv")
    test, fold = (split["set"] == "test").to_numpy(), split["fold"].to_numpy()
    nsd_id, path = split["nsd_id"].to_numpy(), study.results / "responses/subj01.h5"
    measured = read_result(path, ["responses"])
    rows = positions(measured["image"], nsd_id, path, "the split")
    y, features = measured["responses"][rows], study.results / "features/subj01"
    bands = {
        space: read_scaled(features / f"{space}.h5", nsd_id, ~test, "the split").features
        for space in SPACES
    }
    alphas = np.logspace(-4, 4, 9)
    training = {space: features[~test] for space, features in bands.items()}
    fit = fit_stacking(training, y[~test], fold[~test], alphas)
    predicted = fit.predict({space: features[test] for space, features in bands.items()})
    expected = r2_score(y[test], predicted)
    fitted = np.isfinite(arrays["stacked_r2"])
    assert fitted.mean() > 0.9
    np.testing.assert_allclose(arrays["stacked_r2"][fitted], expected[fitted], atol=1e-5)
    np.testing.assert_allclose(arrays["stacked_weights"][:, fitted].sum(axis=0), 1, atol=1e-5)
    table = read_table(study.results / "tables/partitions.tsv")
    row = table.query("component == 'stacked' and subject == 'subj01' and roi == 'all'")
    assert row["mean_variance"].item() == pytest.approx(
        arrays["stacked_r2"][fitted].mean(), abs=1e-6
    )


def test_noise_ceilings_use_the_repeats_of_the_test_images(study):
    ceilings, repeats = {}, {}
    for subject in ("subj01", "subj03"):
        result = read_result(study.results / f"encoding/{subject}/all/alexnet.h5")
        responses = read_result(study.results / f"responses/{subject}.h5")
        test = np.isin(responses["image"], result["image"])
        repeats[subject] = responses["n_repeats"][test].mean()
        ceilings[subject] = np.nanmedian(result["noise_ceiling"][result["noise_ceiling"] > 0.2])
    assert repeats["subj01"] == 3 > repeats["subj03"]
    assert ceilings["subj01"] > ceilings["subj03"]


def test_voxels_that_a_session_did_not_cover_are_marked_not_scored(study):
    responses = read_result(study.results / "responses/subj01.h5")
    incomplete = (responses["n_valid_repeats"] < responses["n_repeats"][:, None]).any(axis=0)
    never = ~responses["n_valid_repeats"].any(axis=0)
    assert (np.count_nonzero(never), np.count_nonzero(incomplete)) == (2, 6)
    assert np.isnan(responses["responses"][:, never]).all()
    r2 = read_result(study.results / "encoding/subj01/all/bert.h5")["r2"]
    lacking = np.isnan(responses["responses"]).any(axis=0)
    assert np.isnan(r2[lacking]).all()
    assert np.isfinite(r2[~incomplete]).all()


def test_features_carry_the_images_and_weights_they_come_from(study):
    """What subjects share was extracted once, beside what each of them alone saw."""
    parts = {
        part: [
            read_result(path)
            for path in sorted((study.results / "features/layers/alexnet").glob(f"{part}_*.h5"))
        ]
        for part in ("shared", "subj01", "subj03")
    }
    for subject in ("subj01", "subj03"):
        shards = [*parts["shared"], *parts[subject]]
        nsd_id = np.concatenate([shard["image"] for shard in shards])
        assert len(set(nsd_id)) == len(nsd_id)
        images = read_table(study.results / f"images/{subject}.tsv")["nsd_id"]
        space = read_result(study.results / f"features/{subject}/alexnet.h5")
        assert np.array_equal(space["image"], images)
        extracted = np.concatenate([shard["features_fc7"] for shard in shards])
        rows = positions(nsd_id, images, "shards", "the subject's images")
        assert np.array_equal(space["features"], extracted[rows])
    recorded = [shard.provenance["configuration"] for shards in parts.values() for shard in shards]
    assert len({made["weights_sha256"] for made in recorded}) == 1
    assert recorded[0]["weights_label"] == "untrained (seed 2)"
    assert recorded[0]["layers"] == [*(f"conv{number}:mean" for number in range(1, 6)), "fc7"]


def test_principal_components_know_a_subjects_training_images_alone(study):
    for subject in ("subj01", "subj03"):
        space = read_result(study.results / f"features/{subject}/all/alexnet_conv3.h5")
        split = read_table(study.results / f"splits/{subject}/all.tsv")
        train = np.isin(space["image"], split.loc[split["set"] == "train", "nsd_id"])
        scores = space["features"]
        assert scores.shape == (len(split), 20)
        assert np.abs(scores[train].mean(0)).max() < 1e-3 * scores.std(0).max()
        covariance = np.cov(scores[train].T)
        assert np.allclose(covariance, np.diag(np.diag(covariance)), atol=1e-3 * covariance.max())
        assert np.abs(scores[~train].mean(0)).max() > 1e-2 * scores.std(0).max()


def test_scores_come_with_intervals_and_tests_of_the_same_predictions(predicted):
    study = predicted
    responses = read_result(study.results / "responses/subj01.h5")
    for model in (*SPACES, JOINT):
        fit, kept, found = (
            read_result(study.results / f"{kind}/subj01/all/{model}.h5")
            for kind in ("encoding", "predictions", "significance")
        )
        assert np.array_equal(kept["image"], fit["image"])
        rows = np.searchsorted(responses["image"], kept["image"])
        measured, predicted = responses["responses"][rows], kept["predictions"]
        assert np.allclose(r2_score(measured, predicted), fit["r2"], equal_nan=True, atol=1e-5)
        usable = np.isfinite(fit["r2"])
        for score in ("r", "r2"):
            inside = fit[score] >= found[f"{score}_lower"]
            inside &= fit[score] <= found[f"{score}_upper"]
            assert inside[usable].mean() > 0.97
        q = found["q"]
        assert np.isfinite(q[usable]).all()
        assert np.isnan(q[~usable]).all()


def test_components_come_with_intervals_and_tests(study):
    found = read_result(study.results / f"significance/subj01/all/{COMPARISON}.h5")
    partition = read_result(study.results / f"partitions/subj01/all/{COMPARISON}.h5")
    q = found.by_label("q")
    v1 = np.isin(
        partition["voxel"],
        read_table(study.results / "rois/subj01.tsv").query("roi == 'V1v'")["voxel"],
    )
    assert np.nanmean(q["alexnet"][v1] <= 0.05) > 0.5
    assert np.nanmean(q["bert"][v1] <= 0.05) < 0.1
    shared = partition.by_label("variance")["alexnet&bert"]
    # a voxel to which a space adds nothing is not tested for what it adds, but for what they share
    tested = {name: np.isfinite(q[name]) for name in ("bert", "alexnet&bert")}
    assert tested["alexnet&bert"][tested["bert"]].all()
    assert np.nanmean(q["alexnet&bert"] <= 0.05) > 0.3
    lower, upper = (found.by_label(f"variance_{end}")["alexnet&bert"] for end in ("lower", "upper"))
    assert np.mean(((lower <= shared) & (shared <= upper))[np.isfinite(shared)]) > 0.95
    assert found.provenance["configuration"]["false_discovery_family"].startswith("voxels of one")


def test_of_the_voxels_found_few_have_no_signal(study):
    """75 voxels without signal share 100 test images: their share of chance hits varies."""
    truth = read_result(study.nsd.parent / "truth/subj01.h5")
    for model in ("alexnet", "bert"):
        found = read_result(study.results / f"significance/subj01/all/{model}.h5")
        null = np.isin(found["voxel"], truth["voxel"][truth["group"] == NO_SIGNAL])
        assert np.nanmean(found["p"][null] <= 0.05) < 0.15
        significant = found["q"] <= 0.05
        assert np.count_nonzero(significant) > 50
        assert np.mean(null[significant]) < 0.1


def test_maps_hold_the_values_at_their_voxels_and_open_in_nilearn(study):
    folder = study.results / "maps/subj01/all"
    index = json.loads((folder / "index.json").read_text())
    # of analyses that tests/test_later_analyses.py and tests/test_variants.py switch on
    later = {
        quantity
        for name in ("model_differences", "ceiling_shares", "repeated_splits")
        for quantity in parts("maps")[name].QUANTITIES
    }
    found = {entry["quantity"] for entry in index["maps"].values()}
    assert found == set(described_quantities()) - later
    assert all((folder / file).exists() for file in index["maps"])
    path = folder / "bert/sub-01_space-func1pt8mm_model-bert_stat-r_statmap.nii.gz"
    image = nibabel.load(path)
    source = nibabel.load(NSDLayout(study.nsd).mean_image("subj01", "func1pt8mm"))
    assert image.shape == source.shape
    assert np.allclose(image.affine, source.affine)
    result = read_result(study.results / "encoding/subj01/all/bert.h5")
    values = image.get_fdata().ravel()
    assert np.allclose(values[result["voxel"]], result["r"], equal_nan=True)
    assert np.isnan(np.delete(values, result["voxel"])).all()
    assert "<html" in plotting.view_img(image, bg_img=source, threshold=0.1).get_standalone()
    sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
    assert sidecar["Provenance"]["simulated"] is True
    assert sidecar["Units"] == "correlation"
    assert sidecar["Test"].startswith("Student's t")


def test_captions_of_figures_are_complete_sentences(study):
    figures = json.loads((study.results / "figures/index.json").read_text())["figures"]
    assert len(figures) > 5
    assert [entry["name"] for entry in figures if not entry["caption"].endswith(".")] == []


def test_means_of_maps_over_maps_of_rois_are_those_of_the_table(study):
    table = read_table(study.results / "tables/correlations.tsv")
    for subject in ("subj01", "subj03"):
        folder, stem = (
            study.results / f"maps/{subject}/all",
            f"sub-{subject[-2:]}_space-func1pt8mm_",
        )
        rows = table.query("subject == @subject and atlas == 'prf-visualrois'")
        rois = folder / f"subject/{stem}seg-prfVisualrois_dseg.nii.gz"
        labels = read_map(rois)
        names = read_metadata(metadata_path(rois))["Labels"]
        numbers = {name: int(number) for number, name in names.items()}
        assert len(rows)
        for row in rows.itertuples():
            name = f"{stem}model-{bids_label(row.model)}_stat-r_statmap.nii.gz"
            values = read_map(folder / row.model / name)
            inside = values[labels == numbers[row.roi]]
            assert np.nanmean(inside) == pytest.approx(row.mean_r, abs=1e-5)
            assert np.isfinite(inside).sum() == row.n_voxels


def test_maps_of_roi_labels_are_nsds_own_files_in_the_modelled_voxels(study):
    layout = NSDLayout(study.nsd)
    voxel = read_result(study.results / "responses/subj01.h5", ["voxel"])["voxel"]
    for atlas in ("prf-visualrois", "floc-faces", "floc-words"):
        name = f"sub-01_space-func1pt8mm_seg-{bids_label(atlas)}_dseg.nii.gz"
        ours = read_map(study.results / "maps/subj01/all/subject" / name).ravel()
        theirs = nibabel.load(layout.roi("subj01", "func1pt8mm", atlas)).get_fdata().ravel()
        np.testing.assert_array_equal(ours[voxel], np.maximum(theirs[voxel], 0))
        assert np.count_nonzero(ours) == np.count_nonzero(theirs[voxel] > 0) > 0


def test_only_significant_voxels_are_left_of_a_thresholded_map(study):
    folder = study.results / "maps/subj01/all/bert"
    for space in ("space-func1pt8mm", "space-MNI152NLin6Asym"):
        stem = f"sub-01_{space}_model-bert_stat-"
        raw = read_map(folder / f"{stem}r_statmap.nii.gz")
        left = read_map(folder / f"{stem}r_desc-fdr05_statmap.nii.gz")
        kept = np.isfinite(left)
        assert 0 < kept.sum() < np.isfinite(raw).sum()
        np.testing.assert_array_equal(left[kept], raw[kept])
        if space == "space-func1pt8mm":
            q = read_map(folder / f"{stem}q_statmap.nii.gz")
            np.testing.assert_array_equal(kept, q <= 0.05)


def test_maps_on_surfaces_find_the_planted_roi(study):
    """V1v follows alexnet alone: on fsaverage its vertices have alexnet's unique variance."""
    folder = study.results / "maps/subj01/all/alexnet_vs_bert"
    stem = "space-fsaverage_comparison-alexnetVsBert_component-alexnet_stat-unique_statmap.func.gii"
    values = np.concatenate([read_map(folder / f"sub-01_hemi-{h}_{stem}") for h in "LR"])
    surface = open_space(NSDLayout(study.nsd), "subj01", "fsaverage", "betas_fithrf_GLMdenoise_RR")
    v1 = surface.read_labels("prf-visualrois") == 1
    assert np.nanmean(values[v1]) > 3 * np.nanmean(values[~v1])


def test_group_maps_are_the_means_of_the_subjects(study):
    stem = "space-MNI152NLin6Asym_model-bert_stat-r"
    folders = [study.results / f"maps/subj0{n}/all/bert/sub-0{n}_" for n in (1, 3)]
    subjects = np.stack([read_map(Path(f"{f}{stem}_statmap.nii.gz")) for f in folders])
    group = study.results / "maps/group/bert"
    mean = read_map(group / f"{stem}_desc-mean_statmap.nii.gz")
    np.testing.assert_allclose(mean, subjects.mean(axis=0), rtol=1e-5)
    assert np.isfinite(mean).any()
    t = read_map(group / f"{stem}_desc-t_statmap.nii.gz")
    error = subjects.std(axis=0, ddof=1) / np.sqrt(2)
    np.testing.assert_allclose(t, mean / error, rtol=1e-3)
    left = read_map(group / f"{stem}_desc-fdr05_statmap.nii.gz")
    kept = np.isfinite(left)
    np.testing.assert_array_equal(left[kept], mean[kept])
    # with two subjects t has one degree of freedom
    q = false_discovery_rate(2 * stats.t.sf(np.abs(t), df=1))
    np.testing.assert_array_equal(kept, q <= 0.05)
    assert len(list(group.glob("hemi-?_space-fsaverage_model-bert_stat-r_desc-t_*.gii"))) == 2
    replicated = read_map(group / f"{stem}_desc-replicated_statmap.nii.gz")
    significant = [read_map(Path(f"{f}{stem}_desc-fdr05_statmap.nii.gz")) for f in folders]
    np.testing.assert_array_equal(replicated, np.isfinite(significant).sum(axis=0))
    # of two subjects no p can be small
    assert np.nanmin(read_map(group / f"{stem}_desc-pMaxT_statmap.nii.gz")) == 0.5
    assert np.isnan(read_map(group / f"{stem}_desc-fwe05_statmap.nii.gz")).all()
    participants = read_table(study.results / "maps/participants.tsv")
    assert participants["dataset_subject"].tolist() == ["subj01", "subj03"]
    assert participants["participant_id"].tolist() == ["sub-01", "sub-03"]


def test_every_result_opens_in_xarray_with_dimensions_that_are_described(study):
    paths = [*study.results.rglob("*.h5"), *(study.results.parent / "features").rglob("*.h5")]
    for path in paths:
        assert_dimensions_are_named(path)
    # all that docs/results.md has a line for
    found = {path.relative_to(study.results.parent).parts[1] for path in paths}
    assert {"labels", "layers", "learning_curves", "identification", "interpretation"} <= found


def test_tables_are_the_means_of_their_voxels(study):
    table = read_table(study.results / "tables/correlations.tsv")
    rois = read_table(study.results / "rois/subj01.tsv")
    result = read_result(study.results / "encoding/subj01/all/alexnet.h5")
    row = table.query("subject == 'subj01' and model == 'alexnet' and roi == 'V1v'").iloc[0]
    members = np.isin(result["voxel"], rois.query("roi == 'V1v'")["voxel"])
    r = result["r"][members]
    assert row["mean_r"] == pytest.approx(np.nanmean(r), rel=1e-4)
    assert row["n_voxels"] == np.count_nonzero(np.isfinite(r))
    assert row["n_voxels"] + row["n_excluded"] == len(r)
    assert (row["weights"], row["data"]) == ("untrained: alexnet", "simulated")
    described = json.loads((study.results / "tables/correlations.json").read_text())["columns"]
    assert list(described) == sorted(table.columns)
    components = read_table(study.results / "tables/partitions.tsv")
    part = components.query("subject == 'subj03' and roi == 'all'").set_index("component")
    total = part.loc[["alexnet", "bert", "alexnet&bert"], "mean_variance"].sum()
    assert total == pytest.approx(part.loc["joint", "mean_variance"], abs=1e-4)


def test_the_report_needs_no_network_and_says_what_its_data_are(study):
    pages = list((study.results / "report").rglob("*.html"))
    assert len(pages) > 8
    for path in pages:
        page = path.read_text()
        assert "Simulated data: no brain was measured" in page
        assert "Untrained weights: alexnet" in page
        for attribute in ('src="http', "src='http", "@import", "url(http"):
            assert attribute not in page


def test_snakemakes_own_report_holds_pages_tables_and_figures(study, tmp_path):
    study.snakemake("--report", str(tmp_path / "report.zip"))
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        names = {Path(name).name for name in archive.namelist()}
    # of subjects the pages alone would lack their views: the report's caption tells of the folder
    pages = {path.name for path in (study.results / "report").glob("*.html")} - {
        f"{subject}.html" for subject in ("subj01", "subj03")
    }
    figures = {path.name for path in (study.results / "figures").glob("*.png")}
    assert pages | figures | {"correlations.tsv", "partitions.tsv", "report.html"} <= names


def shown(study, *arguments: str) -> str:
    """What the terminal shows of the study."""
    command = ["python", "-m", "pipeline", "show", *arguments]
    done = subprocess.run(
        [*command, "--configfile", str(study.configuration)],
        capture_output=True,
        text=True,
        cwd=study.directory,
        env=ENVIRON,
    )
    return done.stdout + done.stderr


def test_the_terminal_shows_headlines_and_where_the_files_are(study):
    reported = shown(study)
    assert str(study.results / "report/index.html") in reported.replace("\n", "")
    assert "Simulated data" in reported
    assert "alexnet&bert" in reported
    assert "subj03" in reported
    table = read_table(study.results / "tables/correlations.tsv")
    row = table.query("subject == 'subj01' and model == 'bert' and roi == 'all'").iloc[0]
    assert f"{row['mean_r']:.3f}" in reported
    assert "subj03" not in shown(study, "subj01")
    assert "subj07: not in" in shown(study, "subj07")


STAGES = (
    *("simulation", "check", "audit", "features", "responses", "encoding", "significance"),
    *("partitions", "interpretation", "representational_similarity", "confounds", "maps"),
    *("tables", "figures", "report"),
)


def test_every_stage_can_be_asked_for_by_name(study):
    # an audit looks at the files whenever it is asked for
    assert study.planned(*STAGES) == {"audit": 1}


def test_experiments_of_known_truth_are_made_when_asked_for_and_then_quoted(restored):
    assert not (restored.results / "validation/calibration.tsv").exists()
    page = restored.results / "report/validation.html"
    assert "has not been checked" in page.read_text()
    restored.snakemake("validate")
    assert restored.planned("validate") == {}
    assert restored.planned("report") == {"report": 1, "write_study_pages": 1}
    restored.snakemake("report")
    assert "checks came out as they should" in page.read_text()
    provenance = read_provenance(restored.results / "validation/calibration.tsv")["configuration"]
    configuration = yaml.safe_load(restored.configuration.read_text())
    assert provenance == parse_configuration(configuration).calibrated


def test_noise_ceilings_are_compared_when_asked_for(study):
    assert study.planned("noise_ceilings") == {"compare_noise_ceilings": 2, "noise_ceilings": 1}
    study.snakemake("noise_ceilings")
    assert study.planned("noise_ceilings") == {}
    for subject in study.results.glob("checked/noise_ceilings/*.tsv"):
        row = pd.read_csv(subject, sep="\t").iloc[0]
        assert row["median_released_ncsnr"] == pytest.approx(row["median_recomputed_ncsnr"])


def test_the_demo_is_the_default_and_leaks_into_no_other_study(study):
    text = study.snakemake("--summary").stdout
    assert "results/tiny/" in text
    assert "demo" not in text


# ---- damages


def test_a_wrong_configuration_stops_before_any_job(restored):
    restored.edit(lambda values: values.update(models=["alexnet", "brt"]))
    done = restored.snakemake(check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "models: unknown name 'brt'; did you mean bert" in said
    assert "Traceback" not in said


def test_an_unknown_architecture_stops_before_long_work(restored):
    restored.edit(lambda values: values["networks"]["alexnet"].update(architecture="alexnett"))
    done = restored.snakemake("check", check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "networks.alexnet: torchvision has no architecture 'alexnett'" in said
    assert "Near names: alexnet" in said


def test_tables_read_in_pandas_without_help(study):
    frame = pd.read_csv(study.results / "tables/best_voxels.tsv", sep="\t")
    assert frame["best_r"].between(-1, 1).all()
