"""The version of a stage's code: a hash of every project module that the stage imports.

Snakemake compares it as a parameter, so that an edit reruns exactly the stages that use the edited
module. A checkout, a touched file, another docstring, comment or layout reruns nothing: what Python
runs is hashed, not how it is written. A process reads each file once: what it runs does not change
when somebody edits the file meanwhile.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
HOUSES = ("features", "encoding", "pipeline")
TEMPLATES = (".html", ".css", ".js", ".j2")


@cache
def stage_modules(root: Path = ROOT) -> Mapping[str, str]:
    """{stage: its module}: the programs that jobs run, of the straight line and of analyses.

    Those of an analysis are the modules in its folder that declare what they are given.
    """
    own = (root / "pipeline/stages").glob("[a-z]*.py")
    analyses = (root / "pipeline/analyses").glob("*/*.py")
    paths = [*own, *(path for path in analyses if "\nclass Arguments(" in path.read_text())]
    return {
        path.stem: ".".join(path.relative_to(root).with_suffix("").parts) for path in sorted(paths)
    }


def code_version(module: str, root: Path = ROOT) -> str:
    """Hash of `module`, everything of the project that it imports, and their templates.

    Parameters
    ----------
    module : dotted name, e.g. "pipeline.stages.fit"
    root : folder that holds features/, encoding/ and pipeline/
    """
    return _digest(sorted(file_versions(module, root).items()))


@cache
def file_versions(module: str, root: Path = ROOT) -> Mapping[str, str]:
    """{path below `root`: hash} of each file whose content `code_version` hashes."""
    return {
        path.relative_to(root).as_posix(): file_version(path)
        for path in sorted(imported_files(module, root))
    }


def file_version(path: Path) -> str:
    """Hash of a file; of Python without docstrings, comments and layout."""
    return _read(path)[0]


@cache
def _read(path: Path) -> tuple[str, tuple[ast.AST, ...]]:
    """The hash of a file, its import statements and its calls of `parts`."""
    content = path.read_bytes()
    if path.suffix != ".py":
        return _digest(content), ()
    said: list[str] = []
    imports: list[ast.AST] = []
    _code(ast.parse(content), said, imports)
    return _digest(said), tuple(imports)


def _calls_parts(node: ast.AST) -> bool:
    """Whether modules of the analyses are found, see `pipeline.analyses.parts`."""
    return isinstance(node, ast.Call) and getattr(node.func, "id", None) == "parts"


def _digest(content: object) -> str:
    data = content if isinstance(content, bytes) else repr(content).encode()
    return hashlib.sha256(data).hexdigest()[:12]


def _code(value: Any, said: list[str], imports: list[ast.AST]) -> None:
    """Add to `said` what a syntax tree says, without docstrings and places, and its imports.

    Empty fields are left out: versions of Python differ in which there are. A list that all calls
    share takes less time than generators inside each other; every start waits for it.
    """
    if isinstance(value, ast.AST):
        if isinstance(value, ast.Import | ast.ImportFrom) or _calls_parts(value):
            imports.append(value)
        said.append(f"{type(value).__name__}(")
        for name in value._fields:
            field = getattr(value, name, None)
            if isinstance(field, list):
                field = [part for part in field if not _is_docstring(part)]
            if field is not None and field != []:
                said.append(f"{name}=")
                _code(field, said, imports)
        said.append(")")
    elif isinstance(value, list):
        said.append("[")
        for part in value:
            _code(part, said, imports)
        said.append("]")
    else:
        said.append(repr(value))


def _is_docstring(node: object) -> bool:
    """Whether a statement is a string alone, as docstrings of modules, functions and fields are."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


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


@cache
def _source(module: str, root: Path) -> Path | None:
    path = root.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


@cache
def _imports(source: Path, root: Path) -> list[str]:
    package = source.relative_to(root).parent.parts
    names: list[str] = []
    for node in _read(source)[1]:
        if isinstance(node, ast.Call):
            found = sorted(root.glob(f"pipeline/analyses/*/{node.args[0].value}.py"))
            names += [".".join(path.relative_to(root).with_suffix("").parts) for path in found]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        else:
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    parents = [".".join(name.split(".")[:end]) for name in names for end in range(1, 8)]
    return [name for name in {*names, *parents} if name.split(".")[0] in HOUSES]
