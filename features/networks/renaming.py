"""Checkpoints whose weights have other names than the network that they are for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

# efficientnet_pytorch's names, and timm's
OUTER = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
SQUEEZE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
# of a block that first expands its channels, and of one that does not
EXPANDING = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
    **SQUEEZE,
}
PLAIN = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
    **SQUEEZE,
}


def with_timm_names(state: Mapping[str, torch.Tensor], module: Any) -> dict[str, torch.Tensor]:
    """Rename the weights of an EfficientNet from efficientnet_pytorch to timm's names.

    Names that are not of that library stay, so that loading them strictly finds every weight that
    is missing, left over, or of another shape.

    Parameters
    ----------
    state : weights by name; those of other origin are returned as they are
    module : timm's network that they are for

    Raises
    ------
    ValueError
        The network is not one of timm's ports from TensorFlow. The weights are from there too, and
        would fit the shapes of timm's own EfficientNets, which pad and normalise differently.
    """
    if "_conv_stem.weight" not in state:
        return dict(state)
    architecture = module.pretrained_cfg["architecture"]
    if not architecture.startswith("tf_efficientnet_"):
        raise ValueError(
            "the checkpoint is an EfficientNet from TensorFlow, with the names of "
            f"efficientnet_pytorch: {architecture} computes something else; use tf_efficientnet_…"
        )
    blocks = [f"blocks.{i}.{j}" for i, stage in enumerate(module.blocks) for j in range(len(stage))]

    def renamed(name: str) -> str:
        # blocks are numbered throughout there, and within each stage here
        found = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
        if found is None:
            part, _, parameter = name.rpartition(".")
            return f"{OUTER.get(part, part)}.{parameter}"
        number, part, parameter = int(found[1]), found[2], found[3]
        names = EXPANDING if f"_blocks.{number}._expand_conv.weight" in state else PLAIN
        if number >= len(blocks) or part not in names:
            return name
        return f"{blocks[number]}.{names[part]}.{parameter}"

    return {renamed(name): weight for name, weight in state.items()}
