"""A hook of MkDocs that generates pages and tables when the site is built."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
# MkDocs runs this file without the project on the path: its modules are imported after that
sys.path.insert(0, str(ROOT))

from pipeline.__main__ import argument_parser
from pipeline.cli.targets import targets
from pipeline.configuration.document import configuration_page
from pipeline.configuration.reading import read_configuration
from pipeline.configuration.settings import GROUP_SPACES
from pipeline.configuration.study import Configuration
from pipeline.tables.document import columns_page

# link in the place of a table in a page: a reader of the source follows it
MARKER = re.compile(r'\[[^]]+\]\(\S+ "table: (.+)"\)')
PRESETS = ("paper", "nsd")
# {analyses of docs/study.yaml that a preset may lack: (description, test of a configuration)}
OPTIONAL: dict[str, tuple[str, Callable[[Configuration], bool]]] = {
    "A11": ("architecture", lambda study: "clip_vitb32_vs_clip_rn50" in study.comparisons),
    "A13": (
        "labels",
        lambda study: (
            {"clip_text_vs_all_objects", "clip_text_vs_categories"} <= set(study.comparisons)
        ),
    ),
    "A14": ("layers", lambda study: bool(study.layerwise)),
    "A15 to A17": ("components of weights", lambda study: study.interpretation is not None),
    "A20": ("group maps", lambda study: bool(set(GROUP_SPACES) & set(study.map_spaces))),
    "A21": ("similarities", lambda study: study.representational_similarity is not None),
    "A22": ("single images", lambda study: study.error_consistency is not None),
    "A23": (
        "images with and without people",
        lambda study: any(variant.subset for variant in study.variants.values()),
    ),
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and those of the root folder."""
    pages = {
        "index.md": _of_root("README.md"),
        "contributing.md": _of_root("CONTRIBUTING.md"),
        "changelog.md": _of_root("CHANGELOG.md"),
        "configuration.md": configuration_page(),
        "tables.md": columns_page(),
        "command_line.md": command_line_page(),
        "api/features.md": api_page("features"),
        "api/encoding.md": api_page("encoding"),
    }
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def _of_root(name: str) -> str:
    """Read a page of the root folder, and change its links to those of the site."""
    links = {"docs/": "", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
    text = (ROOT / name).read_text()
    for of_root, of_site in links.items():
        text = text.replace(f"]({of_root}", f"]({of_site}")
    return text


def api_page(package: str) -> str:
    """Write a section for each module of a package, which mkdocstrings fills in."""
    paths = [path for path in sorted((ROOT / package).rglob("*.py")) if path.read_text()]
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    named = [module.removesuffix(".__init__") for module in modules]
    return f"# API of `{package}`\n\n" + "".join(f"::: {module}\n\n" for module in named)


def command_line_page() -> str:
    """Write the targets of `snakemake`, and the help of `nsd-encoding`."""
    rows = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in targets().items())
    parser = argument_parser()
    (commands,) = (
        action for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    )
    helps = [parser.format_help(), *(one.format_help() for one in commands.choices.values())]
    return (
        "# Command line\n\n## Targets of `snakemake`\n\n"
        "Write one or more before `--configfile`: `snakemake maps tables --configfile "
        "config/nsd.yaml`. An optional analysis makes nothing if the configuration lacks its "
        f"section.\n\n| target | result |\n|---|---|\n{rows}\n"
        "## `nsd-encoding`\n\n`python -m pipeline` is the same.\n\n"
        + "".join(f"```text\n{text}```\n\n" for text in helps)
    )


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replace the links that stand for tables by the tables."""
    return MARKER.sub(lambda found: table(found[1]), markdown)


def table(name: str) -> str:
    """Make the table that a link names."""
    if name in ("study", "beyond"):
        published = name == "study"
        analyses = _read("study")
        return study_table({k: v for k, v in analyses.items() if is_published(k) == published})
    if name == "presets":
        return presets_table()
    if name == "scale":
        return scale_table(_read("scale"))
    if name == "full_size":
        return full_size_table(_read("full_size"))
    return reruns_table(name.removeprefix("reruns "))


def is_published(analysis: str) -> bool:
    """Return whether an analysis of docs/study.yaml is numbered: part of the published study."""
    return re.fullmatch(r"A\d+", analysis) is not None


def study_table(analyses: Mapping[str, Mapping[str, Any]]) -> str:
    """Tabulate analyses with their stages, target, keys, files and tests."""
    columns = ("stages", "target", "configuration", "output", "tests")
    rows = [
        [name, one["analysis"], *(", ".join(f"`{text}`" for text in one[key]) for key in columns)]
        for name, one in analyses.items()
    ]
    return _table(["", "analysis", *columns], rows)


def presets_table() -> str:
    """Tabulate which optional analyses each preset has."""
    studies = [read_configuration(ROOT / f"config/{name}.yaml") for name in PRESETS]
    rows = [
        [f"{meaning} ({number})", *("yes" if has(study) else "no" for study in studies)]
        for number, (meaning, has) in OPTIONAL.items()
    ]
    return _table(["analysis", *(f"`{name}.yaml`" for name in PRESETS)], rows)


def scale_table(runs: Mapping[str, Mapping[str, float | None]]) -> str:
    """Tabulate measured CPU seconds and disk space of each stage, for two simulated studies."""
    columns = ["stage", "demo: CPU seconds", "demo: disk, MB", "small study: disk, MB"]
    return _table(
        columns,
        [[stage, *(f"{run or '–'}" for run in one.values())] for stage, one in runs.items()],
    )


def full_size_table(stages: Mapping[str, Mapping[str, float | None]]) -> str:
    """Tabulate estimates and measurements of a study of NSD's size."""
    columns = ["CPU seconds, estimated", "CPU seconds", "seconds"]
    for what in ("memory", "disk"):
        columns += [f"{what} GB, estimated", f"{what} GB"]
    rows = [
        [stage, *("–" if value is None else f"{value}" for value in one.values())]
        for stage, one in stages.items()
    ]
    return _table(["stage", *columns], rows)


def reruns_table(kind: str) -> str:
    """Tabulate what reruns after edits of one kind."""
    mark = "*" if kind == "chains" else "`"
    rows = [[f"{mark}{edit}{mark}", reruns] for edit, reruns in _read("reruns")[kind].items()]
    headings = {"chains": ["chain", "jobs"], "files": ["file under `results/`", "runs again"]}
    return _table(headings.get(kind, ["edit", "runs again"]), rows)


def _read(name: str) -> Any:
    return yaml.safe_load((ROOT / f"docs/{name}.yaml").read_text())


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
