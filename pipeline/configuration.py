"""What the user declares, checked whole before anything runs.

Each `config/*.yaml` is complete in itself. The pydantic models below are the schema: an unknown
key, a wrong type or a name that nothing declares ends in one message that names the key.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from pydantic import Field, ValidationError, model_validator

from pipeline.catalogue import read_catalogue, with_catalogue
from pipeline.errors import InputError
from pipeline.settings import (
    ANNOTATIONS,
    MAPPED_FROM,
    Betas,
    MapSpace,
    Name,
    Settings,
    Space,
    Stimulus,
    Subject,
)
from pipeline.simulation.settings import SimulationSettings


class NetworkSettings(Settings):
    """One network; it is run once over the stimuli for all layers that are taken from it.

    `layers` ("fc7", "block_*:cls") are those that are kept, by default those that the feature
    spaces name.
    """

    library: Literal[
        "open_clip", "torchvision", "timm", "transformers", "slip", "low_level", "vectors"
    ]
    architecture: str
    stimulus: Stimulus
    weights: str = "pretrained"
    pretrained_tag: str | None = None
    seed: int | None = None
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    batch_size: int | None = Field(default=None, ge=1)
    layers: list[str] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _seed_belongs_to_untrained(self) -> NetworkSettings:
        if (self.weights == "untrained") != (self.seed is not None):
            raise ValueError("`seed` is needed with `weights: untrained`, and only there")
        return self


class PrincipalComponents(Settings):
    """Principal components of a subject's training images: a number of them, or below 1 the share
    of the variance that they explain."""

    method: Literal["pca"]
    components: float = Field(gt=0)
    whiten: bool = False
    seed: int = 0

    @model_validator(mode="after")
    def _number_or_share(self) -> PrincipalComponents:
        if self.components >= 1 and not self.components.is_integer():
            raise ValueError("`components` is a whole number, or a share below 1")
        return self


class RandomProjection(Settings):
    """A sparse random projection, which needs no training images."""

    method: Literal["random_projection"]
    components: int = Field(ge=1)
    seed: int = 0


class FeatureSpaceSettings(Settings):
    """A matrix (image × feature): a layer of a network, pooled and reduced."""

    network: str
    layer: str
    pooling: str | None = None
    reduction: Annotated[
        PrincipalComponents | RandomProjection | None, Field(discriminator="method")
    ] = None

    @property
    def taken(self) -> str:
        """What is taken from the network, as `features.layers.Layer` writes it."""
        return self.layer if self.pooling is None else f"{self.layer}:{self.pooling}"

    @property
    def is_fitted(self) -> bool:
        """Whether a subject's training images decide it."""
        return isinstance(self.reduction, PrincipalComponents)


class ExtractionSettings(Settings):
    """In how many parts the images go through a network; a job that is killed loses one."""

    shards: int = Field(default=1, ge=1)


class ResponseSettings(Settings):
    """Which betas, what they are scaled by before repeats are averaged, and their ncsnr."""

    space: Space
    betas: Betas
    mask: Literal["nsdgeneral", "cortex"]
    zscore_within: Literal["session", "run"] = "session"
    zscore_trials: Literal["all", "training"] = "all"
    ncsnr: Literal["released", "recomputed"] = "released"


class SplitSettings(Settings):
    """Which images test: those that all subjects were to see (shared1000), those that all saw three
    times (shared515), a random `share` of each subject's, or whole `clusters` of images that are
    alike in a feature `space`, which then validate together too."""

    test: Literal["shared1000", "shared515", "random", "clusters"] = "shared1000"
    share: float = Field(default=0.15, gt=0, lt=1)
    space: str | None = None
    clusters: int = Field(default=100, ge=3)
    folds: int = Field(ge=2)
    seed: int

    @model_validator(mode="after")
    def _space_belongs_to_clusters(self) -> SplitSettings:
        if (self.test == "clusters") != (self.space is not None):
            raise ValueError("`space` is needed with `test: clusters`, and only there")
        return self


class AlphaGrid(Settings):
    """Ridge penalties, evenly spaced on a log scale from `minimum` to `maximum`."""

    minimum: float = Field(gt=0)
    maximum: float = Field(gt=0)
    number: int = Field(ge=1)

    def values(self) -> np.ndarray:
        return np.logspace(np.log10(self.minimum), np.log10(self.maximum), self.number)

    @model_validator(mode="after")
    def _ordered(self) -> AlphaGrid:
        if self.maximum < self.minimum:
            raise ValueError("`maximum` is below `minimum`")
        return self


