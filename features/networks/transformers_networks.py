"""Networks of Hugging Face's transformers: those that read, and those that see."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.tokenization_utils_base import VERY_LARGE_INTEGER

from features.networks.base import MASK, Inputs, Network, require_texts
from features.networks.weights import PATH, Checkpoint, seed_untrained, weights_error

WEIGHTS, TAGGED = ("pretrained", "untrained", PATH), ()


def architectures() -> None:
    """List no names: an architecture is a folder or a repository of the hub."""


def check(specification: Mapping[str, Any]) -> None:
    """Raise ValueError for numbers; nothing else is known before the files are read."""
    require_texts(specification)


def load(
    specification: Mapping[str, Any], local: Path | None, device: torch.device, cache: Path | None
) -> Network:
    """See `features.networks.load_network`; outputs are last_hidden_state and hidden_states.N.

    Of a network with an encoder and a decoder (T5, BART) the encoder reads, and of one with two
    towers (CLIP) the tower that the stimulus asks for is run.
    """
    reads = specification["stimulus"] != "image"
    processor, complete, lacking = _load_files(specification, local, cache)
    module: Any = getattr(complete, "text_model" if reads else "vision_model", complete)
    config = module.config
    if reads and config.is_encoder_decoder:
        module = module.get_encoder()
    _refuse_random_weights(specification["architecture"], complete, module, lacking)
    if reads:
        # of those that also see
        config = config.get_text_config()
    n_layers = getattr(config, "num_hidden_layers", 0)
    states = tuple(f"hidden_states.{layer}" for layer in range(n_layers + 1))
    taken = set(processor.model_input_names) & set(inspect.signature(module.forward).parameters)

    def forward(inputs: Inputs) -> dict[str, torch.Tensor]:
        given = {name: value for name, value in inputs.items() if name in taken}
        output = module(**given, output_hidden_states=True)
        named = {f"hidden_states.{i}": state for i, state in enumerate(output.hidden_states)}
        return {"last_hidden_state": output.last_hidden_state, **named}

    checkpoint = None
    if specification["weights"] != "untrained":
        commit = getattr(complete.config, "_commit_hash", None)
        source = f"huggingface.co/{specification['architecture']}"
        checkpoint = Checkpoint(source + (f"@{commit}" if commit else ""))
    return Network(
        name=specification["architecture"],
        architecture=type(module).__name__,
        checkpoint=checkpoint,
        preprocessing=type(processor).__name__,
        module=module,
        device=device,
        forward=forward,
        outputs=("last_hidden_state", *states),
        **(_reading(processor, module, config) if reads else {"preprocess": _seeing(processor)}),
    )


def _load_files(
    specification: Mapping[str, Any], local: Path | None, cache: Path | None
) -> tuple[Any, torch.nn.Module, set[str]]:
    """Load the tokenizer or image processor, the network, and names of missing weights."""
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
            return processor, transformers.AutoModel.from_config(settings), set()
        module, found = transformers.AutoModel.from_pretrained(
            source, dtype=torch.float32, output_loading_info=True, **options
        )
        return processor, module, set(found["missing_keys"])
    except Exception as error:
        raise weights_error(
            architecture, local or f"huggingface.co/{source}", error, cache
        ) from error


def _refuse_random_weights(
    architecture: str, complete: torch.nn.Module, part: torch.nn.Module, lacking: set[str]
) -> None:
    """Weights that a checkpoint lacks were drawn by chance; transformers only logs it."""
    run = {id(weight) for weight in part.state_dict(keep_vars=True).values()}
    weights = complete.state_dict(keep_vars=True)
    drawn = {name: weights[name] for name in lacking if id(weights.get(name)) in run}
    # checkpoints of language models have no pooler, and no output depends on it
    needed = sorted(name for name in drawn if "pooler" not in name)
    if needed:
        raise ValueError(
            f"{architecture}: the checkpoint lacks {len(needed)} weights of the network, of which "
            f"the first is {needed[0]}; they would be random. Give a checkpoint that fits, or "
            "`weights: untrained` with a seed"
        )
    for weight in drawn.values():
        # a layer that does depend on it has no features
        torch.nn.init.constant_(weight, torch.nan)


def _seeing(processor: Any) -> Callable[[Sequence[Any]], Inputs]:
    return lambda images: dict(processor(list(images), return_tensors="pt"))


def _reading(tokenizer: Any, module: torch.nn.Module, config: Any) -> dict[str, Any]:
    """Return the reader of captions for a `Network`."""
    limit = _context_length(tokenizer, module, config)
    if tokenizer.pad_token is None:
        # padding is masked, so that any token serves
        known = tokenizer.eos_token, tokenizer.unk_token, tokenizer.convert_ids_to_tokens(0)
        tokenizer.pad_token = next(token for token in known if token is not None)
    # a network whose tokenizer gives no mask (SigLIP) was trained to read its padding, all of it
    reads_padding = MASK not in tokenizer.model_input_names and limit is not None

    def preprocess(captions: Sequence[str]) -> Inputs:
        return dict(
            tokenizer(
                list(captions),
                truncation=limit is not None,
                max_length=limit,
                padding="max_length" if reads_padding else True,
                # whatever the tokenizer's own side is: tokens keep their positions, and a network
                # that reads from left to right meets no padding before them
                padding_side="right",
                return_attention_mask=True,
                return_tensors="pt",
            )
        )

    return {
        "preprocess": preprocess,
        "caption_length": lambda caption: len(tokenizer(caption, verbose=False)["input_ids"]),
        "context_length": limit,
    }


def _context_length(tokenizer: Any, module: torch.nn.Module, config: Any) -> int | None:
    """Return the largest number of tokens; None without a limit."""
    limits = [tokenizer.model_max_length, getattr(config, "max_position_embeddings", None) or 0]
    for name, part in module.named_modules():
        if "position" in name and isinstance(part, torch.nn.Embedding):
            # RoBERTa, MPNet and others count positions from the one behind padding's
            first = 0 if part.padding_idx is None else part.padding_idx + 1
            limits.append(part.num_embeddings - first)
    return min((limit for limit in limits if 0 < limit < VERY_LARGE_INTEGER), default=None)
