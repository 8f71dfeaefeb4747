"""What the documentation of the study names is there."""

from __future__ import annotations

import ast
import re

import pytest
import yaml
from conftest import ROOT

from pipeline.analyses.registry import ANALYSES
from pipeline.configuration.reading import parse_configuration
from pipeline.configuration.settings import GROUP_SPACES
from pipeline.configuration.study import Configuration
from pipeline.jobs.code_version import stage_modules

STUDY_PAGE = (ROOT / "docs/study.md").read_text()
# of the straight line, and of analyses with the names of their tables
FILES = ["pipeline/rules/*.smk", "pipeline/analyses/*/rules.smk", "pipeline/analyses/*/analysis.py"]
RULES = "\n".join(path.read_text() for found in FILES for path in sorted(ROOT.glob(found)))
TARGETS = set(re.findall(r"^ *rule (\w+):", RULES, re.MULTILINE))
COLUMNS = ("number", "analysis", "stages", "target", "configuration", "output", "tests")
ROWS = [
    dict(zip(COLUMNS, (cell.strip() for cell in line.strip("|").split(" | ")), strict=True))
    for line in STUDY_PAGE.splitlines()
    if re.match(r"\| A\d", line)
]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def written(output: str) -> bool:
    """Whether a rule names this file or folder of results."""
    pattern = re.sub(r"<(\w+)>", r"{{\1}}", output)
    # tables are listed by their names alone
    names = {pattern, f'"{pattern.removeprefix("tables/").removesuffix(".tsv")}"'}
    folder, *_, fit = re.sub(r"<(\w+)>", r"{\1}", output).removesuffix(".h5").split("/")
    pattern = re.sub(r"<\w+>", "{subject}", output.removeprefix("tables/"))
    names |= {
        pattern.replace("voxel_components/", "{kind}/"),
        f'scattered("{folder}", "{fit}")',
    }
    return any(name in RULES for name in names)


def beyond() -> list[dict[str, str]]:
    """Rows of the table of what the study does not have."""
    table = STUDY_PAGE.split("## Beyond the study")[1]
    cells = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in table.splitlines()
        if line.startswith("| ")
    ]
    return [dict(zip(COLUMNS[1:], row, strict=True)) for row in cells[1:]]


def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_all_analyses_of_the_study_are_listed_once_in_their_order():
    assert [row["number"] for row in ROWS] == [f"A{number}" for number in range(1, 25)]


@pytest.mark.parametrize(
    "row", [*ROWS, *beyond()], ids=lambda row: row.get("number", row["analysis"][:30])
)
def test_stages_targets_settings_outputs_and_tests_of_an_analysis_are_there(row):
    for column in ("stages", "target", "configuration", "output", "tests"):
        assert quoted(row[column]), column
    for stage in quoted(row["stages"]):
        assert stage in stage_modules(), stage
        assert f'command("{stage}"' in RULES, stage
    assert set(quoted(row["target"])) <= TARGETS
    for setting in quoted(row["configuration"]):
        assert setting.split(":")[0] in Configuration.model_fields, setting
    for output in quoted(row["output"]):
        assert written(output), output
    for test in quoted(row["tests"]):
        path, name = test.split("::")
        assert name.startswith("test_"), test
        assert name in functions_of(path), test


def test_targets_that_the_readme_lists_are_there():
    readme = (ROOT / "README.md").read_text()
    (listed,) = re.findall(r"^snakemake (\w+(?: \| \w+)+)$", readme, re.MULTILINE)
    assert set(listed.split(" | ")) <= TARGETS


def test_sections_of_the_readme_that_are_named_are_there():
    headings = set(re.findall(r"^## (.+)$", (ROOT / "README.md").read_text(), re.MULTILINE))
    folders = ("config", "docs", "pipeline", "features", "encoding", "benchmarks", "profiles")
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.*"))]
    written = [path for path in paths if path.suffix in {".py", ".smk", ".md", ".yaml", ".rst"}]
    named = {
        (path.relative_to(ROOT).as_posix(), section)
        for path in written
        # lines of a comment may part them
        for section in re.findall(r'README,[\s#]+"([^"]+)"', path.read_text())
    }
    assert len(named) > 3
    assert {where for where in named if " ".join(where[1].split()) not in headings} == set()


def test_local_rules_are_rules():
    listed = re.findall(r"^localrules:\n((?:    \w+,\n)+)", RULES, re.MULTILINE)
    assert len(listed) == 1 + len(ANALYSES)
    assert set(re.findall(r"\w+", " ".join(listed))) - {"all"} <= TARGETS


def test_a_file_that_no_rule_writes_would_be_seen():
    assert not written("tables/keywords.tsv")
    assert not written("maps/<network>")


# a word of each defect of the released code, in the order of its list
DEFECTS = (
    "bootstrap",
    "`--test`",
    "62 then 63",
    "val2017",
    "neither resized nor normalised",
    "QuickGELU",
    "subject in their name",
    "10,000 rows",
    "Fisher",
    "components of layers",
    "will not run",
    "without variance",
)


def test_every_defect_of_the_released_code_is_told_with_what_is_done_instead():
    page = (ROOT / "docs/presets.md").read_text().split("## Defects")[1]
    rows = [line.strip("|").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    told = rows[1:]
    assert all(len(row) == 3 and all(cell.strip() for cell in row) for row in told)
    for defect in DEFECTS:
        assert any(defect in row[0] for row in told), defect


# an analysis of the study that a preset may lack: whether a configuration has it
OPTIONAL = {
    "A11": lambda study: "clip_vitb32_vs_clip_rn50" in study.contrasts,
    "A13": lambda study: (
        {"clip_text_vs_all_objects", "clip_text_vs_categories"} <= set(study.contrasts)
    ),
    "A14": lambda study: bool(study.layerwise),
    "A15": lambda study: study.interpretation is not None,
    "A16": lambda study: study.interpretation is not None,
    "A17": lambda study: study.interpretation is not None,
    "A20": lambda study: bool(set(GROUP_SPACES) & set(study.map_spaces)),
    "A21": lambda study: study.representational_similarity is not None,
    "A22": lambda study: study.error_consistency is not None,
    "A23": lambda study: any(variant.subset for variant in study.variants.values()),
}


def numbered(text: str) -> set[str]:
    """Analyses of a list such as A1 to A3, A7."""
    found = re.findall(r"A(\d+)(?: to A(\d+))?", text)
    return {f"A{n}" for first, last in found for n in range(int(first), int(last or first) + 1)}


def test_the_analyses_that_a_preset_is_said_to_have_are_those_of_its_configuration():
    page = (ROOT / "docs/presets.md").read_text()
    has, other = re.search(
        r"`paper.yaml` has(.+?); `nsd.yaml` has these but(.+?), for", page, re.DOTALL
    ).groups()
    assert numbered(has) == {row["number"] for row in ROWS}
    for preset, missing in {"paper": set(), "nsd": numbered(other)}.items():
        values = yaml.safe_load((ROOT / f"config/{preset}.yaml").read_text())
        study = parse_configuration(values)
        assert {name for name, has_it in OPTIONAL.items() if not has_it(study)} == missing


def test_components_are_not_said_to_be_those_of_the_paper():
    page = (ROOT / "docs/presets.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith("| principal components of w")]
    study = parse_configuration(yaml.safe_load((ROOT / "config/nsd.yaml").read_text()))
    assert f"{study.interpretation.voxels_per_subject:,} voxels of each" in row
    assert "20,000 voxels of each" in row
    assert not row.rstrip(" |").endswith("as the paper")
