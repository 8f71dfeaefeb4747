"""CLIP and its relatives, from open_clip: either tower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch

from features.layers import nearest
from features.networks.base import MASK, Inputs, Network, require_texts
from features.networks.weights import PATH, Checkpoint, seed_untrained, weights_error

WEIGHTS, TAGGED = ("pretrained", "untrained", PATH), ("pretrained", PATH)
# the field's names for the towers' stages
LAYER_NAMES = {
    "image": {
        **{f"block_{i}": f"visual.transformer.resblocks.{i}" for i in range(48)},
        "stem": "visual.avgpool",
        **{f"layer{i}": f"visual.layer{i}" for i in range(1, 5)},
        "attnpool": "visual.attnpool",
    },
    "text": {f"block_{i}": f"transformer.resblocks.{i}" for i in range(48)},
}


def architectures() -> list[str]:
    return open_clip.list_models()


def check(specification: Mapping[str, Any]) -> None:
    """Raise ValueError for an unknown tag, or one that was trained with another activation."""
    require_texts(specification)
    if specification["weights"] != "pretrained":
        return
    architecture, tag = specification["architecture"], _tag(specification)
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tag not in tags:
        raise ValueError(f"{architecture}: unknown pretrained_tag '{tag}'. {nearest(tag, tags)}")
    trained = open_clip.get_pretrained_cfg(architecture, tag).get("quick_gelu", False)
    built = open_clip.get_model_config(architecture).get("quick_gelu", False)
    if trained != built:
        # the wrong activation gives plausible, wrong features
        base = architecture.removesuffix("-quickgelu")
        raise ValueError(
            f"{architecture}: the weights '{tag}' were trained with {_activation(trained)}, this "
            f"architecture has {_activation(built)}; use {base}{'-quickgelu' if trained else ''}"
        )


def _activation(quick: bool) -> str:
    return "QuickGELU" if quick else "GELU"


def _tag(specification: Mapping[str, Any]) -> str:
    return specification.get("pretrained_tag") or "openai"


def _origin(architecture: str, tag: str | None) -> str:
    place = open_clip.get_pretrained_cfg(architecture, tag) if tag else {}
    return f"{tag} of {place.get('url') or 'huggingface.co/' + place.get('hf_hub', '')}"


def load(
    specification: Mapping[str, Any], local: Path | None, device: torch.device, cache: Path | None
) -> Network:
    """See `features.networks.load_network`."""
    architecture, stimulus = specification["architecture"], specification["stimulus"]
    source = local and str(local)
    if specification["weights"] == "pretrained":
        source = _tag(specification)
    seed_untrained(specification)
    try:
        module, _, transform = open_clip.create_model_and_transforms(
            architecture, pretrained=source, cache_dir=cache and str(cache)
        )
    except Exception as error:
        origin = _origin(architecture, source) if local is None else local
        raise weights_error(architecture, origin, error, cache) from error
    checkpoint = None
    if source is not None:
        told = (str(local),) if local else (_origin(architecture, source), source)
        checkpoint = Checkpoint(*told)
    # whatever is read goes through the text tower
    tower = "image" if stimulus == "image" else "text"
    paths = dict(module.named_modules())
    names = {name: path for name, path in LAYER_NAMES[tower].items() if path in paths}
    if tower == "image":

        def forward(inputs: Inputs) -> dict[str, torch.Tensor]:
            return {"embedding": module.encode_image(inputs["image"])}

        return Network(
            name=architecture,
            module=module,
            device=device,
            preprocess=lambda images: {"image": torch.stack([transform(i) for i in images])},
            preprocessing=str(transform),
            checkpoint=checkpoint,
            forward=forward,
            outputs=("embedding",),
            layer_names=names,
        )
    tokenizer = open_clip.get_tokenizer(architecture)

    def preprocess(captions: Sequence[str]) -> Inputs:
        tokens = tokenizer(list(captions))
        # the end of text has the largest number; what follows is padding
        ends = tokens.argmax(dim=1, keepdim=True)
        return {"text": tokens, MASK: torch.arange(tokens.shape[1]) <= ends}

    return Network(
        name=architecture,
        module=module,
        device=device,
        preprocess=preprocess,
        preprocessing=type(tokenizer).__name__,
        checkpoint=checkpoint,
        forward=lambda inputs: {"embedding": module.encode_text(inputs["text"])},
        outputs=("embedding",),
        layer_names=names,
        # start and end of text take two places
        caption_length=lambda caption: len(tokenizer.encode(caption)) + 2,
        context_length=tokenizer.context_length,
    )
