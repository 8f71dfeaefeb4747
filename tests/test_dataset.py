"""The core reads whatever dataset: one of plain matrices goes all its way, without a part of NSD.

The study runs in a process of its own, which tells what it imported: `run_study`.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from conftest import assert_dimensions_are_named
from PIL import Image

from encoding.scores import r2_score
from pipeline.dataset.anatomy import Anatomy
from pipeline.errors import InputError
from pipeline.maps.files import INDEX, read_map
from pipeline.results.integrity import checksum_path
from pipeline.results.metadata import read_metadata
from pipeline.results.provenance import by_identity
from pipeline.results.storage import read_result
from pipeline.results.tables import read_table

ROOT = Path(__file__).resolve().parent.parent
SUBJECTS = ("anna", "ben")
pytestmark = pytest.mark.workflow
N_IMAGES, N_SHARED, N_LABELS, BLOCKS = 460, 100, 6, 2
# voxels that the labels, the colours or nothing of an image drives
DRIVEN = np.repeat(["shown", "colour", "noise"], 20)
CEILING = 0.6
NETWORKS = {
    "shown": {
        **{"library": "file", "architecture": "given", "stimulus": "nsd_id"},
        "weights": "labels.npz",
    },
    "colour": {
        **{"library": "low_level", "architecture": "gabor_energy", "stimulus": "image"},
        "weights": "none",
    },
}
LAYERS = {"shown": "labels", "colour": "colour"}
ENCODING = {
    **{"penalty": "banded", "scaling": "zscore", "band_weight_samples": 5, "seed": 0},
    **{"solver": "native", "search": "exact", "backend": "numpy", "missing_images": "exclude"},
    "image_weights": "equal",
    **{"alphas": {"minimum": 1, "maximum": 1e4, "number": 5}},
}
SPLITS = {
    **{"test": "shared515", "sessions": None, "space": None},
    **{"folds": 4, "fold_order": "shuffled", "seed": 0},
}
WHOLE = {"subset": None, "matched": [], "training_images": None, "draw": 0}
TABLES = ("correlations", "partitions", "group", "best_voxels", "models")
COMPARISON = "shown_vs_colour"
# optional analyses that have maps
MAPPED = ("model_differences", "ceiling_shares")
# each set of spaces, smaller ones first
SETS = {"shown": ["shown"], "colour": ["colour"], "shown+colour": ["shown", "colour"]}
KINDS = ("encoding", "predictions")
TESTS = {"test": "permutation", "draws": 200, "level": 0.95, "resample": "images", "seed": 0}


def write_matrices(folder: Path) -> None:
    """Images of labels and colours, each of which drives voxels of its own."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, (N_IMAGES, N_LABELS)).astype(np.uint8)
    colours = random.integers(0, 256, (N_IMAGES, BLOCKS, BLOCKS, 3)).astype(np.uint8)
    sources = {"shown": labels, "colour": colours.reshape(N_IMAGES, -1)}
    sources["noise"] = np.zeros((N_IMAGES, 1))
    np.savez(folder.parent / "labels.npz", labels=labels, nsd_id=np.arange(N_IMAGES))
    (folder / "pictures").mkdir()
    names = [f"pictures/{image}.png" for image in range(N_IMAGES)]
    for name, colour in zip(names, colours, strict=True):
        Image.fromarray(colour.repeat(16, axis=0).repeat(16, axis=1)).save(folder / name)
    images = np.arange(N_IMAGES)
    table = pd.DataFrame({"image": images, "shared": 1 * (images < N_SHARED), "picture": names})
    table.to_csv(folder / "images.tsv", sep="\t", index=False)
    own = np.split(np.arange(N_SHARED, N_IMAGES), len(SUBJECTS))
    for subject, images in zip(SUBJECTS, own, strict=True):
        (folder / subject).mkdir()
        seen = np.concatenate([np.arange(N_SHARED), images])
        responses = random.normal(size=(len(seen), len(DRIVEN))).astype(np.float32)
        for voxel, source in enumerate(DRIVEN):
            signal = sources[source][seen] @ random.normal(size=sources[source].shape[1])
            scale = np.sqrt(CEILING / (1 - CEILING)) / (signal.std() or 1)
            responses[:, voxel] += scale * (signal - signal.mean())
        mask = np.zeros((5, 6, 4), np.uint8)
        mask.ravel()[random.permutation(mask.size)[: len(DRIVEN)]] = 1
        nibabel.save(
            nibabel.Nifti1Image(mask, np.diag([2, 2, 2, 1])), folder / subject / "mask.nii.gz"
        )
        np.save(folder / subject / "images.npy", seen)
        np.save(folder / subject / "responses.npy", responses)
    # of the other subject nothing is known
    np.save(folder / "anna/noise_ceiling.npy", np.where(DRIVEN == "noise", 0.01, CEILING))


