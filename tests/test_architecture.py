"""The houses stand apart, and dependencies are declared once."""

from __future__ import annotations

import ast
import itertools
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from conftest import ROOT

from pipeline.jobs import code_version as versions
from pipeline.jobs.code_version import code_version, imported_files

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


# what is of NSD: its readers, and what opens, simulates, fetches, checks and measures them
OF_NSD = (
    "pipeline/nsd/",
    "pipeline/dataset/",
    "pipeline/simulation/",
    "pipeline/cli/init.py",
    "pipeline/cli/preparations.py",
    "pipeline/estimates/resources.py",
    "pipeline/estimates/study_size.py",
    "pipeline/status.py",
    "pipeline/jobs/remaining_time.py",
    *(
        f"pipeline/stages/{name}.py"
        for name in ("check_inputs", "compare_noise_ceilings", "fetch", "preflight")
    ),
)


def imports_nsd(path: Path) -> bool:
    return any(name.startswith("pipeline.nsd") for name in versions._imports(path, ROOT))


def test_the_core_imports_nothing_of_nsd():
    """It opens a dataset by `pipeline.dataset`, a module for each part of it."""
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pipeline").rglob("*.py")
        if imports_nsd(path)
    }
    assert {name for name in found if not name.startswith(OF_NSD)} == set()
    opening = {name for name in found if name.startswith("pipeline/dataset/")}
    assert opening == {
        f"pipeline/dataset/{part}.py"
        for part in ("images", "responses", "regions", "anatomy", "out_of_distribution")
    }


@pytest.mark.parametrize(
    ("stage", "read", "others"),
    [
        ("extract_features", {"coco", "stimuli"}, {"betas", "rois", "transforms"}),
        ("average_responses", {"betas", "rois"}, {"coco", "stimuli", "composite_rois"}),
        ("label_rois", {"rois", "composite_rois"}, {"coco", "stimuli", "map_spaces"}),
        ("fit_encoding_models", set(), {"layout"}),
    ],
)
def test_a_stage_depends_on_the_readers_of_what_it_reads(stage, read, others):
    """An edit of a reader runs again what reads by it."""
    used = imported_files(f"pipeline.stages.{stage}")
    names = {path.stem for path in used if path.parent == ROOT / "pipeline/nsd"}
    assert read <= names
    assert not others & names


def tuples_unpacked_into_calls(source: str) -> list[str]:
    """Calls `f(*values)` of three values or more, put into a tuple before: which is which?"""
    found = []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        tuples = {
            target.id
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Tuple)
            and len(node.value.elts) > 2
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        stars = [argument for call in calls for argument in call.args]
        found += [
            f"{function.name}: *{star.value.id}"
            for star in stars
            if isinstance(star, ast.Starred)
            and isinstance(star.value, ast.Name)
            and star.value.id in tuples
        ]
    return found


def test_problems_do_not_travel_as_tuples_of_positional_values():
    for path in (ROOT / "encoding").rglob("*.py"):
        assert not tuples_unpacked_into_calls(path.read_text()), path
    assert tuples_unpacked_into_calls("def f(x):\n    size = x, 1, 2\n    return g(*size, 3)")


def test_modules_that_were_renamed_are_listed_and_there():
    page = (ROOT / "CHANGELOG.md").read_text()
    renamed = re.findall(r"^\| `([\w.]+)` \| `([\w.]+)` \|$", page, re.MULTILINE)
    assert len(renamed) > 20
    for before, now in renamed:
        assert not (ROOT / before.replace(".", "/")).with_suffix(".py").exists(), before
        assert (ROOT / now.replace(".", "/")).with_suffix(".py").exists(), now


def test_types_of_both_libraries_are_checked_strictly_by_make_lint():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert set(settings["packages"]) >= set(WALLS)
    assert settings["strict"]
    (lint,) = re.findall(r"^lint:.*\n((?:\t.+\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "\tmypy\n" in lint


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


def test_versions_of_all_stages_parse_each_file_once(monkeypatch, tmp_path):
    parse, parsed = ast.parse, Counter()

    def counted(content):
        parsed[content] += 1
        return parse(content)

    for kept in vars(versions).values():
        if hasattr(kept, "cache_clear"):
            kept.cache_clear()
    monkeypatch.setattr(ast, "parse", counted)
    monkeypatch.setattr(versions, "KEPT", tmp_path / "kept.json")
    modules = list(versions.stage_modules().values())
    # for the rules, and for the run that is frozen
    for module in [*modules, *modules]:
        code_version(module)
    used = {file for module in modules for file in imported_files(module)}
    sources = [path.read_bytes() for path in used if path.suffix == ".py"]
    assert parsed == Counter(sources)
    # nor are the imports of a file followed more than once
    assert versions._imports.cache_info().misses == len(sources)


COUNTED = """
import ast, pathlib, sys
from pipeline.jobs import code_version as versions
parse, parsed = ast.parse, []
ast.parse = lambda content: parsed.append(content) or parse(content)
versions.KEPT = pathlib.Path(sys.argv[1])
version = versions.code_version("pipeline.stages.split_images")
print(version, len(parsed))
"""


def test_other_processes_parse_no_file_again(tmp_path):
    kept = tmp_path / "folder/kept.json"

    def in_a_process() -> tuple[str, int]:
        command = [sys.executable, "-c", COUNTED, str(kept)]
        version, parsed = subprocess.check_output(command, cwd=ROOT, text=True).split()
        return version, int(parsed)

    version, parsed = in_a_process()
    assert parsed > 10
    assert in_a_process() == (version, 0)
    kept.write_text("{")
    assert in_a_process() == (version, parsed)
    assert in_a_process() == (version, 0)
    # of another version of the module
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "of": "another"}))
    assert in_a_process() == (version, parsed)


def test_a_fit_does_not_depend_on_feature_extraction_or_the_report():
    used = {
        path.relative_to(ROOT).as_posix()
        for path in imported_files("pipeline.stages.fit_encoding_models")
    }
    assert "encoding/ridge/solver.py" in used
    assert not {name for name in used if name.startswith(("features/", "pipeline/report/"))}


# words with which a first line has neither a noun nor a verb
WITHOUT_A_HEAD = re.compile(
    r"(Of|What|Which|Whether|How|Where|As|In|And|Those|That|So|If|By|With|Without|From|On|Is|Are|It)\b"
)


def test_docstrings_begin_with_a_noun_or_a_verb():
    files = [
        path
        for folder in ("benchmarks", "encoding", "features", "pipeline")
        for path in (ROOT / folder).rglob("*.py")
    ]
    documented = ast.Module, ast.ClassDef, ast.FunctionDef
    found = [
        f"{path.relative_to(ROOT)}: {docstring.splitlines()[0]}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, documented)
        and (docstring := ast.get_docstring(node))
        and WITHOUT_A_HEAD.match(docstring)
    ]
    assert found == []
