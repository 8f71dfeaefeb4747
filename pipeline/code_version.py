"""The version of a stage's code: a hash of every project module that the stage imports.

Snakemake compares it as a parameter, so that an edit reruns exactly the stages that use the edited
module, and a checkout or a touched file reruns nothing.
"""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOUSES = ("features", "encoding", "pipeline")
TEMPLATES = (".html", ".css", ".js", ".j2")


def code_version(module: str, root: Path = ROOT) -> str:
    """Hash of `module`, everything of the project that it imports, and their templates.

    Parameters
    ----------
    module : dotted name, e.g. "pipeline.stages.fit"
    root : folder that holds features/, encoding/ and pipeline/
    """
    digest = hashlib.sha256()
    for path in sorted(imported_files(module, root)):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def imported_files(module: str, root: Path = ROOT) -> set[Path]:
    """Source files of the project that importing `module` can run, and templates beside them."""
    files: set[Path] = set()
    waiting = [module]
    while waiting:
        source = _source(waiting.pop(), root)
        if source is None or source in files:
            continue
        files.add(source)
        files.update(path for path in source.parent.iterdir() if path.suffix in TEMPLATES)
        waiting.extend(_imports(source, root))
    return files


def _source(module: str, root: Path) -> Path | None:
    path = root.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


def _imports(source: Path, root: Path) -> list[str]:
    package = source.relative_to(root).parent.parts
    names: list[str] = []
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    parents = [".".join(name.split(".")[:end]) for name in names for end in range(1, 8)]
    return [name for name in {*names, *parents} if name.split(".")[0] in HOUSES]