def run(stage: ModuleType, **given: Any) -> None:
    """A stage's `main`, given its arguments."""
    if "nsd" in {field.name for field in fields(stage.Arguments)}:
        given["nsd"] = Path("matrices")
    arguments = stage.Arguments(**given)
    # this process runs nothing else
    stage.Arguments.read = lambda: arguments
    stage.main()


def extract(results: Path) -> None:
    from pipeline.stages import extract_features, list_images, reduce_features

    for part in ("shared", *SUBJECTS):
        run(list_images, part=part, out=results / f"images/{part}.tsv")
        for name, network in NETWORKS.items():
            run(
                extract_features,
                images=results / f"images/{part}.tsv",
                part=part,
                network={"name": name, **network},
                layers=[LAYERS[name]],
                shard="1of1",
                weights=Path("weights"),
                store=results / "store",
                study="matrices",
                out=results / f"layers/{name}/{part}_1of1.h5",
            )
    for subject in SUBJECTS:
        for name in NETWORKS:
            run(
                reduce_features,
                space=name,
                settings={"network": name, "layer": LAYERS[name]},
                images=results / f"images/{subject}.tsv",
                split=None,
                shards=[results / f"layers/{name}/{part}_1of1.h5" for part in ("shared", subject)],
                out=results / f"features/{subject}/{name}.h5",
            )


def fit(results: Path, subject: str) -> None:
    from pipeline.stages import (
        assess_components,
        assess_significance,
        average_responses,
        fit_encoding_models,
        label_rois,
        partition_variance,
        predict_test_images,
        split_images,
    )

    responses, split = results / f"responses/{subject}.h5", results / f"splits/{subject}/all.tsv"
    common = {"responses": responses, "split": split}
    run(average_responses, subject=subject, configuration={"space": "grid"}, out=responses)
    rois = results / f"rois/{subject}.tsv"
    run(label_rois, subject=subject, responses=responses, atlases=[], out=rois)
    run(
        split_images,
        **{"subject": subject, "subjects": [*SUBJECTS], "responses": responses, "features": []},
        **{"labels": [], "configuration": SPLITS, "variant": "all", "selection": WHOLE},
        out=split,
    )
    for weights in ("equal", "repeats"):
        run(
            fit_encoding_models,
            **{**common, "spaces": [*NETWORKS], "specifications": {}},
            configuration={**ENCODING, "image_weights": weights},
            features=[results / f"features/{subject}/{name}.h5" for name in NETWORKS],
            **{"smaller_encoding": [], "stacked": True, "memory_mb": 500},
            out=results / f"{weights}/{subject}.h5",
        )
        run(
            predict_test_images,
            **{**common, "spaces": [*NETWORKS], "memory_mb": 500},
            features=[results / f"features/{subject}/{name}.h5" for name in NETWORKS],
            encoding=results / f"{weights}/{subject}.h5",
            out=results / f"{weights}/{subject}_test.h5",
        )
    for model, spaces in SETS.items():
        smaller = spaces if len(spaces) > 1 else []
        features = [results / f"features/{subject}/{name}.h5" for name in spaces]
        run(
            fit_encoding_models,
            **{**common, "spaces": spaces, "specifications": {}, "configuration": ENCODING},
            features=features,
            smaller_encoding=[result_file(results, "encoding", subject, s) for s in smaller],
            **{"stacked": False, "memory_mb": 500},
            out=result_file(results, "encoding", subject, model),
        )
        run(
            predict_test_images,
            **{**common, "spaces": spaces, "features": features, "memory_mb": 500},
            encoding=result_file(results, "encoding", subject, model),
            out=result_file(results, "predictions", subject, model),
        )
        run(
            assess_significance,
            **{**common, "spaces": spaces, "configuration": TESTS},
            predictions=result_file(results, "predictions", subject, model),
            out=result_file(results, "significance", subject, model),
        )
    files = {
        kind: [result_file(results, kind, subject, model) for model in SETS]
        for kind in ("encoding", "predictions")
    }
    run(
        partition_variance,
        comparison=COMPARISON,
        spaces=[*NETWORKS],
        encoding=files["encoding"],
        out=result_file(results, "partitions", subject, COMPARISON),
    )
    run(
        assess_components,
        **{**common, "comparison": COMPARISON, "spaces": [*NETWORKS], "configuration": TESTS},
        predictions=files["predictions"],
        out=result_file(results, "significance", subject, COMPARISON),
    )


