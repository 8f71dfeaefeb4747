"""Pooling of a layer's activation into one vector per stimulus."""

from __future__ import annotations

import re

import torch

# "adaptive-5000": average over a grid as fine as 5,000 features allow; what follows says which
# axis of a picture's activation its channels are on
POOLING = re.compile(r"(mean|cls|last|adaptive-(\d+))(?:-(channels-first|channels-last))?")
CHANNEL_AXES = {"channels-first": 1, "channels-last": 3}
POOLINGS = "mean, cls, last, adaptive-N or none"


def pool(
    activation: torch.Tensor, pooling: str | None, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """One vector per stimulus: (stimulus, feature).

    Parameters
    ----------
    activation : (stimulus, feature), (stimulus, position, feature),
        (stimulus, channel, row, column) or (stimulus, row, column, channel)
    pooling : see `Layer`
    mask : of texts, (stimulus, position): 0 for padding, on whichever side

    Raises
    ------
    ValueError
        The pooling does not fit the activation, or the mask has other positions.
    """
    sequence, picture = activation.ndim == 3, activation.ndim == 4
    if sequence and mask is not None:
        return _pool_tokens(activation, pooling, mask)
    if pooling is None:
        # a later in-place operation must not change what was kept
        return activation.flatten(start_dim=1).clone()
    match = POOLING.fullmatch(pooling)
    kind, limit, channels = match.groups() if match else (None, None, None)
    if picture and kind == "mean":
        return _channels_first(activation, pooling, channels).mean(dim=(2, 3))
    if picture and limit:
        return _on_a_grid(_channels_first(activation, pooling, channels), int(limit))
    if sequence and channels is None:
        if kind == "cls":
            return activation[:, 0].clone()
        if kind == "mean":
            return activation.mean(dim=1)
    raise _misfit(pooling, activation)


def _channels_first(activation: torch.Tensor, pooling: str, channels: str | None) -> torch.Tensor:
    """Reorder to (stimulus, channel, row, column): two equal axes are those of square images."""
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


def _pool_tokens(activation: torch.Tensor, pooling: str | None, mask: torch.Tensor) -> torch.Tensor:
    """One vector per text, of its tokens alone."""
    if mask.shape != activation.shape[:2]:
        raise ValueError(
            f"an activation of shape {tuple(activation.shape)} has no row for each token of the "
            f"{mask.shape[0]} texts of {mask.shape[1]} tokens; choose another layer"
        )
    if pooling == "mean":
        weights = mask.to(activation.dtype)[..., None]
        return (activation * weights).sum(dim=1) / weights.sum(dim=1)
    tokens = mask.long()
    if pooling == "cls":
        position = tokens.argmax(dim=1)
    elif pooling == "last":
        position = mask.shape[1] - 1 - tokens.flip(1).argmax(dim=1)
    else:
        raise _misfit(pooling, activation)
    return activation[torch.arange(len(position), device=position.device), position].clone()


def _misfit(pooling: str | None, activation: torch.Tensor) -> ValueError:
    return ValueError(
        f"pooling '{pooling or 'none'}' does not fit an activation of shape "
        f"{tuple(activation.shape)}; choose {POOLINGS} (cls, last: sequences of tokens; adaptive: "
        "pictures; none: what is one vector per stimulus already)"
    )
