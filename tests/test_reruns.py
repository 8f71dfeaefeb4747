"""What an edit makes the workflow run again, row by row of docs/reruns.yaml."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import Any

import pytest
import yaml
from conftest import ROOT

TABLES = yaml.safe_load((ROOT / "docs/reruns.yaml").read_text())


def jobs(cell: str) -> dict[str, int]:
    """{rule: number of jobs} of a cell such as `rule` ×2, with the chains it names in italics."""
    found = {rule: int(number or 1) for rule, number in re.findall(r"`(\w+)`(?: ×(\d+))?", cell)}
    for chain in re.findall(r"\*(.+?)\*", cell):
        found |= jobs(TABLES["chains"][chain])
    return found


def merged(values: Any, changes: Any) -> Any:
    """Values with those of a (nested) mapping in their place."""
    if not isinstance(values, dict) or not isinstance(changes, dict):
        return changes
    return values | {key: merged(values.get(key), value) for key, value in changes.items()}


def test_nothing_changed_reruns_nothing(study):
    assert study.planned() == {}


def test_order_of_keys_and_unused_networks_rerun_no_science(restored):
    def change(values):
        values["networks"] = dict(reversed(values["networks"].items()))
        values["networks"]["alexnet"] = dict(reversed(values["networks"]["alexnet"].items()))

    restored.edit(change)
    assert restored.planned() == {}


@pytest.mark.parametrize(("edit", "reruns"), TABLES["options"].items())
def test_an_option_reruns_what_depends_on_it(restored, edit, reruns):
    values = yaml.safe_load(restored.configuration.read_text())
    changed = merged(values, yaml.safe_load(edit))
    restored.configuration.write_text(yaml.safe_dump(changed, sort_keys=False))
    assert restored.planned() == jobs(reruns)


@pytest.mark.parametrize(("file", "reruns"), TABLES["code"].items())
def test_code_reruns_the_stages_that_use_it(study, checkout, file, reruns):
    path = checkout / file
    text = path.read_text()
    line = "EDITED = True" if path.suffix == ".py" else "/* edited */"
    path.write_text(f"{text}\n{line}\n")
    edited = replace(study, checkout=checkout)
    try:
        assert edited.planned() == jobs(reruns)
    finally:
        path.write_text(text)


def test_comments_docstrings_and_layout_rerun_nothing(study, checkout):
    """In a module that all stages import, and in one that all fits do."""
    texts = {
        checkout / name: None
        for name in ("pipeline/results/storage.py", "encoding/ridge/search.py")
    }
    try:
        for path in texts:
            texts[path] = text = path.read_text()
            docstring = ast.get_docstring(ast.parse(text), clean=False)
            path.write_text(f"# edited\n{text.replace(docstring, 'Edited.')}\n\n# edited\n")
        assert replace(study, checkout=checkout).planned() == {}
    finally:
        for path, text in texts.items():
            path.write_text(text)


@pytest.mark.parametrize(("files", "reruns"), TABLES["files"].items())
def test_a_file_that_is_gone_is_made_again_if_anything_needs_it(study, tmp_path, files, reruns):
    folder = study.results.parent
    hidden = {path: tmp_path / str(number) for number, path in enumerate(folder.glob(files))}
    assert hidden
    for path, place in hidden.items():
        path.rename(place)
    try:
        assert study.planned() == jobs(reruns)
    finally:
        for path, place in hidden.items():
            place.rename(path)
