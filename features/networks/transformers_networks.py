"""Networks of Hugging Face's transformers: those that read, and those that see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from features.networks.base import Inputs, Network, require_texts
from features.networks.weights import PATH, Checkpoint, seed_untrained, weights_error

WEIGHTS, TAGGED = ("pretrained", "untrained", PATH), ()


def architectures() -> None:
    """transformers has no list: a name is a folder or a repository of its hub."""


def check(specification: Mapping[str, Any]) -> None:
    """Raise ValueError for numbers; nothing else is known before the files are read."""
    require_texts(specification)


def load(
    specification: Mapping[str, Any], local: Path | None, device: torch.device, cache: Path | None
) -> Network:
    """See `features.networks.load_network`; outputs are last_hidden_state and hidden_states.N."""
    architecture = specification["architecture"]
    source = architecture if local is None else str(local)
    reads = specification["stimulus"] != "image"
    prepare = transformers.AutoTokenizer if reads else transformers.AutoImageProcessor
    options = {"cache_dir": cache}
    try:
        processor = prepare.from_pretrained(source, **options)
        if specification["weights"] == "untrained":
            settings = transformers.AutoConfig.from_pretrained(source, **options)
            seed_untrained(specification)
            module = transformers.AutoModel.from_config(settings)
        else:
            module = transformers.AutoModel.from_pretrained(source, dtype=torch.float32, **options)
    except Exception as error:
        raise weights_error(
            architecture, local or f"huggingface.co/{source}", error, cache
        ) from error

    def forward(inputs: Inputs) -> dict[str, torch.Tensor]:
        output = module(**inputs, output_hidden_states=True)
        states = {f"hidden_states.{i}": state for i, state in enumerate(output.hidden_states)}
        return {"last_hidden_state": output.last_hidden_state, **states}

    checkpoint = None
    if specification["weights"] != "untrained":
        commit = getattr(module.config, "_commit_hash", None)
        checkpoint = Checkpoint(f"huggingface.co/{source}" + (f"@{commit}" if commit else ""))
    n_layers = getattr(module.config, "num_hidden_layers", 0)
    common = {
        "name": architecture,
        "architecture": type(module).__name__,
        "checkpoint": checkpoint,
        "preprocessing": type(processor).__name__,
        "module": module,
        "device": device,
        "forward": forward,
        "outputs": (
            "last_hidden_state",
            *(f"hidden_states.{layer}" for layer in range(n_layers + 1)),
        ),
    }
    if not reads:
        return Network(
            **common, preprocess=lambda images: dict(processor(list(images), return_tensors="pt"))
        )
    limit = min(processor.model_max_length, module.config.max_position_embeddings)

    def preprocess(captions: Sequence[str]) -> Inputs:
        options = {"padding": True, "truncation": True, "max_length": limit}
        return dict(processor(list(captions), return_tensors="pt", **options))

    return Network(
        **common,
        preprocess=preprocess,
        caption_length=lambda caption: len(processor(caption, verbose=False)["input_ids"]),
        context_length=limit,
    )
