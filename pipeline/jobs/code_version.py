"""The version of a stage's code: a hash of all project modules that the stage imports.

Snakemake compares it as a parameter, so that an edit reruns exactly the stages that use the edited
module. The syntax tree is hashed: changes of docstrings, comments, layout or dates rerun nothing.
A process reads each file once, so that edits during a run do not change the version of its code.
What was found in a file is kept beside Python's own compiled files, by the hash of its content:
every start of Snakemake, and every job, needs it.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("features", "encoding", "pipeline")
TEMPLATES = (".html", ".css", ".js", ".j2")
KEPT = Path(__file__).with_name("__pycache__") / "code_version.json"


class Import(NamedTuple):
    """An import statement, or a call of `parts`.

    Attributes
    ----------
    level : number of leading dots; -1 for `parts`
    module : what names are imported from, "." of the package itself; empty if modules are imported
    names : modules, names or the argument of `parts`
    """

    level: int
    module: str
    names: list[str]


@cache
def stage_modules(root: Path = ROOT) -> Mapping[str, str]:
    """Return {stage: its module} of the programs that jobs run.

    Stages of an analysis are the modules in its folder that declare `Arguments`.
    """
    own = (root / "pipeline/stages").glob("[a-z]*.py")
    analyses = (root / "pipeline/analyses").glob("*/*.py")
    paths = [*own, *(path for path in analyses if "\nclass Arguments(" in path.read_text())]
    return {
        path.stem: ".".join(path.relative_to(root).with_suffix("").parts) for path in sorted(paths)
    }


def code_version(module: str, root: Path = ROOT) -> str:
    """Hash a module, the project's modules that it imports, and their templates.

    Parameters
    ----------
    module : dotted name, e.g. "pipeline.stages.fit"
    root : folder that holds features/, encoding/ and pipeline/
    """
    return _digest(sorted(file_versions(module, root).items()))


@cache
def file_versions(module: str, root: Path = ROOT) -> Mapping[str, str]:
    """Return {path below `root`: hash} of the files that `code_version` hashes."""
    return {
        path.relative_to(root).as_posix(): file_version(path)
        for path in sorted(imported_files(module, root))
    }


def file_version(path: Path) -> str:
    """Hash a file; Python without docstrings, comments and layout."""
    return _read(path)[0]


@cache
def _read(path: Path) -> tuple[str, list[Import]]:
    """Return the hash of a file, its import statements and its calls of `parts`."""
    content = path.read_bytes()
    if path.suffix != ".py":
        return _digest(content), []
    kept, key = _kept(), hashlib.sha256(content).hexdigest()
    if key not in kept:
        text: list[str] = []
        imports: list[Import] = []
        _add_code(ast.parse(content), text, imports)
        kept[key] = [_digest(text), imports]
    version, found = kept[key]
    return version, [Import(*one) for one in found]


@cache
def _kept() -> dict[str, Any]:
    """Return what was found in files, by their content; what is added is kept for other processes.

    What another version of this module found is not.
    """
    own = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    kept: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        read = json.loads(KEPT.read_text())
        kept = read["files"] if read["of"] == own else {}
    before = len(kept)

    def keep() -> None:
        if len(kept) > before:
            # not where the project is installed read-only
            with contextlib.suppress(OSError):
                KEPT.parent.mkdir(exist_ok=True)
                writing = KEPT.with_suffix(f".{os.getpid()}")
                writing.write_text(json.dumps({"of": own, "files": kept}))
                writing.replace(KEPT)

    atexit.register(keep)
    return kept


def _calls_parts(node: ast.AST) -> TypeGuard[ast.Call]:
    """Test whether a node calls `pipeline.analyses.parts`, which imports modules of analyses."""
    return isinstance(node, ast.Call) and getattr(node.func, "id", None) == "parts"


def _digest(content: object) -> str:
    data = content if isinstance(content, bytes) else repr(content).encode()
    return hashlib.sha256(data).hexdigest()[:12]


def _add_code(value: Any, text: list[str], imports: list[Import]) -> None:
    """Append the text of a syntax tree, without docstrings and positions, and its imports.

    Empty fields are omitted, as Python versions differ in them. One list for all calls is faster
    than nested generators, and every start of Snakemake waits for this function.
    """
    if isinstance(value, ast.AST):
        if isinstance(value, ast.Import):
            imports.append(Import(0, "", [alias.name for alias in value.names]))
        elif isinstance(value, ast.ImportFrom):
            names = [alias.name for alias in value.names]
            imports.append(Import(value.level, value.module or ".", names))
        elif _calls_parts(value):
            imports.append(Import(-1, "", [ast.literal_eval(value.args[0])]))
        text.append(f"{type(value).__name__}(")
        for name in value._fields:
            field = getattr(value, name, None)
            if isinstance(field, list):
                field = [part for part in field if not _is_docstring(part)]
            if field is not None and field != []:
                text.append(f"{name}=")
                _add_code(field, text, imports)
        text.append(")")
    elif isinstance(value, list):
        text.append("[")
        for part in value:
            _add_code(part, text, imports)
        text.append("]")
    else:
        text.append(repr(value))


def _is_docstring(node: object) -> bool:
    """Test whether a statement is only a string, such as a docstring."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def imported_files(module: str, root: Path = ROOT) -> set[Path]:
    """Return the project's source files that importing `module` can run, and their templates."""
    files: set[Path] = set()
    waiting = [module]
    while waiting:
        source = _source(waiting.pop(), root)
        if source is None or source in files:
            continue
        files.add(source)
        files.update(_templates(source.parent))
        waiting.extend(_imports(source, root))
    return files


@cache
def _templates(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix in TEMPLATES]


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
    for level, module, imported in _read(source)[1]:
        if level < 0:
            found = sorted(root.glob(f"pipeline/analyses/*/{imported[0]}.py"))
            names += [".".join(path.relative_to(root).with_suffix("").parts) for path in found]
        elif not module:
            names += imported
        else:
            above = package[: len(package) - level + 1] if level else ()
            base = ".".join([*above, *([module] if module != "." else [])])
            names += [base, *(f"{base}.{name}" for name in imported)]
    parents = [".".join(name.split(".")[:end]) for name in names for end in range(1, 8)]
    return [name for name in {*names, *parents} if name.split(".")[0] in PACKAGES]
