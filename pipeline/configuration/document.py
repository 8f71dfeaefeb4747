"""A JSON Schema and a documentation page, generated from the configuration's pydantic models.

python -m pipeline.configuration.document > config/schema.json
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from pipeline.configuration.study import Configuration

INTRODUCTION = """# Configuration

A study is one YAML file, such as `config/demo.yaml`. This page lists every key. An unknown key or a
wrong value ends the run at once, with a message that names the key. Editors that know JSON Schema
complete keys and mark mistakes: the first line of each file in `config/` names
`config/schema.json`, which has the same content as this page.

"Required" means that a key has no default. Networks, feature spaces and comparisons of
`pipeline/configuration/catalogue.yaml` can be used by name without being declared.
"""
HEADER = "| key | value | default | meaning |\n|---|---|---|---|\n"
BOUNDS = {"minimum": "≥", "maximum": "≤", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}
TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
}
# filled in when a configuration is read
NOT_WRITTEN = ("nsd_bucket",)
FROM_CATALOGUE = ("networks", "feature_spaces")


class _WithoutTitles(GenerateJsonSchema):
    """A schema without titles, which would repeat the keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def configuration_schema() -> dict[str, Any]:
    """Build the JSON Schema (2020-12) of a configuration as users write it.

    Unlike the schema of `Configuration`, it does not require what is filled in when a file is read:
    networks, feature spaces and comparisons of the catalogue.
    """
    schema = Configuration.model_json_schema(schema_generator=_WithoutTitles)
    for key in NOT_WRITTEN:
        del schema["properties"][key]
    schema["required"] = [key for key in schema["required"] if key not in FROM_CATALOGUE]
    spaces = schema["properties"]["comparisons"]["patternProperties"]
    for pattern, value in spaces.items():
        spaces[pattern] = {"anyOf": [value, {"type": "null"}]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of a study",
        **schema,
    }


def schema_text() -> str:
    """Return the content of `config/schema.json`."""
    return json.dumps(configuration_schema(), indent=2, ensure_ascii=False) + "\n"


def configuration_page() -> str:
    """Write the reference of all keys as Markdown."""
    schema = configuration_schema()
    page = _Page(schema["$defs"])
    top = page.table(schema, "")
    return f"{INTRODUCTION}\n## All sections\n\n{top}{''.join(page.sections())}"


class _Page:
    """Sections of the page, each written once: where its settings first appear."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self.definitions = definitions
        # {name of the settings: heading}, in the order of the page
        self.headings: dict[str, str] = {}

    def sections(self) -> Iterator[str]:
        """One section for each group of settings that a table has referred to."""
        written = 0
        while written < len(self.headings):
            name, heading = list(self.headings.items())[written]
            definition = self.definitions[name]
            yield f"\n## {heading} {{#{name}}}\n\n{definition['description']}\n\n"
            yield self.table(definition, f"{heading.split(' ')[0].strip('`')}.")
            written += 1

    def table(self, definition: dict[str, Any], prefix: str) -> str:
        """Write the keys of one group of settings."""
        required = definition.get("required", [])
        return HEADER + "".join(
            f"| `{key}` | {self.value(value, prefix + key)} | {_default(key, value, required)} "
            f"| {' '.join(self.meaning(value).split())} |\n"
            for key, value in definition["properties"].items()
        )

    def meaning(self, value: dict[str, Any]) -> str:
        """Return the description of a key, or else of the settings that it holds."""
        if "description" in value:
            return value["description"]
        names = [part["$ref"] for part in value.get("anyOf", [value]) if "$ref" in part]
        return self.definitions[names[0].rsplit("/", 1)[1]]["description"] if names else ""

    def value(self, value: dict[str, Any], key: str) -> str:
        """Describe the values of a key; settings become links to their sections."""
        if "$ref" in value:
            return self.link(value["$ref"].rsplit("/", 1)[1], key)
        if alternatives := value.get("anyOf") or value.get("oneOf"):
            return " or ".join(self.value(one, key) for one in alternatives)
        if "enum" in value or "const" in value:
            return ", ".join(f"`{one}`" for one in value.get("enum") or [value["const"]])
        if "prefixItems" in value:
            return f"list of {len(value['prefixItems'])} numbers"
        if value.get("type") == "array":
            return f"list{_length(value)} of: {self.value(value['items'], key)}"
        if value.get("type") == "object":
            (item,) = value.get(
                "patternProperties", {"": value.get("additionalProperties")}
            ).values()
            return f"names with: {self.value(item, f'{key}.<name>')}"
        bounds = [f"{sign} {value[bound]:g}" for bound, sign in BOUNDS.items() if bound in value]
        return " ".join([TYPES[value["type"]], ", ".join(bounds)]).strip()

    def link(self, name: str, key: str) -> str:
        """Link to the section of settings, whose heading is the first key that takes them."""
        fixed = [
            f"`{field}: {value['const']}`"
            for field, value in self.definitions[name]["properties"].items()
            if "const" in value
        ]
        self.headings.setdefault(name, " with ".join([f"`{key}`", *fixed]))
        return f"[section](#{name})"


def _length(value: dict[str, Any]) -> str:
    least, most = value.get("minItems", 0), value.get("maxItems")
    if most is not None:
        return f" ({least} to {most})" if least != most else f" ({least})"
    return f" (at least {least})" if least > 1 else ""


def _default(key: str, value: dict[str, Any], required: list[str]) -> str:
    if key in required:
        return "required"
    default = value.get("default")
    if default is None or isinstance(default, dict) or default == []:
        return ""
    return f"`{json.dumps(default)}`" if not isinstance(default, str) else f"`{default}`"


if __name__ == "__main__":
    print(schema_text(), end="")