def result_file(results: Path, kind: str, subject: str, name: str) -> Path:
    return results / f"{kind}/{subject}/all/{name}.h5"


def results_of(results: Path, subjects: Sequence[str]) -> dict[str, list[Path]]:
    """Files of subjects that tables and maps are made of."""
    names = {
        "encoding": [*SETS],
        "significance": [*SETS, COMPARISON],
        "partitions": [COMPARISON],
    }
    return {
        kind: [result_file(results, kind, subject, name) for subject in subjects for name in found]
        for kind, found in names.items()
    }


def summarise(results: Path) -> None:
    from pipeline.stages import write_maps, write_tables, write_voxel_tables

    rois = [results / f"rois/{subject}.tsv" for subject in SUBJECTS]
    tables = [results / f"tables/{name}.tsv" for name in TABLES]
    run(write_tables, models=[*NETWORKS], rois=rois, out=tables, **results_of(results, SUBJECTS))
    for number, subject in enumerate(SUBJECTS):
        own = results_of(results, [subject])
        run(
            write_voxel_tables,
            **{"subject": subject, "rois": rois[number], **own},
            models=results / f"voxels/{subject}/models.parquet",
            components=results / f"voxels/{subject}/components.parquet",
        )
        run(
            write_maps,
            **{"subject": subject, "variant": "all", "models": [*NETWORKS], **own},
            analyses=[results / f"{name}/{subject}/{COMPARISON}.h5" for name in MAPPED],
            **{"atlases": [], "spaces": ["grid"], "quantities": ["r", "unique"]},
            responses=results / f"responses/{subject}.h5",
            out_directory=results / f"maps/{subject}/all",
        )


def analyse(results: Path) -> None:
    """Optional analyses of the test images, which know no dataset either."""
    from pipeline.analyses.ceiling_shares import measure_ceiling_shares
    from pipeline.analyses.model_differences import compare_models
    from pipeline.analyses.replication import count_replications
    from pipeline.analyses.roi_intervals import assess_regions
    from pipeline.analyses.split_half import halve_test_images
    from pipeline.stages import write_analysis_table

    made: dict[str, list[Path]] = {}
    for subject in SUBJECTS:
        responses = results / f"responses/{subject}.h5"
        split = results / f"splits/{subject}/all.tsv"
        tested = {"responses": responses, "split": split}
        predictions = [result_file(results, "predictions", subject, model) for model in SETS]

        def out(analysis: str, name: str, subject: str = subject) -> Path:
            path = results / analysis / subject / f"{name}.h5"
            made.setdefault(analysis, []).append(path)
            return path

        run(
            compare_models,
            **{**tested, "models": [*NETWORKS], "predictions": predictions[:2]},
            **{"configuration": TESTS, "out": out("model_differences", COMPARISON)},
        )
        run(
            measure_ceiling_shares,
            configuration={"min_noise_ceiling": 0.1},
            partition=result_file(results, "partitions", subject, COMPARISON),
            out=out("ceiling_shares", COMPARISON),
        )
        run(
            halve_test_images,
            **{
                **tested,
                "comparison": COMPARISON,
                "spaces": [*NETWORKS],
                "predictions": predictions,
            },
            **{"settings": {"splits": 10, "seed": 0}, "resample": "images"},
            out=out("split_half", COMPARISON),
        )
        run(
            assess_regions,
            **{**tested, "models": [*NETWORKS], "predictions": predictions},
            comparisons={COMPARISON: {"spaces": [*NETWORKS], "models": [*SETS]}},
            **{"settings": {"atlases": ["all"]}, "configuration": TESTS},
            rois=results / f"rois/{subject}.tsv",
            out=out("roi_intervals", "all"),
        )
    rois = [results / f"rois/{subject}.tsv" for subject in SUBJECTS]
    for name, paths in made.items():
        table = results / f"tables/{name}.tsv"
        reported = {"analysis": name, "settings": {}}
        run(write_analysis_table, **reported, rois=rois, results=paths, out=[table])
    run(
        count_replications,
        intervals=results / "tables/roi_intervals.tsv",
        out=results / "tables/replication.tsv",
    )


