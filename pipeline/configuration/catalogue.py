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
    """{"networks", "feature_spaces", "comparisons": {name: settings}}, ranges written out.

    A name with a range, `block{0..11}`, stands for one space per number, which also takes the place
    of `{}` in its layer.
    """
    content = yaml.safe_load(PATH.read_text())
    spaces: dict[str, Any] = {}
    for name, settings in content["feature_spaces"].items():
        layers = written_out(settings["layer"].replace("{}", _range(name)))
        for each, layer in zip(written_out(name), layers, strict=True):
            spaces[each] = {**settings, "layer": layer}
    networks = {
        name: {**settings, "facts": content["facts"][name]}
        for name, settings in content["networks"].items()
    }
    return {"networks": networks, "feature_spaces": spaces, "comparisons": content["comparisons"]}


def written_out(name: str) -> list[str]:
    """The names that a name with a range, `block{0..11}`, stands for; of another, itself."""
    if not (found := RANGE.search(name)):
        return [name]
    numbers = range(int(found[1]), int(found[2]) + 1)
    return [RANGE.sub(str(number), name) for number in numbers]


def _range(name: str) -> str:
    return found[0] if (found := RANGE.search(name)) else ""


def with_catalogue(values: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration's values, and what its models, comparisons and layers use of the catalogue.

    `name_pca64` is the space `name`, declared or of the catalogue, by 64 principal components.
    """
    catalogue = read_catalogue()
    sections = {key: values.get(key) or {} for key in ("networks", "feature_spaces")}
    if not all(isinstance(section, Mapping) for section in sections.values()):
        # the configuration's own checks say what is wrong
        return dict(values)
    declared = {key: dict(section) for key, section in sections.items()}
    variants, splits = (_mapping(values.get(key)) for key in ("variants", "splits"))
    comparisons = values.get("comparisons")
    if isinstance(comparisons, Mapping):
        known = catalogue["comparisons"]
        comparisons = {
            k: known.get(k) if names is None else names for k, names in comparisons.items()
        }
    layerwise = _layers_written_out(_mapping(values.get("layerwise")))
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
    written = {"layerwise": layerwise} if layerwise else {}
    return {**values, "comparisons": comparisons, **declared, **written}


def _space(
    name: Any, declared: Mapping[str, Any], catalogue: Mapping[str, Any]
) -> dict[str, Any] | None:
    known = {**catalogue["feature_spaces"], **declared["feature_spaces"]}
    found = COMPONENTS.fullmatch(name) if isinstance(name, str) else None
    if name in known or found is None:
        return known.get(name)
    whole = known.get(found[1])
    if not isinstance(whole, Mapping) or "reduction" in whole:
        return None
    return {**whole, "reduction": {"method": "pca", "components": int(found[2])}}


def _mapping(section: Any) -> Mapping[str, Any]:
    """A section, or nothing of one that is none: the configuration's own checks say so."""
    return section if isinstance(section, Mapping) else {}


def _layers_written_out(layerwise: Mapping[str, Any]) -> dict[str, Any]:
    return {
        network: [name for names in spaces for name in written_out(str(names))]
        if isinstance(spaces, list)
        else spaces
        for network, spaces in layerwise.items()
    }