class EncodingSettings(Settings):
    """What is searched, and how: see `encoding.banded_ridge.Options`."""

    alphas: AlphaGrid
    band_weight_samples: int = Field(ge=1)
    seed: int
    solver: Literal["own", "himalaya"] = "own"
    search: Literal["exact", "windowed", "gcv"] = "windowed"
    backend: Literal["numpy", "torch", "torch_cuda"] = "numpy"
    memory_gb: float = Field(default=8, gt=0)
    missing_images: Literal["available", "exclude"] = "exclude"

    @model_validator(mode="after")
    def _himalaya_searches_exactly(self) -> EncodingSettings:
        if self.solver == "himalaya" and (self.search, self.missing_images) != ("exact", "exclude"):
            raise ValueError(
                "`solver: himalaya` goes with `search: exact` and `missing_images: exclude`"
            )
        return self


class SignificanceSettings(Settings):
    """How often test images are drawn anew for intervals, and permuted for tests.

    `resample: clusters` draws, and flips, the split's clusters of images as wholes.
    """

    draws: int = Field(default=2000, ge=100)
    permutations: int = Field(default=1000, ge=99)
    level: float = Field(default=0.95, gt=0, lt=1)
    resample: Literal["images", "clusters"] = "images"
    seed: int = 0


class MapSettings(Settings):
    """Spaces of the maps besides that of the responses, which always has them: nativesurface,
    fsaverage, MNI152."""

    spaces: list[MapSpace] = Field(default=[])


class Configuration(Settings):
    """A whole study."""

    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    nsd: Path
    nsd_terms_accepted: bool = False
    stimulus_set: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    subjects: list[Subject] = Field(min_length=1)
    responses: ResponseSettings
    networks: dict[Name, NetworkSettings]
    feature_spaces: dict[Name, FeatureSpaceSettings]
    extraction: ExtractionSettings = ExtractionSettings()
    splits: SplitSettings
    encoding: EncodingSettings
    significance: SignificanceSettings = SignificanceSettings()
    maps: MapSettings = MapSettings()
    models: list[str] = Field(min_length=1)
    contrasts: dict[Name, list[str]]
    rois: list[str]
    simulation: SimulationSettings | None = None

    @model_validator(mode="after")
    def _names_are_declared(self) -> Configuration:
        _unique("subjects", self.subjects)
        for name, space in self.feature_spaces.items():
            _declared(f"feature_spaces.{name}.network", [space.network], self.networks)
            _kept(f"networks.{space.network}.layers", space.taken, self.networks[space.network])
        for key, spaces in {"models": self.models, **_prefixed(self.contrasts)}.items():
            _declared(key, spaces, self.feature_spaces, read_catalogue()["feature_spaces"])
            _unique(key, spaces)
        self._split_can_be_made()
        self._maps_can_be_made()
        for key, spaces in _prefixed(self.contrasts).items():
            if not 2 <= len(spaces) <= 4:
                raise ValueError(f"{key}: a contrast has 2 to 4 feature spaces")
            if key.removeprefix("contrasts.") in self.feature_spaces:
                raise ValueError(f"{key}: a contrast cannot have a feature space's name")
        if self.simulation is not None:
            _declared("subjects", self.subjects, self.simulation.subjects)
            _declared("responses.space", [self.responses.space], self.simulation.spaces)
            _declared("responses.betas", [self.responses.betas], [self.simulation.betas])
        return self

    def _split_can_be_made(self) -> None:
        test, space = self.splits.test, self.splits.space
        if space is not None:
            _declared("splits.space", [space], self.feature_spaces)
            if self.feature_spaces[space].is_fitted:
                raise ValueError(
                    "splits.space: principal components are fitted on training images, which this "
                    "space is to choose; take it without `reduction`"
                )
        if self.significance.resample == "clusters" and test != "clusters":
            raise ValueError(
                "significance.resample: `clusters` are made with `splits.test: clusters` only"
            )
        if self.responses.zscore_trials == "training" and not test.startswith("shared"):
            raise ValueError(
                f"responses.zscore_trials: `training` is known for shared test images only, not "
                f"with `splits.test: {test}`; choose `all`"
            )

    def _maps_can_be_made(self) -> None:
        _unique("maps.spaces", self.maps.spaces)
        own = self.responses.space
        reached = [own, *MAPPED_FROM[own]]
        for space in self.maps.spaces:
            if space not in reached:
                raise ValueError(
                    f"maps.spaces: no transform of NSD leads from {own} (`responses.space`) to "
                    f"{space}; choose among {', '.join(reached)}"
                )

    @property
    def map_spaces(self) -> list[MapSpace]:
        """Spaces in which maps are written, that of the responses first."""
        own = self.responses.space
        return [own, *(space for space in self.maps.spaces if space != own)]

    @property
    def used_spaces(self) -> list[str]:
        """Feature spaces that a model, a contrast or the split uses, in order of declaration."""
        used = {*self.models, *itertools.chain.from_iterable(self.contrasts.values())}
        used |= {self.splits.space}
        return [name for name in self.feature_spaces if name in used]

    @property
    def fits(self) -> dict[str, list[str]]:
        """What is fitted: every single model, a contrast of one, and every contrast."""
        return {**{name: [name] for name in self.models}, **self.contrasts}

    def space_specification(self, space: str) -> dict[str, Any]:
        """How a layer becomes a feature space."""
        return self.feature_spaces[space].model_dump(mode="json", exclude_none=True)

    def network_specification(self, network: str) -> dict[str, Any]:
        """All that a network's activations depend on, and no more."""
        settings = self.networks[network].model_dump(
            mode="json", exclude={"layers"}, exclude_none=True
        )
        return {"name": network, **settings}

    def network_layers(self, network: str) -> list[str]:
        """The layers that are kept of a network."""
        spaces = (space for space in self.feature_spaces.values() if space.network == network)
        listed = self.networks[network].layers
        return sorted({space.taken for space in spaces} if listed is None else set(listed))

    @property
    def used_networks(self) -> dict[str, dict[str, Any]]:
        """Specifications of the networks that used feature spaces name."""
        used = dict.fromkeys(self.feature_spaces[space].network for space in self.used_spaces)
        return {network: self.network_specification(network) for network in used}

    @property
    def annotations(self) -> list[str]:
        """Which of COCO's annotation files the used networks' stimuli are made of."""
        kinds = (network["stimulus"] for network in self.used_networks.values())
        return sorted({name for kind in kinds for name in ANNOTATIONS[kind]})


