"""The study's networks, feature spaces and comparisons by name, added to what a user declares."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

PATH = Path(__file__).with_name("catalogue.yaml")
RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
COMPONENTS = re.compile(r"(.+)_pca(\d+)")


@functools.cache
def read_catalogue() -> dict[str, dict[str, Any]]:
    """Read the catalogue: {"networks", "feature_spaces", "comparisons": {name: settings}}.

    A name with a range, `block{0..11}`, stands for one space per number, which also replaces `{}`
    in its layer.
    """
    content = yaml.safe_load(PATH.read_text())
    spaces: dict[str, Any] = {}
    for name, settings in content["feature_spaces"].items():
        layers = expand_range(settings["layer"].replace("{}", _range(name)))
        for each, layer in zip(expand_range(name), layers, strict=True):
            spaces[each] = {**settings, "layer": layer}
    networks = {
        name: {**settings, "facts": content["facts"][name]}
        for name, settings in content["networks"].items()
    }
    return {"networks": networks, "feature_spaces": spaces, "comparisons": content["comparisons"]}


def expand_range(name: str) -> list[str]:
    """List the names that a name with a range, `block{0..11}`, stands for; else itself."""
    if not (found := RANGE.search(name)):
        return [name]
    numbers = range(int(found[1]), int(found[2]) + 1)
    return [RANGE.sub(str(number), name) for number in numbers]


def _range(name: str) -> str:
    return found[0] if (found := RANGE.search(name)) else ""


def with_catalogue(values: Mapping[str, Any]) -> dict[str, Any]:
    """Add the networks, spaces and comparisons of the catalogue that a configuration uses.

    `name_pca64` stands for 64 principal components of the space `name`, which is declared or in the
    catalogue.
    """
    catalogue = read_catalogue()
    sections = {key: values.get(key) or {} for key in ("networks", "feature_spaces")}
    if not all(isinstance(section, Mapping) for section in sections.values()):
        # the configuration's own checks report what is wrong
        return dict(values)
    declared = {key: dict(section) for key, section in sections.items()}
    variants, splits = (_mapping(values.get(key)) for key in ("variants", "splits"))
    comparisons = values.get("comparisons")
    if isinstance(comparisons, Mapping):
        known = catalogue["comparisons"]
        comparisons = {
            k: known.get(k) if names is None else names for k, names in comparisons.items()
        }
    layerwise = _expand_layers(_mapping(values.get("layerwise")))
    listed = [
        *_mapping(comparisons).values(),
        *(_mapping(v).get("models") for v in variants.values()),
        *layerwise.values(),
    ]
    used = (values.get("models"), [splits.get("space")], *listed)
    for name in itertools.chain(*(names or [] for names in used)):
        if name not in declared["feature_spaces"] and (space := _space(name, declared, catalogue)):
            declared["feature_spaces"][name] = space
    for space in declared["feature_spaces"].values():
        name = space.get("network") if isinstance(space, Mapping) else None
        if name not in declared["networks"] and name in catalogue["networks"]:
            declared["networks"][name] = catalogue["networks"][name]
    expanded = {"layerwise": layerwise} if layerwise else {}
    return {**values, "comparisons": comparisons, **declared, **expanded}


def _space(
    name: Any, declared: Mapping[str, Any], catalogue: Mapping[str, Any]
) -> dict[str, Any] | None:
    known = {**catalogue["feature_spaces"], **declared["feature_spaces"]}
    found = COMPONENTS.fullmatch(name) if isinstance(name, str) else None
    if name in known or found is None:
        return known.get(name)
    unreduced = known.get(found[1])
    if not isinstance(unreduced, Mapping) or "reduction" in unreduced:
        return None
    return {**unreduced, "reduction": {"method": "pca", "components": int(found[2])}}


def _mapping(section: Any) -> Mapping[str, Any]:
    """Return a section; an empty one for anything else, which the configuration's checks report."""
    return section if isinstance(section, Mapping) else {}


def _expand_layers(layerwise: Mapping[str, Any]) -> dict[str, Any]:
    return {
        network: [name for names in spaces for name in expand_range(str(names))]
        if isinstance(spaces, list)
        else spaces
        for network, spaces in layerwise.items()
    }
