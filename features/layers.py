"""Layers by name, and how their activations become one vector per stimulus."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

import torch

# "adaptive-5000": average over a grid as fine as 5,000 features allow; what follows tells which
# axis of a picture's activation its channels are on
POOLING = re.compile(r"(mean|cls|last|adaptive-(\d+))(?:-(channels-first|channels-last))?")
CHANNEL_AXES = {"channels-first": 1, "channels-last": 3}
POOLINGS = "mean, cls, last, adaptive-N or none"


@dataclass(frozen=True)
class Layer:
    """What is taken from a network.

    Attributes
    ----------
    name : an output ("embedding", "last_hidden_state", …), a name of the field ("fc7"), the path of
        a module, or a pattern that stands for several of them ("layer*", "block_*")
    pooling : "mean" over positions (of a text: over its tokens without padding), "cls" (the first
        token), "last" (the last token that is no padding), "adaptive-N" (averages over the finest
        square grid with at most N features), None (flattened). "mean-channels-last",
        "adaptive-N-channels-first" name the axis of the channels where the shape does not tell it
    """

    name: str
    pooling: str | None = None

    def __str__(self) -> str:
        """As `parse` reads it: "name", or "name:pooling"."""
        return self.name if self.pooling is None else f"{self.name}:{self.pooling}"

    @classmethod
    def parse(cls, text: str) -> Layer:
        """ "fc7", or with a pooling "block_3:cls"."""
        name, _, pooling = text.partition(":")
        return cls(name, pooling or None)

    def matching(self, known: Iterable[Layer]) -> list[Layer]:
        """Those of `known` that this layer, or the pattern in its name, stands for, in their order.

        A star stands for any part of a path between two dots.
        """
        pattern = re.compile(re.escape(self.name).replace(r"\*", "[^.]*").replace(r"\?", "[^.]"))
        same = [layer for layer in dict.fromkeys(known) if layer.pooling == self.pooling]
        return [layer for layer in same if pattern.fullmatch(layer.name)]


def pool(
    activation: torch.Tensor, pooling: str | None, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """One vector per stimulus: (stimulus, feature).

    Parameters
    ----------
    activation : (stimulus, feature), (stimulus, position, feature),
        (stimulus, channel, row, column) or (stimulus, row, column, channel)
    pooling : see `Layer`
    mask : (stimulus, position), 0 for padding

    Raises
    ------
    ValueError
        The pooling does not fit the activation.
    """
    if pooling is None:
        # a later in-place operation must not change what was kept
        return activation.flatten(start_dim=1).clone()
    asked = POOLING.fullmatch(pooling)
    kind, limit, channels = asked.groups() if asked else (None, None, None)
    sequence, picture = activation.ndim == 3, activation.ndim == 4
    if picture and (kind == "mean" or limit):
        activation = _channels_first(activation, pooling, channels)
        return activation.mean(dim=(2, 3)) if kind == "mean" else _on_a_grid(activation, int(limit))
    if sequence and channels is None:
        if kind == "cls":
            return activation[:, 0].clone()
        if kind == "last" and mask is not None:
            last = mask.long().sum(dim=1) - 1
            return activation[torch.arange(len(last), device=last.device), last].clone()
        if kind == "mean":
            return _mean_over_tokens(activation, mask)
    raise ValueError(
        f"pooling '{pooling}' does not fit an activation of shape {tuple(activation.shape)}; "
        f"choose {POOLINGS} (cls, last: sequences of tokens; adaptive: pictures; none: what is one "
        "vector per stimulus already)"
    )


def _channels_first(activation: torch.Tensor, pooling: str, channels: str | None) -> torch.Tensor:
    """(stimulus, channel, row, column); networks see squares, so two sides alike are its places."""
    _, first, middle, last = activation.shape
    if channels is None:
        if first != middle == last or first == middle == last == 1:
            channels = "channels-first"
        elif first == middle != last:
            channels = "channels-last"
        else:
            raise ValueError(
                f"pooling '{pooling}': which axis of the activation of shape "
                f"{tuple(activation.shape)} has the channels? Say '{pooling}-channels-first' or "
                f"'{pooling}-channels-last'"
            )
    return activation.movedim(CHANNEL_AXES[channels], 1)


def _on_a_grid(activation: torch.Tensor, limit: int) -> torch.Tensor:
    """Averages over the finest square grid with at most `limit` features."""
    side = max(1, int((limit / activation.shape[1]) ** 0.5))
    side = min(side, *activation.shape[2:])
    return torch.nn.functional.adaptive_avg_pool2d(activation, side).flatten(start_dim=1)


def _mean_over_tokens(activation: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    if mask is None:
        return activation.mean(dim=1)
    weights = mask.to(activation.dtype)[..., None]
    return (activation * weights).sum(dim=1) / weights.sum(dim=1)


def nearest(name: str, known: Iterable[str]) -> str:
    """Near names in words, for messages."""
    known = list(known)
    lowered = {entry.lower(): entry for entry in reversed(known)}
    near = difflib.get_close_matches(name.lower(), lowered, n=5, cutoff=0.4)
    return f"Near names: {', '.join(lowered[entry] for entry in near) or ', '.join(known[:10])}"
