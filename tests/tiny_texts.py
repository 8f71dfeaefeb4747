"""Tokenizers and networks that read, small enough to be made in a test."""

from __future__ import annotations

from pathlib import Path

import tokenizers
import torch
import transformers

WORDS = "a brown dog runs in the green meadow two cats sit on an old wooden chair near big window"
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
CAPTIONS = (
    "a dog",
    "two cats sit on an old wooden chair near the big window",
    "the brown dog runs in the green meadow",
    "a cats",
)
HEADS = {
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
}
BART = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, **HEADS}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4}
# what a tiny network needs besides `COMMON`
NETWORKS = {
    "bert": {},
    "roberta": {},
    "mpnet": {},
    "deberta-v2": {},
    "xlnet": {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64},
    # these read their padding in spite of a mask
    "fnet": {},
    "convbert": {"embedding_size": 16, "head_ratio": 2},
    "gpt2": GPT,
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "llama": {"num_key_value_heads": 2},
    "bloom": {"n_layer": 2, "n_head": 4},
    "mamba": {"state_size": 8},
    "t5": {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4},
    "bart": BART,
    "pegasus": BART,
    "clip": {},
    "siglip": {},
}
COMMON = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 64,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}


def save_tokenizer(
    folder: Path,
    special: tuple[str, ...] = SPECIAL,
    template: str | None = "<s> $A </s>",
    **options: object,
) -> transformers.PreTrainedTokenizerFast:
    """A tokenizer of words.

    Parameters
    ----------
    special : tokens with a meaning, which have the first numbers
    template : what a text `$A` becomes
    options : of transformers' tokenizer, e.g. `padding_side`
    """
    numbers = {token: i for i, token in enumerate((*special, *WORDS.split()))}
    unknown = "<unk>" if "<unk>" in special else WORDS.split()[0]
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, unk_token=unknown))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    if template:
        around = [(token, numbers[token]) for token in template.split() if token in special]
        words.post_processor = tokenizers.processors.TemplateProcessing(
            single=template, special_tokens=around
        )
    roles = {"bos": "<s>", "cls": "<s>", "pad": "<pad>", "eos": "</s>", "sep": "</s>"}
    named = {f"{role}_token": token for role, token in roles.items() if token in special}
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token=unknown, **{**named, **options}
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def save_network(folder: Path, kind: str, **settings: object) -> torch.nn.Module:
    """A network of random weights; see `NETWORKS`."""
    settings = {**COMMON, **NETWORKS[kind], **settings}
    if kind in ("clip", "siglip"):
        image = {**COMMON, "image_size": 32, "patch_size": 16}
        text = {**settings, "max_position_embeddings": 16}
        settings = {"text_config": text, "vision_config": image}
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(kind, **settings))
    model.eval().save_pretrained(folder)
    return model
