"""The documentation is built without warnings, and what it says of the study is there."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ENVIRON, ROOT

from pipeline.analyses.registry import ANALYSES
from pipeline.configuration.reading import read_configuration
from pipeline.configuration.study import Configuration
from pipeline.jobs.code_version import stage_modules

# of the straight line, and of analyses with the names of their tables
FILES = ["pipeline/rules/*.smk", "pipeline/analyses/*/rules.smk", "pipeline/analyses/*/analysis.py"]
RULES = "\n".join(path.read_text() for found in FILES for path in sorted(ROOT.glob(found)))
TARGETS = {
    *re.findall(r"^ *rule (\w+):", RULES, re.MULTILINE),
    *(analysis.target for analysis in ANALYSES.values()),
}
STUDY = yaml.safe_load((ROOT / "docs/study.yaml").read_text())
MOST_WORDS = 700


# ---- the site


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site as `make docs` builds it, but for the tutorial, which is not executed."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environ = {**ENVIRON, "NO_MKDOCS_2_WARNING": "1", "EXECUTE_TUTORIAL": "false"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize(
    ("page", "contents"),
    [
        ("index", ["Try it", "demo_maps.png"]),
        ("tutorial", ["1. Run the demo", "plot_stat_map"]),
        ("configuration", ["band_weight_samples", "voxels_per_subject", "required"]),
        ("command_line", ["learning_curves", "compare_presets", "noise_ceilings"]),
        ("tables", ["mean_normalised_r", "kappa_independent"]),
        ("api/encoding", ["BandedRidgeCV", "correlation_p"]),
        ("api/features", ["image_features"]),
        ("study", ["A24", "test_betas_are_percent_signal_change_at_the_right_voxel"]),
        ("presets", ["components of weights (A15 to A17)"]),
        ("reruns", ["fit_encoding_models", "significance: {draws: 300}"]),
        ("contributing", ["make docs"]),
        ("changelog", ["Unreleased"]),
    ],
)
def test_site_has_a_page(site, page, contents):
    text = (site / ("" if page == "index" else page) / "index.html").read_text()
    # links that stand for tables have been replaced by them
    assert 'title="table: ' not in text
    text = re.sub(r"<[^>]+>", "", text) if "png" not in "".join(contents) else text
    for content in contents:
        assert content in text


def test_site_loads_nothing_from_elsewhere(site):
    pages = [path.read_text() for path in site.rglob("*.html")]
    loaded = re.compile(r'<(?:script|link rel="stylesheet"|img)[^>]*(?:src|href)="(https?://[^"]+)')
    assert {address for page in pages for address in loaded.findall(page)} == set()


def test_command_line_lists_every_target():
    targets = runpy.run_path(str(ROOT / "docs/site_pages.py"))["targets"]()
    assert set(targets) <= TARGETS | {"all"}
    assert {one.target for one in ANALYSES.values()} <= set(targets)
    assert {"fetch", "preflight", "encoding", "maps", "tables", "report"} <= set(targets)


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().split()) <= MOST_WORDS


def test_pages_that_the_code_and_configurations_name_are_there():
    folders = ("config", "pipeline", "features", "encoding", "benchmarks", "profiles", "tests")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.*")]
    texts = {
        path.relative_to(ROOT): path.read_text()
        for path in files
        if path.suffix in {".py", ".smk", ".yaml", ".json", ".rst", ".j2"}
    }
    named = {
        (str(path), page)
        for path, text in texts.items()
        for page in re.findall(r"docs/\w+\.(?:md|py|yaml)", text)
    }
    assert len(named) > 10
    assert {where for where in named if not (ROOT / where[1]).exists()} == set()


def test_local_rules_are_rules():
    listed = re.findall(r"^localrules:\n((?:    \w+,\n)+)", RULES, re.MULTILINE)
    assert len(listed) == 1
    assert set(re.findall(r"\w+", " ".join(listed))) - {"all"} <= TARGETS


# ---- analyses of the study


def written(output: str) -> bool:
    """Whether a rule names this file or folder of results."""
    pattern = re.sub(r"<(\w+)>", r"{{\1}}", output)
    # tables are listed by their names alone
    names = {pattern, f'"{pattern.removeprefix("tables/").removesuffix(".tsv")}"'}
    folder, *_, fit = re.sub(r"<(\w+)>", r"{\1}", output).removesuffix(".h5").split("/")
    pattern = re.sub(r"<\w+>", "{subject}", output.removeprefix("tables/"))
    names |= {
        pattern.replace("voxel_components/", "{kind}/"),
        f'voxel_part("{folder}", "{fit}")',
    }
    return any(name in RULES for name in names)


def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_all_analyses_of_the_study_are_listed_in_their_order():
    numbered = [name for name in STUDY if re.fullmatch(r"A\d+", name)]
    assert numbered == [f"A{number}" for number in range(1, 25)]


@pytest.mark.parametrize("name", STUDY)
def test_stages_targets_settings_outputs_and_tests_of_an_analysis_are_there(name):
    analysis = STUDY[name]
    for key in ("stages", "target", "configuration", "output", "tests"):
        assert analysis[key], key
    for stage in analysis["stages"]:
        assert stage in stage_modules(), stage
        assert f'command("{stage}"' in RULES, stage
    assert set(analysis["target"]) <= TARGETS
    for setting in analysis["configuration"]:
        assert setting.split(":")[0] in Configuration.model_fields, setting
    for output in analysis["output"]:
        assert written(output), output
    for test in analysis["tests"]:
        path, name = test.split("::")
        assert name.startswith("test_"), test
        assert name in functions_of(path), test


def test_a_file_that_no_rule_writes_would_be_seen():
    assert not written("tables/horoscopes.tsv")
    assert not written("maps/<network>")


def test_components_are_those_of_the_voxels_that_the_presets_page_states():
    """2,500 voxels of each subject; the paper took 20,000."""
    study = read_configuration(ROOT / "config/nsd.yaml")
    assert study.interpretation.voxels_per_subject == 2500
