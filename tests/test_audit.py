"""A test image that reached training, or results that do not belong together, fail the run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from runs import run_file

from pipeline.errors import InputError
from pipeline.jobs.frozen_run import RUN, current_run, freeze, frozen_text
from pipeline.results.audit import near_duplicates
from pipeline.results.metadata import read_metadata
from pipeline.results.storage import read_result, write_result
from pipeline.results.tables import read_table, write_table
from pipeline.stages import audit


@pytest.fixture
def finished(study, tmp_path, monkeypatch):
    """A subject's results, copied so that they can be damaged."""
    monkeypatch.setenv(RUN, str(run_file(study.results)))
    tiny = tmp_path / "tiny"
    for part in ("splits", "responses", "encoding/subj01", "features"):
        shutil.copytree(study.results / part, tiny / part)
    # which they refer to
    shutil.copytree(study.results.parent / "features", tmp_path / "features")
    conv3 = str(tiny / "features/subj01/all/alexnet_conv3.h5")
    spaces = {name: str(tiny / f"features/subj01/{name}.h5") for name in ("alexnet", "bert")}
    made_of = {"alexnet+bert": spaces, "alexnet_conv3": {"alexnet_conv3": conv3}}
    fits = {str(tiny / f"encoding/subj01/all/{fit}.h5"): used for fit, used in made_of.items()}
    return {
        "split": str(tiny / "splits/subj01/all.tsv"),
        "own_split": False,
        "responses": str(tiny / "responses/subj01.h5"),
        "features": {},
        "reduced": [conv3],
        "fits": fits,
    }


def run(monkeypatch, files):
    out = Path(files["split"]).parent / "audit.json"
    keys = {"files": "audited", "specifications": "feature_specification", "dataset": "dataset"}
    arguments = [word for name, key in keys.items() for word in (f"--{name}", key)]
    monkeypatch.setattr("sys.argv", ["audit", *arguments, "--out", str(out)])
    run = current_run()
    settings = {**run["settings"], "audited": {"subj01": {"all": files}}}
    text = frozen_text({**run, "settings": settings})
    monkeypatch.setenv(RUN, str(freeze(out.parent / "runs", text)))
    audit.main()
    return json.loads(out.read_text())


def edit_split(files, change):
    path = Path(files["split"])
    split, account = read_table(path), read_metadata(path.with_suffix(".json"))
    change(split)
    write_table(path, split, account["columns"], account["provenance"])


def rewritten(path, change):
    """A result whose arrays were changed, written anew: one of another run."""
    result = read_result(path)
    write_result(path, change(result.data), result.provenance)


def test_a_study_as_it_was_run_passes_and_states_what_is_so_by_convention(monkeypatch, finished):
    reported = run(monkeypatch, finished)
    assert reported["audited_fits"] == {"subj01": 2}
    assert any("ncsnr" in convention for convention in reported["by_convention"])
    assert reported["near_duplicates"] == {"subj01": None}


def test_near_duplicates_on_both_sides_are_counted(finished):
    path = Path(finished["split"])
    is_test = (read_table(path)["set"] == "test").to_numpy()

    def measure(split):
        split["nearest_training"] = np.where(is_test, 0.2, np.nan)
        split.loc[split.index[is_test][:3], "nearest_training"] = [0.95, 0.99, 0.94]

    edit_split(finished, measure)
    words = near_duplicates(path)
    n_test = np.count_nonzero(is_test)
    assert words.startswith(f"2 of {n_test} test images correlate 0.95 or more")
    assert "largest 0.99" in words


def move_a_test_image_to_training(split):
    split.loc[split.index[split["set"] == "test"][0], ["set", "fold"]] = ["train", 0]


def list_an_image_twice(split):
    split.loc[0, "nsd_id"] = split.loc[1, "nsd_id"]


def give_a_test_image_a_fold(split):
    split.loc[split.index[split["set"] == "test"][0], "fold"] = 2


def put_a_cluster_on_both_sides(split):
    split["cluster"] = 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (move_a_test_image_to_training, r"scored on images .*\(1 of them train\)"),
        (move_a_test_image_to_training, r"alexnet_conv3.h5: was made from another .*all.tsv"),
        (list_an_image_twice, "is listed twice"),
        (give_a_test_image_a_fold, "folds do not go with sets"),
        (put_a_cluster_on_both_sides, "cluster 7 is on both sides"),
    ],
)
def test_an_edited_split_is_found_out(monkeypatch, finished, change, message):
    edit_split(finished, change)
    with pytest.raises(InputError, match=message):
        run(monkeypatch, finished)


def test_components_fitted_on_another_split_are_found_out(monkeypatch, finished, study):
    shutil.copy(study.results / "features/subj03/all/alexnet_conv3.h5", finished["reduced"][0])
    with pytest.raises(InputError, match=r"alexnet_conv3.h5: was made from another"):
        run(monkeypatch, finished)


@pytest.mark.parametrize("what", ["responses", "bert"])
def test_an_altered_value_is_found_out(monkeypatch, finished, what):
    path = finished["responses"]
    if what == "bert":
        path = next(f["bert"] for f in finished["fits"].values() if "bert" in f)

    def change(arrays):
        arrays["responses" if what == "responses" else "features"][5, 3] += np.float32(0.01)
        return arrays

    rewritten(path, change)
    with pytest.raises(InputError, match=rf"was made from another .*{Path(path).name}"):
        run(monkeypatch, finished)


def test_fits_of_other_voxels_are_found_out(monkeypatch, finished):

    def change(arrays):
        return arrays.assign_coords(voxel=arrays["voxel"] + (arrays["voxel"] == arrays["voxel"][0]))

    rewritten(list(finished["fits"])[1], change)
    with pytest.raises(InputError, match="has other voxels than"):
        run(monkeypatch, finished)


def test_a_fit_made_without_a_space_is_found_out(monkeypatch, finished):
    fit, used = next(iter(finished["fits"].items()))
    finished["fits"][fit] = {**used, "resnet50": used["bert"]}
    with pytest.raises(InputError, match="was made without"):
        run(monkeypatch, finished)


def test_all_problems_are_reported_at_once(monkeypatch, finished):
    edit_split(
        finished, lambda split: (list_an_image_twice(split), give_a_test_image_a_fold(split))
    )
    with pytest.raises(InputError) as raised:
        run(monkeypatch, finished)
    assert "listed twice" in str(raised.value)
    assert "folds do not go" in str(raised.value)
