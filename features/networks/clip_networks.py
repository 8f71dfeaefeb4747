"""CLIP and its relatives, from open_clip: either tower."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import open_clip
import torch
import transformers

from features.checkpoints import local_weights
from features.layers import nearest
from features.networks.base import MASK, Inputs, Network, require_texts
from features.networks.weights import PATH, Checkpoint, seed_untrained, weights_error

WEIGHTS, TAGGED = ("pretrained", "untrained", PATH), ("pretrained", PATH)

# the field's names for the towers' stages; where text towers have their blocks differs
BLOCKS = {
    "image": ("visual.transformer.resblocks",),
    "text": (
        "transformer.resblocks",
        "text.transformer.resblocks",
        "text.transformer.encoder.layer",
        "text.transformer.layers",
        "text.transformer.block",
    ),
}
STAGES = {
    "stem": "visual.avgpool",
    **{f"layer{i}": f"visual.layer{i}" for i in range(1, 5)},
    "attnpool": "visual.attnpool",
}
# what open_clip saves beside weights: the architecture, and the preprocessing of images
CONFIGURATION = "open_clip_config.json"
PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")


def architectures() -> list[str]:
    """List the names of architectures."""
    return open_clip.list_models()


def check(specification: Mapping[str, Any]) -> None:
    """Raise ValueError for weights of which the tag, the preprocessing or the activation is amiss.

    That is a tag unknown to open_clip, a file without a tag whose preprocessing and activation are
    not recorded beside it, or weights that were trained with another activation.
    """
    require_texts(specification)
    training = _training(specification)
    if training is None:
        return
    architecture = specification["architecture"]
    trained = training.get("quick_gelu", False)
    built = open_clip.get_model_config(architecture).get("quick_gelu", False)
    if trained != built:
        # the wrong activation gives plausible, wrong features
        base = architecture.removesuffix("-quickgelu")
        weights = specification.get("pretrained_tag") or specification["weights"]
        raise ValueError(
            f"{architecture}: the weights '{weights}' were trained with {_activation(trained)}, "
            f"this architecture has {_activation(built)}; use {base}{'-quickgelu' * trained}"
        )


def _activation(quick: bool) -> str:
    return "QuickGELU" if quick else "GELU"


def _training(specification: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Activation and preprocessing that weights were trained with; None of untrained weights."""
    architecture, weights = specification["architecture"], specification["weights"]
    if weights in ("untrained", "none"):
        return None
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    tag = _tag(specification) if weights == "pretrained" else specification.get("pretrained_tag")
    if tag is not None:
        if tag not in tags:
            raise ValueError(
                f"{architecture}: unknown pretrained_tag '{tag}'. {nearest(tag, tags)}"
            )
        return open_clip.get_pretrained_cfg(architecture, tag)
    # neither released weights nor none: a path
    local = cast(Path, local_weights(weights))
    beside = local.with_name(CONFIGURATION)
    if not beside.is_file():
        released = f" (one of {', '.join(tags)})" if tags else ""
        raise ValueError(
            f"{architecture}: {local} does not say which preprocessing and activation it was "
            f"trained with. Give the `pretrained_tag` under which it was released{released}, or "
            f"keep its {CONFIGURATION} beside it"
        )
    settings = json.loads(beside.read_text())
    quick = settings.get("model_cfg", {}).get("quick_gelu", False)
    return {**settings.get("preprocess_cfg", {}), "quick_gelu": quick}


def _tag(specification: Mapping[str, Any]) -> str:
    return specification.get("pretrained_tag") or "openai"


def load(
    specification: Mapping[str, Any], local: Path | None, device: torch.device, cache: Path | None
) -> Network:
    """See `features.networks.load_network`."""
    architecture = specification["architecture"]
    # whatever is read goes through the text tower
    tower = "image" if specification["stimulus"] == "image" else "text"
    try:
        module, transform = _build(specification, local, cache)
        if tower == "text":
            tokenizer = open_clip.get_tokenizer(architecture, cache_dir=cache and str(cache))
    except Exception as error:
        raise weights_error(architecture, _origin(specification, local), error, cache) from error
    common = {
        "name": architecture,
        "module": module,
        "device": device,
        "outputs": ("embedding",),
    }
    if specification["weights"] != "untrained":
        tag = specification.get("pretrained_tag") if local else _tag(specification)
        common["checkpoint"] = Checkpoint(str(_origin(specification, local)), tag)
    common["layer_names"] = _layer_names(module, tower)
    if tower == "text":
        return Network(
            **common, preprocessing=type(tokenizer).__name__, **_reading(module, tokenizer)
        )

    def forward(inputs: Inputs) -> dict[str, torch.Tensor]:
        return {"embedding": module.encode_image(inputs["image"])}

    return Network(
        **common,
        preprocess=lambda images: {"image": torch.stack([transform(i) for i in images])},
        preprocessing=str(transform),
        forward=forward,
    )


