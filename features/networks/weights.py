"""Weights of a network: those it may have, those it has, and messages if it lacks them.

Whether a network is pretrained, untrained, or has nothing to train is decided in one function,
`features.networks.base.Network.weights_state`, by what was loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from features.checkpoints import NOT_LOCAL

# what `weights:` may be: one of the words, or a path
PATH = "a path"


@dataclass(frozen=True)
class Checkpoint:
    """Source of trained weights.

    Attributes
    ----------
    source : its address, file or folder
    tag : the library's name of it, where it has one
    sha256 : of a local file's, or folder's, content
    """

    source: str
    tag: str | None = None
    sha256: str | None = None

    @property
    def name(self) -> str:
        """The file that was given, or else the library's tag."""
        return self.source if self.sha256 or self.tag is None else self.tag


def kind_of_weights(specification: Mapping[str, Any]) -> str:
    """'pretrained', 'untrained', 'none', or `PATH`."""
    weights = specification["weights"]
    return weights if weights in NOT_LOCAL else PATH


def check_weights(
    specification: Mapping[str, Any], kinds: Sequence[str], tagged_kinds: Sequence[str]
) -> None:
    """Check that a library uses what is said of a network's weights.

    Parameters
    ----------
    kinds : that the library can load, see `kind_of_weights`
    tagged_kinds : those of them for which it reads `pretrained_tag`

    Raises
    ------
    ValueError
        Weights that the library cannot load; a tag, or a seed, that it would not use.
    """
    kind, where = kind_of_weights(specification), specification["library"]
    architecture = specification["architecture"]
    if kind not in kinds:
        reason = " has weights that must come from somewhere" if kind == "none" else ""
        raise ValueError(
            f"{architecture}{reason}: `weights: {specification['weights']}` does not go with "
            f"{where}'s {architecture}; give {_in_words(kinds)}"
        )
    if (kind == "untrained") != (specification.get("seed") is not None):
        raise ValueError(
            f"{architecture}: `seed` is needed with `weights: untrained`, and only there"
        )
    if specification.get("pretrained_tag") is not None and kind not in tagged_kinds:
        of = f"`weights: {kind}`" if tagged_kinds and kind != PATH else f"{where}'s {architecture}"
        raise ValueError(
            f"{architecture}: {of} does not use `pretrained_tag: "
            f"{specification['pretrained_tag']}`; remove it"
        )


def _in_words(kinds: Sequence[str]) -> str:
    words = {
        "pretrained": "`weights: pretrained`",
        "untrained": "`weights: untrained` with a `seed`",
        "none": "`weights: none` (there is nothing to train)",
        PATH: "the path of a checkpoint",
    }
    return " or ".join(words[kind] for kind in kinds)


def seed_untrained(specification: Mapping[str, Any]) -> None:
    """Untrained weights are what the library draws right after this seed."""
    if specification["weights"] == "untrained":
        torch.manual_seed(specification["seed"])


def weights_error(
    architecture: str, source: object, error: Exception, cache: Path | None
) -> ValueError:
    """Return the message of a failure to load weights."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    folder = cache or "the cache of its library"
    # torch names the misfitting layers in the second line
    reason = " ".join(lines[:2])[:300] if lines else type(error).__name__
    return ValueError(
        f"{architecture}: weights '{source}' could not be loaded "
        f"({reason}). A checkpoint must fit the architecture; "
        f"one that is missing is downloaded into {folder}. Without internet, run `snakemake fetch` "
        "on a machine that has it and copy that folder, or give a local path as `weights:`."
    )
