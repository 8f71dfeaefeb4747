"""The JSON Schema of the configuration, and the reference that is made of it."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml
from conftest import ROOT, TINY

from pipeline.configuration.document import (
    configuration_page,
    configuration_schema,
    schema_text,
)

SCHEMA = ROOT / "config/schema.json"
CONFIGURATIONS = [*sorted((ROOT / "config").glob("*.yaml")), TINY]


def problems(values: dict[str, Any]) -> list[str]:
    """Messages of a validator that knows the schema alone, as editors do."""
    checker = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    return [error.message for error in checker.iter_errors(values)]


def test_schema_is_the_one_of_the_models():
    """If it fails: python -m pipeline.configuration.document > config/schema.json"""
    assert SCHEMA.read_text() == schema_text()


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=[path.stem for path in CONFIGURATIONS])
def test_schema_accepts_the_configurations_of_the_project(path):
    assert problems(yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize(
    ("section", "edit", "message"),
    [
        (None, {"subject": ["subj01"]}, "'subject' was unexpected"),
        ("splits", {"fold": 5}, "'fold' was unexpected"),
        ("splits", {"folds": 1}, "1 is less than the minimum of 2"),
        ("encoding", {"search": "fast"}, "'fast' is not one of"),
        (None, {"nsd_bucket": "s3://bucket"}, "'nsd_bucket' was unexpected"),
    ],
)
def test_schema_refuses_a_mistake(section, edit, message):
    values = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    (values[section] if section else values).update(edit)
    (problem,) = problems(values)
    assert message in problem


@pytest.mark.parametrize("name", ["demo", "nsd", "paper"])
def test_editors_find_the_schema(name):
    first = (ROOT / f"config/{name}.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=schema.json"


def test_every_key_is_described():
    schema = configuration_schema()
    groups = {"": schema, **schema["$defs"]}
    sections = [value for value in schema["properties"].values() if "description" not in value]
    assert all("$ref" in json.dumps(value) for value in sections)
    assert {
        f"{name}.{key}"
        for name, group in groups.items()
        for key, value in group["properties"].items()
        if name and not value.get("description")
    } == set()


def test_reference_has_defaults_bounds_and_descriptions():
    page = configuration_page()
    assert "| `draws` | whole number ≥ 100 | `2000` | Number of bootstrap draws of test" in page
    assert "| `folds` | whole number ≥ 2 | required | Number of cross-validation folds" in page
    # keys of optional analyses, and settings within settings
    assert "## `interpretation` {#InterpretationSettings}" in page
    assert "## `encoding.alphas` {#AlphaGrid}" in page
    assert "(#NetworkFacts)" in page
