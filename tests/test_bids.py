"""Maps as BIDS wants them, as far as BIDS has rules for such a derivative, by its own validator."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from conftest import ENVIRON, Study

from pipeline.maps.files import bids_subject

SUBJECTS = ("subj01", "subj03")


def problems(folder: Path, severity: str) -> set[tuple[str, str]]:
    """(code, file) of what the validator finds in a dataset."""
    done = subprocess.run(
        ["bids-validator-deno", str(folder), "--json"], capture_output=True, text=True, env=ENVIRON
    )
    found = json.loads(done.stdout)["issues"]["issues"]
    return {
        (" ".join([issue["code"], issue.get("subCode", "")]).strip(), issue["location"])
        for issue in found
        if issue["severity"] == severity
    }


def test_a_folder_of_maps_is_a_derived_dataset(study: Study):
    assert problems(study.results / "maps", "error") == set()


def test_labels_are_as_bids_wants_them_where_it_has_a_rule(study: Study, tmp_path: Path):
    """Labels of ROIs in all spaces, in BIDS' folders: names, headers, tables and sidecars."""
    maps, dataset = study.results / "maps", tmp_path / "maps"
    dataset.mkdir()
    for name in ("dataset_description.json", "participants.tsv", "participants.json"):
        shutil.copy(maps / name, dataset / name)
    for subject in SUBJECTS:
        folder = dataset / bids_subject(subject) / "anat"
        folder.mkdir(parents=True)
        for path in (maps / subject / "all/subject").glob("*_seg-*_dseg.*"):
            shutil.copy(path, folder / path.name)
    kinds = {"".join(path.suffixes) for path in folder.iterdir()}
    assert kinds == {".nii.gz", ".label.gii", ".json", ".tsv"}
    assert problems(dataset, "error") == set()
    # nor is anything recommended of volumes and labels that they lack
    assert {code for code, file in problems(dataset, "warning") if "sub-" in file} == set()
