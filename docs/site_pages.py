"""Pages of the documentation that are made when the site is built, by a hook of MkDocs."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pipeline.__main__ import argument_parser  # noqa: E402
from pipeline.analyses.registry import ANALYSES  # noqa: E402
from pipeline.configuration.document import configuration_page  # noqa: E402
from pipeline.tables.document import columns_page  # noqa: E402


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are derived from code, and those of the root folder."""
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
    """A page of the root folder; its links are changed to those of the site."""
    links = {"docs/": "", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
    text = (ROOT / name).read_text()
    for of_root, of_site in links.items():
        text = text.replace(f"]({of_root}", f"]({of_site}")
    return text


def api_page(package: str) -> str:
    """One section per module of a package, which mkdocstrings fills in."""
    paths = sorted((ROOT / package).rglob("*.py"))
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    named = [module.removesuffix(".__init__") for module in modules]
    return f"# API of `{package}`\n\n" + "".join(f"::: {module}\n\n" for module in named)


def targets() -> dict[str, str]:
    """{target: what it makes}: rules with a docstring, and the targets of optional analyses."""
    found: dict[str, str] = {}
    for path in [ROOT / "Snakefile", *sorted((ROOT / "pipeline/rules").glob("*.smk"))]:
        rules = re.findall(r'^ *rule (\w+):\n +"""(.+)"""$', path.read_text(), re.MULTILINE)
        found |= dict(rules)
    of_analyses = {one.target: (one.__doc__ or "").splitlines()[0] for one in ANALYSES.values()}
    return dict(sorted((found | of_analyses).items()))


def command_line_page() -> str:
    """What `snakemake` can be asked for, and the help of `python -m pipeline`."""
    rows = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in targets().items())
    parser = argument_parser()
    (commands,) = (
        action for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    )
    helps = [parser.format_help(), *(one.format_help() for one in commands.choices.values())]
    return (
        "# Command line\n\n## Targets of `snakemake`\n\n"
        "Give one or more before `--configfile`: `snakemake maps tables --configfile "
        "config/nsd.yaml`. Optional analyses make nothing where the configuration lacks their "
        f"section.\n\n| target | result |\n|---|---|\n{rows}\n"
        "## `python -m pipeline`\n\n" + "".join(f"```text\n{text}```\n\n" for text in helps)
    )