def run_study() -> None:
    """The whole study, in the folder that is the current one; prints NSD's modules in memory."""
    results = Path("results/matrices")
    extract(results)
    for subject in SUBJECTS:
        fit(results, subject)
    analyse(results)
    summarise(results)
    print(json.dumps([name for name in sys.modules if name.startswith("pipeline.nsd")]))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The results of a study of matrices, and the modules of NSD that it imported."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "matrices").mkdir()
    write_matrices(folder / "matrices")
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, __file__], capture_output=True, text=True, cwd=folder, env=environ
    )
    assert done.returncode == 0, done.stderr
    return folder / "results/matrices", json.loads(done.stdout.splitlines()[-1])


def test_nothing_of_nsd_is_imported(finished):
    assert finished[1] == []


def test_the_signal_that_matrices_hold_is_found(finished):
    """In every subject, each space explains the voxels that it drives, and no other."""
    results, _ = finished
    for subject in SUBJECTS:
        partition = read_result(result_file(results, "partitions", subject, COMPARISON))
        for space in NETWORKS:
            unique = partition.by_label("variance")[space]
            assert unique[space == DRIVEN].mean() == pytest.approx(CEILING, abs=0.1)
            assert np.abs(unique[space != DRIVEN].mean()) < 0.05
        significance = read_result(result_file(results, "significance", subject, "shown+colour"))
        significant = significance["q"] <= 0.05
        assert significant[DRIVEN != "noise"].all()
        assert significant[DRIVEN == "noise"].mean() < 0.3


def test_images_without_repeats_weigh_the_same(finished):
    """Weighed and not, models are fitted by another way to the same predictions."""
    for subject in SUBJECTS:
        equal, weighed = (
            read_result(finished[0] / f"{weights}/{subject}.h5") for weights in ("equal", "repeats")
        )
        assert weighed.provenance["configuration"]["image_weights"] == "repeats"
        for key in ("r2", "stacked_r2"):
            # a penalty may be another where two are as good
            close = np.isclose(weighed[key], equal[key], atol=2e-3)
            assert close.mean() > 0.9, key
            assert np.nanmean(weighed[key]) == pytest.approx(np.nanmean(equal[key]), abs=1e-3)


def test_predictions_are_those_that_the_fits_scored(finished):
    """Weighed images and voxels that were taken over from a smaller model are no exception."""
    results = finished[0]
    for subject in SUBJECTS:
        with h5py.File(results / f"responses/{subject}.h5") as file:
            # in whatever unit: nothing is rounded
            assert file["responses"].dtype == np.float32
        measured = read_result(results / f"responses/{subject}.h5")
        pairs = [
            *(
                (results / f"{weights}/{subject}.h5", results / f"{weights}/{subject}_test.h5")
                for weights in ("equal", "repeats")
            ),
            *(
                tuple(result_file(results, kind, subject, model) for kind in KINDS)
                for model in SETS
            ),
        ]
        for paths in pairs:
            fit, kept = map(read_result, paths)
            assert np.array_equal(kept["image"], fit["image"])
            rows = np.searchsorted(measured["image"], kept["image"])
            r2 = r2_score(measured["responses"][rows], kept["predictions"])
            np.testing.assert_allclose(r2, fit["r2"], atol=1e-5)


def test_every_result_opens_in_xarray_with_dimensions_that_are_described(finished):
    paths = list(finished[0].rglob("*.h5"))
    assert {"store", "layers", "features", "responses", "encoding", "partitions"} <= {
        path.relative_to(finished[0]).parts[0] for path in paths
    }
    for path in paths:
        assert_dimensions_are_named(path)