def _build(
    specification: Mapping[str, Any], local: Path | None, cache: Path | None
) -> tuple[open_clip.CLIP, Any]:
    """Load the network, and the preprocessing that its weights were trained with."""
    architecture = specification["architecture"]
    source = local and str(local)
    if specification["weights"] == "pretrained":
        source = _tag(specification)
    training = _training(specification) or {}
    options = {f"image_{key}": training[key] for key in PREPROCESSING if key in training}
    text = open_clip.get_model_config(architecture)["text_cfg"]
    if "hf_model_name" in text:
        # its settings alone: its own weights would make an untrained network half trained
        settings = transformers.utils.cached_file(
            text["hf_model_name"], "config.json", cache_dir=cache
        )
        folder = str(Path(cast(str, settings)).parent)
        options["text_cfg"] = {**text, "hf_model_name": folder, "hf_model_pretrained": False}
    seed_untrained(specification)
    module, _, transform = open_clip.create_model_and_transforms(
        architecture,
        pretrained=source,
        pretrained_text=False,
        cache_dir=cache and str(cache),
        **options,
    )
    return module, transform


def _origin(specification: Mapping[str, Any], local: Path | None) -> object:
    """Return the source of the weights; of untrained ones, that of the text tower's files."""
    architecture = specification["architecture"]
    if local is not None:
        return local
    if specification["weights"] == "pretrained":
        tag = _tag(specification)
        source = open_clip.get_pretrained_cfg(architecture, tag)
        return f"{tag} of {source.get('url') or 'huggingface.co/' + source.get('hf_hub', '')}"
    text = open_clip.get_model_config(architecture)["text_cfg"]
    return f"huggingface.co/{text.get('hf_model_name') or text.get('hf_tokenizer_name', '')}"


def _layer_names(module: torch.nn.Module, tower: str) -> dict[str, str]:
    """Return {common name of a layer: module} of a tower."""
    paths = dict(module.named_modules())
    named = {} if tower == "text" else {n: path for n, path in STAGES.items() if path in paths}
    for blocks in BLOCKS[tower]:
        children = paths[blocks].named_children() if blocks in paths else ()
        named |= {f"block_{number}": f"{blocks}.{number}" for number, _ in children}
    return named


def _reading(module: open_clip.CLIP, tokenizer: Any) -> dict[str, Any]:
    """Return the reader of captions for a `Network`."""
    from_hub = isinstance(tokenizer, open_clip.tokenizer.HFTokenizer)
    # CoCa puts a class token behind the text, which is what it projects
    appends = getattr(getattr(module, "text", None), "cls_emb", None) is not None
    # padding follows the end of text, where nothing before it can attend to it: it is left out,
    # since captions fill a fifth of the context, and time is proportional to it
    causal = type(module) is open_clip.CLIP and module.attn_mask is not None
    encode = _encode_to_the_end_of_text(module) if causal else module.encode_text

    def preprocess(captions: Sequence[str]) -> Inputs:
        tokens = tokenizer(list(captions))
        if from_hub:
            mask = _hub_mask(tokenizer, captions, tokens)
        else:
            # the end of text has the largest number; what follows is padding
            mask = torch.arange(tokens.shape[1]) <= tokens.argmax(dim=1, keepdim=True)
        if appends:
            mask = torch.nn.functional.pad(mask, (0, 1), value=True)
        if causal:
            longest = int(mask.sum(dim=1).max())
            tokens, mask = tokens[:, :longest], mask[:, :longest]
        return {"text": tokens, MASK: mask}

    def length(caption: str) -> int:
        if from_hub:
            return len(tokenizer.tokenizer(tokenizer.clean_fn(caption), verbose=False)["input_ids"])
        # start and end of text take two tokens
        return len(tokenizer.encode(caption)) + 2

    return {
        "preprocess": preprocess,
        "forward": lambda inputs: {"embedding": encode(inputs["text"])},
        "caption_length": length,
        "context_length": tokenizer.context_length,
    }


class _TextTower(torch.nn.Module):
    """CLIP's text tower as the forward pass of a module."""

    def __init__(self, clip: open_clip.CLIP) -> None:
        super().__init__()
        self.clip = clip

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        return self.clip.encode_text(text)


def _encode_to_the_end_of_text(module: open_clip.CLIP) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the `encode_text` of a causal text tower for fewer tokens than its context."""
    tower = _TextTower(module)

    def encode(text: torch.Tensor) -> torch.Tensor:
        n = text.shape[1]
        shortened = {
            "clip.positional_embedding": module.positional_embedding[:n],
            "clip.attn_mask": module.attn_mask[:n, :n],
        }
        return torch.func.functional_call(tower, shortened, (text,))

    return encode


def _hub_mask(tokenizer: Any, captions: Sequence[str], tokens: torch.Tensor) -> torch.Tensor:
    """Find tokens of a Hugging Face tokenizer that are no padding; open_clip names none."""
    mask = tokenizer.tokenizer(
        [tokenizer.clean_fn(caption) for caption in captions],
        max_length=tokenizer.context_length,
        padding="max_length",
        truncation=True,
        return_attention_mask=True,
        return_tensors="pt",
    )[MASK].bool()
    # CLIPA overwrites the end of text with padding
    return mask & (tokens != 0) if tokenizer.strip_sep_token else mask
