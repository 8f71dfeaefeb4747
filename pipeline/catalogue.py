"""The study's networks and feature spaces by name, added to what a user declares."""

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


@functools.cache
def read_catalogue() -> dict[str, dict[str, Any]]:
    """{"networks": {name: settings}, "feature_spaces": {name: settings}}, ranges written out.

    A name with a range, `block{0..11}`, stands for one space per number, which also takes the place
    of `{}` in its layer.
    """
    content = yaml.safe_load(PATH.read_text())
    spaces: dict[str, Any] = {}
    for name, settings in content["feature_spaces"].items():
        if not (found := RANGE.search(name)):
            spaces[name] = settings
            continue
        for number in range(int(found[1]), int(found[2]) + 1):
            layer = settings["layer"].format(number)
            spaces[RANGE.sub(str(number), name)] = {**settings, "layer": layer}
    return {"networks": content["networks"], "feature_spaces": spaces}


def with_catalogue(values: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration's values, and what its models and contrasts use of the catalogue."""
    catalogue = read_catalogue()
    sections = {key: values.get(key) or {} for key in ("networks", "feature_spaces")}
    if not all(isinstance(section, Mapping) for section in sections.values()):
        # the configuration's own checks say what is wrong
        return dict(values)
    declared = {key: dict(section) for key, section in sections.items()}
    contrasts, variants, splits = (
        _mapping(values.get(key)) for key in ("contrasts", "variants", "splits")
    )
    listed = [*contrasts.values(), *(_mapping(v).get("models") for v in variants.values())]
    used = (values.get("models"), [splits.get("space")], *listed)
    for name in itertools.chain(*(names or [] for names in used)):
        if name not in declared["feature_spaces"] and name in catalogue["feature_spaces"]:
            declared["feature_spaces"][name] = catalogue["feature_spaces"][name]
    for space in declared["feature_spaces"].values():
        name = space.get("network") if isinstance(space, Mapping) else None
        if name not in declared["networks"] and name in catalogue["networks"]:
            declared["networks"][name] = catalogue["networks"][name]
    return {**values, **declared}


def _mapping(section: Any) -> Mapping[str, Any]:
    """A section, or nothing of one that is none: the configuration's own checks say so."""
    return section if isinstance(section, Mapping) else {}
