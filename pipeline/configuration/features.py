"""Networks, and the feature spaces that are made of their layers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.configuration.settings import Settings, Stimulus


class NetworkFacts(Settings):
    """What tells networks apart beside their activations: shown beside every contrast."""

    family: str
    objective: str
    training_data: str
    training_images: int = Field(ge=0)
    language: bool
    source: str


class NetworkSettings(Settings):
    """One network; it is run once over the stimuli for all layers that are taken from it.

    `layers` ("fc7", "block_*:cls") are those that are kept, by default those that the feature
    spaces name. `facts` decide nothing: they are what the table of confounds tells.
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
    facts: NetworkFacts | None = None

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
    """In how many parts a subject's images go through a network; a job that is killed loses one."""

    shards: int = Field(default=1, ge=1)