def _kept(key: str, taken: str, network: NetworkSettings) -> None:
    patterns = [taken] if network.layers is None else network.layers
    if not any(taken == pattern or fnmatchcase(taken, pattern) for pattern in patterns):
        raise ValueError(f"{key}: lacks '{taken}', which a feature space is made of; add it")


def _prefixed(contrasts: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {f"contrasts.{name}": spaces for name, spaces in contrasts.items()}


def _declared(
    key: str, names: Iterable[str], known: Iterable[str], elsewhere: Iterable[str] = ()
) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, [*known, *elsewhere], n=3) or known
            raise ValueError(f"{key}: unknown name '{name}'; did you mean {' or '.join(near)}?")


def _unique(key: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{key}: {', '.join(twice)} is listed twice")


def parse_configuration(values: Mapping[str, Any], source: str = "configuration") -> Configuration:
    """Check a configuration.

    Raises
    ------
    InputError
        With one line for every offending key.
    """
    try:
        return Configuration.model_validate(with_catalogue(values))
    except ValidationError as error:
        lines = [_describe(problem, values) for problem in error.errors()]
        raise InputError(f"{source}: " + "\n".join(lines)) from None


def _describe(problem: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    message = re.sub(r"^Value error, ", "", problem["msg"])
    if problem["type"] == "extra_forbidden":
        message = "unknown key; check its spelling, or remove it"
    elif problem["type"] == "missing":
        message = "this key is missing; add it (config/demo.yaml shows each)"
    elif problem["type"] != "value_error":
        message += f" (got {problem['input']!r})"
    return f"{key}: {message}" if key else message


def read_configuration(path: Path | str) -> Configuration:
    """Read and check a YAML configuration file."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: not found. config/demo.yaml is a complete example.")
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: not a configuration (expected keys and values).")
    return parse_configuration(values, str(path))
