"""The houses stand apart, and dependencies are declared once."""

from __future__ import annotations

import ast
import itertools
import re
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from conftest import ROOT

from pipeline import code_version as versions
from pipeline.code_version import code_version, imported_files

WALLS = {"features": {"encoding", "pipeline"}, "encoding": {"features", "pipeline"}}


def imported_packages(source: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("house", WALLS)
def test_libraries_import_neither_each_other_nor_the_pipeline(house):
    sources = list((ROOT / house).rglob("*.py"))
    assert len(sources) > 1
    for path in sources:
        assert not imported_packages(path.read_text()) & WALLS[house], path


def test_a_forbidden_import_would_be_seen():
    assert imported_packages("from encoding.scores import r2_score") == {"encoding"}


def test_the_simulator_computes_its_features_without_the_features_house():
    for path in (ROOT / "pipeline/simulation").rglob("*.py"):
        assert "features" not in imported_packages(path.read_text()), path
        assert "encoding" not in imported_packages(path.read_text()), path


def test_options_that_rules_give_by_key_are_settings_of_the_run():
    """A stage that took the key for the value would go on with it."""
    named = set()
    for rules in (ROOT / "pipeline/rules").glob("*.smk"):
        for shell in re.findall(r"shell:\n((?: +[f\"].*\n)+)", rules.read_text()):
            command = "".join(re.findall(r'"(.*)"', shell))
            stage = re.search(r"pipeline\.stages\.(\w+)", command)
            options = re.findall(r"--([\w-]+) \{params\.\w+\.key\}", command)
            named |= {(stage[1], option) for option in options if stage}
    assert len(named) > 50
    for stage, option in sorted(named):
        path = ROOT / f"pipeline/stages/{stage}.py"
        if f'"--{option}"' not in path.read_text():
            # stages of fits share what they read
            path = ROOT / "pipeline/fit_inputs.py"
        declared = [
            ast.unparse(node)
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and f"'--{option}'" in map(ast.unparse, node.args)
        ]
        assert declared, (stage, option)
        assert all("type=setting" in call for call in declared), (stage, option)


def test_tested_versions_are_of_declared_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = itertools.chain(project["dependencies"], *project["optional-dependencies"].values())
    names = {re.split(r"[>\[]", requirement)[0] for requirement in declared}
    lines = (ROOT / "config/constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0] for line in lines if "==" in line}
    assert pinned <= names


@pytest.fixture
def version_with(tmp_path):
    """The version of a fit that imports scores, of a project in which one file says something else.

    Each is a folder of its own: a process reads a file once.
    """

    def version(name: str, text: str) -> str:
        root = Path(tempfile.mkdtemp(dir=tmp_path))
        files = {
            "encoding/scores.py": "x = 1\n",
            "encoding/other.py": "y = 1\n",
            "pipeline/fit.py": "from encoding.scores import x\n",
        }
        for path, content in {**files, name: text}.items():
            (root / path).parent.mkdir(exist_ok=True)
            (root / path).write_text(content)
        return code_version("pipeline.fit", root)

    return version


def test_code_version_follows_imports_and_content(version_with):
    before = version_with("encoding/scores.py", "x = 1\n")
    assert version_with("encoding/other.py", "y = 2\n") == before
    assert version_with("encoding/scores.py", "x = 2\n") != before


def test_versions_of_all_stages_parse_each_file_once(monkeypatch):
    parse, parsed = ast.parse, Counter()

    def counted(content):
        parsed[content] += 1
        return parse(content)

    for kept in vars(versions).values():
        if hasattr(kept, "cache_clear"):
            kept.cache_clear()
    monkeypatch.setattr(ast, "parse", counted)
    stages = [path.stem for path in (ROOT / "pipeline/stages").glob("[a-z]*.py")]
    # for the rules, and for the run that is frozen
    for stage in [*stages, *stages]:
        code_version(f"pipeline.stages.{stage}")
    used = {f for stage in stages for f in imported_files(f"pipeline.stages.{stage}")}
    sources = [path.read_bytes() for path in used if path.suffix == ".py"]
    assert parsed == Counter(sources)
    # nor are the imports of a file followed more than once
    assert versions._imports.cache_info().misses == len(sources)


def test_a_fit_does_not_depend_on_feature_extraction_or_the_report():
    used = {
        path.relative_to(ROOT).as_posix()
        for path in imported_files("pipeline.stages.fit_encoding_models")
    }
    assert "encoding/banded_ridge.py" in used
    assert not {name for name in used if name.startswith(("features/", "pipeline/report/"))}