def test_files_say_what_they_are_of_wherever_they_lie(finished, tmp_path):
    """A copy elsewhere is joined with its tests; one that lies as another result is refused."""
    results, (subject, *_) = finished[0], SUBJECTS
    fit = result_file(results, "encoding", subject, "shown")
    shutil.copy(fit, tmp_path / "a.h5")
    shutil.copy(result_file(results, "significance", subject, "shown"), tmp_path / "b.h5")
    with xr.open_dataset(tmp_path / "a.h5", engine="h5netcdf") as data:
        reported = {key: data.attrs[key] for key in ("subject", "variant", "model")}
    assert reported == {"subject": subject, "variant": "all", "model": "shown"}
    moved = read_result(tmp_path / "a.h5")
    assert by_identity([tmp_path / "b.h5"]) == {moved.identity: tmp_path / "b.h5"}
    elsewhere = result_file(tmp_path / "results/matrices", "encoding", subject, "other")
    elsewhere.parent.mkdir(parents=True)
    shutil.copy(fit, elsewhere)
    shutil.copytree(results / "checksums", tmp_path / "results/matrices/checksums")
    checksum_path(result_file(tmp_path / "results/matrices", "encoding", subject, "shown")).rename(
        checksum_path(elsewhere)
    )
    with pytest.raises(InputError, match="was made as"):
        read_result(elsewhere)


def test_the_page_of_results_opens_them(finished, tmp_path, monkeypatch, capsys):
    """With the names of this study."""
    (text,) = re.findall("```python\n(.*?)```", (ROOT / "docs/results.md").read_text(), re.S)
    named = {
        "results/demo": "results/matrices",
        "subj01": "anna",
        "clip_rn50_vs_alexnet": COMPARISON,
    }
    for there, here in {**named, "clip_rn50": "shown"}.items():
        assert there in text
        text = text.replace(there, here)
    monkeypatch.chdir(finished[0].parent.parent)
    (tmp_path / "page.py").write_text(text)
    known = runpy.run_path(str(tmp_path / "page.py"))
    assert capsys.readouterr().out.startswith("anna shown 0.")
    assert known["unique"] > 0.3
    assert known["significant"]["shown"] >= 20


def test_tables_have_all_voxels_and_no_region(finished):
    correlations = read_table(finished[0] / "tables/correlations.tsv")
    assert set(correlations["roi"]) == {"all"}
    assert (correlations["n_voxels"] == len(DRIVEN)).all()
    assert (correlations["n_excluded"] == 0).all()
    group = read_table(finished[0] / "tables/group.tsv").set_index("component")
    assert group.loc["shown", "n_subjects"] == len(SUBJECTS)
    voxels = pd.read_parquet(finished[0] / "voxels/ben/models.parquet")
    assert set(voxels["model"]) == {"shown", "colour", "shown+colour"}


def test_what_depends_on_ceilings_is_left_out_where_there_are_none(finished):
    """anna's are given, and chosen by; of ben's reliability nothing is known."""
    correlations = read_table(finished[0] / "tables/correlations.tsv").set_index("subject")
    assert (correlations.loc["anna", "n_explainable"] == (DRIVEN != "noise").sum()).all()
    assert correlations.loc["anna", "mean_reliability"].mean() == pytest.approx(0.4, abs=0.01)
    assert (correlations.loc["ben", "n_explainable"] == 0).all()
    assert correlations.loc["ben", "mean_reliability"].isna().all()


def test_the_better_model_of_every_voxel_is_found(finished):
    """And both are as good where there is nothing to predict."""
    results, _ = finished
    for subject in SUBJECTS:
        found = read_result(results / f"model_differences/{subject}/{COMPARISON}.h5")
        fits = [
            read_result(result_file(results, "encoding", subject, name))["r2"] for name in NETWORKS
        ]
        assert found["difference"] == pytest.approx(fits[0] - fits[1], abs=1e-5)
        assert (found["difference"][DRIVEN == "shown"] > 0.3).all()
        assert (found["difference"][DRIVEN == "colour"] < -0.3).all()
        assert (found["q"][DRIVEN != "noise"] <= 0.05).all()
        assert (found["q"][DRIVEN == "noise"] <= 0.05).mean() < 0.3
    table = read_table(results / "tables/model_differences.tsv").set_index("subject")
    assert (table[["n_first_better", "n_second_better"]] >= 20).all(axis=None)
    assert table["n_voxels"].tolist() == [len(DRIVEN)] * len(SUBJECTS)


