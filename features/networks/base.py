"""A network ready to be run, whatever library it is from."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

from features.checkpoints import GIVEN, NOTHING_TO_TRAIN, PRETRAINED, UNTRAINED
from features.layers import Layer, nearest
from features.networks.weights import Checkpoint
from features.pooling import pool

logger = logging.getLogger(__name__)

Inputs = dict[str, torch.Tensor]
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
# stimuli that are numbers already
NUMBERS = ("categories", "supercategories", "identity")
# names of modules that are activation functions
ACTIVATION = re.compile(r"(lu6?|swish|sigmoid|tanh|mish|activation)$", re.IGNORECASE)
# says which positions of a sequence are tokens and which are padding
MASK = "attention_mask"


@dataclass
class Network:
    """A network ready to be run.

    Attributes
    ----------
    name : for messages
    module : in evaluation mode, float32, on `device`
    preprocess : list of stimuli -> inputs (dict of tensors, stimuli first), the network's own
    forward : inputs -> {output name: tensor}, e.g. {"embedding": (n, feature)}
    outputs : the names of the outputs
    layer_names : the field's names for module paths
    caption_length : caption -> number of tokens, for networks that read
    context_length : the longest caption it can read, in tokens; None where nothing limits it
    precision : "float32", or "bfloat16" or "float16" by autocast
    checkpoint : what its weights were loaded from; None if from nothing
    seed : that its weights were drawn with; None if they were not
    preprocessing : what `preprocess` does, in words
    architecture : its library's name of it
    """

    name: str
    module: torch.nn.Module
    preprocess: Callable[[Sequence[Any]], Inputs]
    forward: Callable[[Inputs], Mapping[str, torch.Tensor]]
    device: torch.device
    outputs: tuple[str, ...] = ()
    layer_names: Mapping[str, str] = field(default_factory=dict)
    caption_length: Callable[[str], int] | None = None
    context_length: int | None = None
    precision: str = "float32"
    checkpoint: Checkpoint | None = None
    seed: int | None = None
    preprocessing: str = ""
    architecture: str = ""

    def __post_init__(self) -> None:
        self.architecture = self.architecture or self.name
        # the empty path is the module itself
        paths = {path: module for path, module in self.module.named_modules() if path}
        named = {name: paths[path] for name, path in self.layer_names.items() if path in paths}
        self._modules = {**paths, **named}

    def expand(self, layers: Iterable[Layer]) -> list[Layer]:
        """Return the layers that match names and patterns, each once.

        Raises
        ------
        ValueError
            The network has no such layer; the message lists near names.
        """
        known = list(dict.fromkeys([*self.outputs, *self.layer_names, *self._modules]))
        found: dict[Layer, None] = {}
        for layer in layers:
            matched = layer.matching(Layer(name, layer.pooling) for name in known)
            if not matched:
                near = nearest(layer.name, known)
                raise ValueError(
                    f"unknown layer '{layer.name}' (`layer` of a feature space). {near}"
                )
            found |= dict.fromkeys(matched)
        return list(found)

    @property
    def known_stimuli(self) -> np.ndarray | None:
        """The only stimuli of which it has features; None if it computes those of any."""
        return None

    def describe(self, output: str) -> str:
        """Describe an output."""
        return "output"

    def run(self, inputs: Inputs, layers: Sequence[Layer]) -> dict[Layer, np.ndarray]:
        """Features (stimulus, feature) float32 of several layers in one pass.

        On a GPU whose memory does not suffice, the stimuli go in halves, and halves of those.

        Parameters
        ----------
        inputs : from `preprocess`
        layers : outputs or modules, and how they are pooled; no patterns (see `expand`)

        Raises
        ------
        ValueError
            Unknown layer or pooling, or features that are not finite.
        """
        try:
            found = self._pass(inputs, layers)
        except torch.OutOfMemoryError:
            parts = [self.run(half, layers) for half in self._halves(inputs)]
            return {layer: np.concatenate([part[layer] for part in parts]) for layer in layers}
        for layer, features in found.items():
            if not np.isfinite(features).all():
                raise ValueError(
                    f"{self.name}, layer {layer.name}: the features hold NaN or infinite values"
                )
        return found

    def fits(self, inputs: Inputs, layers: Sequence[Layer]) -> bool:
        """Test whether the device has the memory for these inputs in one pass."""
        try:
            self._pass(inputs, layers)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            return False
        return True

    def _pass(self, inputs: Inputs, layers: Sequence[Layer]) -> dict[Layer, np.ndarray]:
        with torch.inference_mode():
            found = self.tensors(inputs, layers)
        return {layer: features.cpu().numpy() for layer, features in found.items()}

    def tensors(self, inputs: Inputs, layers: Sequence[Layer]) -> dict[Layer, torch.Tensor]:
        """Features (stimulus, feature) float32 as tensors on the device, which carry gradients.

        Parameters and errors are those of `run`; neither memory nor finite values are checked.
        """
        captured: dict[Layer, torch.Tensor] = {}
        with self._autocast(), ExitStack() as hooks:
            moved = {key: self._move(value) for key, value in inputs.items()}
            n_stimuli = len(next(iter(moved.values())))

            def keep(layer: Layer, *hooked: Any) -> None:
                activation = _first_tensor(hooked[-1])
                if activation.ndim < 2 or len(activation) != n_stimuli:
                    raise ValueError(
                        f"{self.name}: layer '{layer.name}' gives {tuple(activation.shape)} for "
                        f"{n_stimuli} stimuli: not a row each. Take a layer further out"
                    )
                # pooled at once: complete layers of a batch would not fit
                captured[layer] = pool(activation, layer.pooling, moved.get(MASK))

            for layer in layers:
                if layer.name in self._modules:
                    hook = self._modules[layer.name].register_forward_hook(partial(keep, layer))
                    hooks.callback(hook.remove)
            outputs = self.forward(moved)
            for layer in layers:
                if layer not in captured:
                    if layer.name not in outputs:
                        raise ValueError(
                            f"{self.name}: layer '{layer.name}' took no part in the forward pass"
                        )
                    keep(layer, outputs[layer.name])
        return {layer: captured[layer].float() for layer in layers}

    @property
    def weights_state(self) -> str:
        """State of the weights: pretrained, untrained, nothing to train, or given as features.

        Raises
        ------
        ValueError
            It has parameters that neither a checkpoint nor a seed decided.
        """
        if next(self.module.parameters(), None) is None:
            return NOTHING_TO_TRAIN
        if self.checkpoint is not None:
            return PRETRAINED
        if self.seed is None:
            raise ValueError(f"{self.name}: its weights are neither loaded nor drawn with a seed")
        return UNTRAINED

    def identity(self) -> dict[str, Any]:
        """Describe what was loaded, for results: equal descriptions mean equal networks."""
        state, digest = self.weights_state, self.weights_hash()
        label = state
        if state in (PRETRAINED, GIVEN) and self.checkpoint is not None:
            label = f"{state} ({self.checkpoint.name}, sha256 {digest[:12]})"
        elif state == UNTRAINED:
            label = f"{state} (seed {self.seed})"
        return {
            "architecture": self.architecture,
            "weights": state,
            "weights_label": label,
            "weights_sha256": digest,
            "checkpoint": None if self.checkpoint is None else asdict(self.checkpoint),
            "preprocessing": self.preprocessing,
            "activations": sorted(
                {
                    type(module).__name__
                    for module in self.module.modules()
                    if ACTIVATION.search(type(module).__name__)
                }
            ),
        }

    def weights_hash(self) -> str:
        """SHA-256 of all parameters and buffers, in their order."""
        digest = hashlib.sha256()
        for name, tensor in self.module.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @contextmanager
    def _autocast(self) -> Iterator[None]:
        dtype = PRECISIONS[self.precision]
        with torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None):
            yield

    def _halves(self, inputs: Inputs) -> list[Inputs]:
        n = len(next(iter(inputs.values())))
        if n == 1:
            raise ValueError(f"{self.name}: the device has not the memory for one stimulus")
        torch.cuda.empty_cache()
        logger.warning("%s: %d stimuli do not fit the device; going on in halves", self.name, n)
        middle = n // 2
        return [
            {key: value[part] for key, value in inputs.items()}
            for part in (slice(middle), slice(middle, None))
        ]

    def _move(self, value: torch.Tensor) -> torch.Tensor:
        # channels last: convolutions run faster
        layout = torch.channels_last if value.ndim == 4 else torch.preserve_format
        return value.to(self.device, memory_format=layout, non_blocking=True)


def _first_tensor(output: Any) -> torch.Tensor:
    return output if isinstance(output, torch.Tensor) else _first_tensor(output[0])


def require_texts(specification: Mapping[str, Any]) -> None:
    """Raise ValueError if a network that reads is to be given numbers."""
    if specification["stimulus"] in NUMBERS:
        raise ValueError(
            f"{specification['architecture']}: {specification['library']}'s networks see images or "
            f"read texts; {specification['stimulus']} are numbers, which `library: vectors` takes"
        )


def require_images(specification: Mapping[str, Any]) -> None:
    """Raise ValueError if a network that only sees is to read."""
    if specification["stimulus"] != "image":
        raise ValueError(
            f"{specification['architecture']}: {specification['library']}'s networks see images, "
            f"not {specification['stimulus']}"
        )
