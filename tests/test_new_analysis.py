"""docs/new_analysis.md, followed in a copy of the project."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT, Study, branch

from pipeline.results.metadata import read_metadata
from pipeline.results.storage import read_result

PAGE = (ROOT / "docs/new_analysis.md").read_text()
# {file: text} of the blocks that follow a file's name
FILES = dict(re.findall(r"^`([\w/.]+)`:\n\n```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
NEW = "pipeline/analyses/explained_fraction"
MOST_FILES = 8


def add_page(checkout: Path) -> None:
    """Write the files of the page into a copy of the project."""
    for name, text in FILES.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(text)


@pytest.fixture
def extended(study: Study, checkout: Path, tmp_path: Path) -> Study:
    """The finished small study, gone on with by a project that has the page's analysis."""
    add_page(checkout)
    own = replace(branch(study, tmp_path / "study", "own.yaml"), checkout=checkout)
    switched = re.search(r"```yaml\n(explained_fraction: .*)\n```", PAGE)[1]
    own.edit(lambda values: values.update(yaml.safe_load(switched.replace("clip_rn50", "bert"))))
    return own


def test_the_page_touches_few_files_and_none_of_another_analysis():
    listed = re.findall(r"^\| `([\w/.]+)` \|", PAGE, re.MULTILINE)
    assert set(FILES) == set(listed) - {"config/demo.yaml", "config/schema.json"}
    assert len(listed) <= MOST_FILES
    analyses = [name for name in listed if name.startswith("pipeline/")]
    assert all(name.startswith(f"{NEW}/") for name in analyses)
    assert not [name for name in FILES if (ROOT / name).exists()]


def test_the_code_of_the_page_follows_the_rules_of_the_project(checkout):
    add_page(checkout)
    shutil.copy(ROOT / "pyproject.toml", checkout)
    python = [name for name in FILES if name.endswith(".py")]
    for command in (["check"], ["format", "--check"]):
        words = [sys.executable, "-m", "ruff", *command, "--no-cache", *python]
        done = subprocess.run(words, cwd=checkout, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_analysis_of_the_page_runs_and_is_mapped(extended):
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    (path,) = [extended.checkout / name for name in FILES if name.startswith("tests/")]
    environ = {"PYTHONPATH": str(extended.checkout)}
    subprocess.run([*tests, str(path)], check=True, cwd=extended.checkout, env=environ)
    planned = extended.planned()
    assert planned["measure_explained_fraction"] == 2
    # what is finished stays: what shows the new results is made anew
    assert not {"fit_encoding_models", "assess_significance", "partition_variance"} & set(planned)
    assert "write_tables" not in planned
    extended.snakemake("explained_fraction", "maps")
    fit = read_result(extended.results / "encoding/subj01/all/bert.h5")
    fraction = read_result(extended.results / "explained_fraction/subj01.h5")["fraction"]
    ceiling = fit["noise_ceiling"]
    assert np.isnan(fraction[ceiling <= 0]).all()
    known = ceiling > 0
    expected = fit["r2"][known] / ceiling[known]
    assert np.allclose(fraction[known], expected, equal_nan=True)
    index = read_metadata(extended.results / "maps/subj01/all/index.json")
    mapped = [one for one in index["maps"].values() if one["quantity"] == "explainedFraction"]
    assert mapped
    assert {one["units"] for one in mapped} == {"fraction"}