def test_there_are_no_shares_of_ceilings_that_are_not_known(finished):
    """Responses without repeats have no noise ceiling of their own test images."""
    results, _ = finished
    share = read_result(results / f"ceiling_shares/anna/{COMPARISON}.h5")
    assert share["component"].tolist() == ["shown", "colour", "shown&colour"]
    assert share["share"].shape == (3, len(DRIVEN))
    assert np.isnan(share["share"]).all()
    table = read_table(results / "tables/ceiling_shares.tsv")
    assert (table["n_voxels"] == 0).all()
    assert (table["n_excluded"] == len(DRIVEN)).all()
    assert table["mean_ceiling_fraction"].isna().all()


def test_maps_of_unique_variance_that_differ_between_voxels_are_reliable(finished):
    table = read_table(finished[0] / "tables/split_half.tsv")
    assert set(table["component"]) == set(NETWORKS)
    assert (table["split_half_r"] > 0.9).all()
    r = table["split_half_r"]
    np.testing.assert_allclose(table["split_half_reliability"], 2 * r / (1 + r), rtol=1e-4)


def test_means_of_regions_have_intervals_and_replicate(finished):
    results, _ = finished
    keys = ["subject", "score_kind", "score"]
    intervals = read_table(results / "tables/roi_intervals.tsv").set_index(keys)
    correlations = read_table(results / "tables/correlations.tsv").set_index(["subject", "model"])
    partitions = read_table(results / "tables/partitions.tsv").set_index(["subject", "component"])
    for subject in SUBJECTS:
        rows = intervals.loc[subject]
        # of 100 images R² is .01 too low, for which intervals are corrected
        assert (rows["region_lower"] <= rows["region_mean"] + 0.01).all()
        assert (rows["region_upper"] >= rows["region_mean"]).all()
        for model in SETS:
            mean = correlations.loc[(subject, model), "mean_r2"]
            assert rows.loc[("model", model), "region_mean"] == pytest.approx(mean, abs=1e-4)
        component = rows.loc[("component", "shown&colour"), "region_mean"]
        expected = partitions.loc[(subject, "shown&colour"), "mean_variance"]
        assert component == pytest.approx(expected, abs=1e-4)
    replication = read_table(results / "tables/replication.tsv")
    found = replication.set_index(["score_kind", "score"])
    for model in SETS:
        assert found.loc[("model", model), "n_replicated"] == len(SUBJECTS)
    assert found.loc[("component", "shown"), "replicated_in"] == ", ".join(SUBJECTS)
    assert (found["n_subjects"] == len(SUBJECTS)).all()


def test_maps_lie_where_the_mask_says(finished):
    results, _ = finished
    for subject in SUBJECTS:
        folder = results / f"maps/{subject}/all"
        index = read_metadata(folder / INDEX)["maps"]
        assert {reported["space"] for reported in index.values()} == {"grid"}
        (name,) = (n for n, reported in index.items() if is_map_of(reported, "unique", "shown"))
        values, mask = read_map(folder / name), mask_of(results, subject)
        assert np.array_equal(np.isfinite(values), mask.get_fdata() > 0)
        partition = read_result(result_file(results, "partitions", subject, COMPARISON))
        expected = partition.by_label("variance")["shown"]
        np.testing.assert_allclose(values[np.isfinite(values)], expected, rtol=1e-6)
        np.testing.assert_array_equal(nibabel.load(folder / name).affine, mask.affine)


def is_map_of(reported: dict[str, Any], quantity: str, name: str) -> bool:
    return (reported["quantity"], reported["name"], reported["threshold"]) == (
        quantity,
        name,
        "none",
    )


def mask_of(results: Path, subject: str) -> nibabel.Nifti1Image:
    return nibabel.load(results.parent.parent / f"matrices/{subject}/mask.nii.gz")


def test_what_a_dataset_lacks_is_refused_by_name():
    with pytest.raises(InputError, match="cannot bring maps to MNI152"):
        Anatomy().target(np.array([0]), {}, "MNI152")


if __name__ == "__main__":
    run_study()
