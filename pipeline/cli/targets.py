"""Targets of the workflow, read from the text of its rules."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.analyses.registry import ANALYSES
from pipeline.jobs.code_version import ROOT


def targets() -> dict[str, str]:
    """List {target: description}: rules with a docstring, and targets of optional analyses."""
    found: dict[str, str] = {}
    for text in _rules():
        found |= dict(re.findall(r'^ *rule (\w+):\n +"""(.+)"""$', text, re.MULTILINE))
    of_analyses = {one.target: (one.__doc__ or "").splitlines()[0] for one in ANALYSES.values()}
    return dict(sorted((found | of_analyses).items()))


def rule_names() -> list[str]:
    """List the targets, and the rules that make single files."""
    named = [name for text in _rules() for name in re.findall(r"^ *rule (\w+):", text, re.M)]
    return list(dict.fromkeys([*targets(), *named]))


def _rules() -> Iterator[str]:
    files = ("Snakefile", "pipeline/rules/*.smk", "pipeline/analyses/*/rules.smk")
    for pattern in files:
        yield from (path.read_text() for path in sorted(ROOT.glob(pattern)))
