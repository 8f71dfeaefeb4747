"""Image networks from timm."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch

from features.layers import nearest
from features.networks.base import Inputs, Network, require_images
from features.networks.renaming import with_timm_names
from features.networks.weights import PATH, Checkpoint, seed_untrained, weights_error

WEIGHTS, TAGGED = ("pretrained", "untrained", PATH), ("pretrained", PATH)


def architectures() -> list[str]:
    """List the names of architectures."""
    return timm.list_models()


def check(specification: Mapping[str, Any]) -> None:
    """Raise ValueError for an unknown tag, none, one of another activation, or no images."""
    require_images(specification)
    architecture, tag = specification["architecture"], specification.get("pretrained_tag")
    tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{architecture}.*")]
    if tag is not None and tag not in tags:
        raise ValueError(f"{architecture}: unknown pretrained_tag '{tag}'. {nearest(tag, tags)}")
    if specification["weights"] == "pretrained" and not tags:
        raise ValueError(
            f"{architecture}: timm has no pretrained weights of it; give the path of a checkpoint, "
            "or `weights: untrained` with a `seed`"
        )
    if specification["weights"] not in ("untrained", "none"):
        _check_activation(architecture, tag, tags, specification["weights"])


def _check_activation(architecture: str, tag: str | None, tags: list[str], weights: str) -> None:
    """Refuse weights of CLIP that timm marks as trained with another activation."""
    if "quickgelu" in architecture:
        return
    quick = [known for known in tags if _wants_quick_gelu(f"{architecture}.{known}")]
    if weights == "pretrained":
        # without a tag, timm's own choice
        chosen = timm.get_pretrained_cfg(architecture)
        tag = tag or (chosen.tag if chosen else None)
    other = architecture.replace("_clip_", "_clip_quickgelu_")
    if tag in quick:
        raise ValueError(
            f"{architecture}: the weights '{tag}' were trained with QuickGELU, this architecture "
            f"has GELU; use {other}"
        )
    if quick and tag is None:
        raise ValueError(
            f"{architecture}: {weights} does not say with which activation it was trained. Give "
            f"the `pretrained_tag` under which it was released; {', '.join(quick)} want {other}"
        )


def _wants_quick_gelu(name: str) -> bool:
    released = timm.get_pretrained_cfg(name)
    return any("quickgelu" in note.lower() for note in (released.notes if released else None) or ())


def load(
    specification: Mapping[str, Any], local: Path | None, device: torch.device, cache: Path | None
) -> Network:
    """See `features.networks.load_network`; `embedding` is what timm's classifier would see."""
    architecture, tag = specification["architecture"], specification.get("pretrained_tag")
    name = f"{architecture}.{tag}" if tag else architecture
    seed_untrained(specification)
    try:
        # what timm's models have in common is declared nowhere
        module: Any = timm.create_model(
            name,
            pretrained=specification["weights"] == "pretrained",
            cache_dir=cache,
        )
        if local:
            timm.models.load_checkpoint(module, str(local), filter_fn=with_timm_names)
    except Exception as error:
        raise weights_error(
            architecture, local or f"huggingface.co/timm/{name}", error, cache
        ) from error
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(module))
    loaded = module.pretrained_cfg
    checkpoint = None
    if specification["weights"] != "untrained":
        source = loaded.get("hf_hub_id") or loaded.get("url") or "timm"
        checkpoint = Checkpoint(f"huggingface.co/{source}", loaded.get("tag") or None)

    def forward(inputs: Inputs) -> dict[str, torch.Tensor]:
        activation = module.forward_features(inputs["image"])
        embedding = module.forward_head(activation, pre_logits=True)
        # complete pass, so that modules of the head can be taken too
        return {"embedding": embedding, "logits": module.forward_head(activation)}

    return Network(
        name=architecture,
        module=module,
        device=device,
        preprocess=lambda images: {"image": torch.stack([transform(i) for i in images])},
        preprocessing=str(transform),
        checkpoint=checkpoint,
        forward=forward,
        outputs=("embedding", "logits"),
    )
