"""Networks, and the feature spaces made from their layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from pipeline.configuration.settings import Numbering, Settings, Stimulus

FILE = "file"


class NetworkFacts(Settings):
    """Facts about a network, for the table of confounds."""

    family: str
    """Architecture family, such as `ResNet` or `vision transformer`."""
    objective: str
    """What the network was trained to do."""
    training_data: str
    """Name of the training data."""
    training_images: int = Field(ge=0)
    """Number of training images; 0 if none."""
    language: bool
    """Whether language took part in the training."""
    source: str
    """Publication or address that these facts are from."""


class NetworkSettings(Settings):
    """A network, which is run once over the stimuli for all layers that are kept."""

    library: Literal[
        "open_clip", "torchvision", "timm", "transformers", "slip", "low_level", "vectors"
    ]
    """Library that builds the network and loads its weights."""
    architecture: str
    """Name of the architecture in that library."""
    stimulus: Stimulus
    """Input of the network: pixels, texts or vectors of each image. Features of all `captions` of
    an image are averaged; `first_caption` is the first alone."""
    texts: Path | None = None
    """Table (TSV; columns nsd_id and caption) of texts of your own, which the network reads in the
    place of COCO's captions; only with `stimulus: captions`."""
    weights: str = "pretrained"
    """`pretrained`, `untrained`, a local path, `package:NAME/path` (inside a Python
    package), or `none` for a network without parameters."""
    pretrained_tag: str | None = None
    """Release of the pretrained weights, as the library names it; by default the library's own."""
    seed: int | None = None
    """Seed of untrained weights; needed with `weights: untrained`, refused otherwise."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Floating-point format in which the network runs."""
    batch_size: int | None = Field(default=None, ge=1)
    """Images per batch; by default as many as the device holds."""
    layers: list[str] | None = Field(default=None, min_length=1)
    """Layers to keep, such as `fc7` or the pattern `block_*:cls`; by default those of the feature
    spaces that the study uses."""
    facts: NetworkFacts | None = None
    """Descriptions that the table of confounds lists; they change no result."""

    @model_validator(mode="before")
    @classmethod
    def _is_run(cls, values: Any) -> Any:
        _refuse(values, GivenSettings.model_fields.keys() - cls.model_fields.keys(), "only")
        return values

    @model_validator(mode="after")
    def _seed_belongs_to_untrained(self) -> NetworkSettings:
        if (self.weights == "untrained") != (self.seed is not None):
            raise ValueError("`seed` is needed with `weights: untrained`, and only there")
        return self

    @model_validator(mode="after")
    def _texts_are_read(self) -> NetworkSettings:
        if self.texts is not None and self.stimulus != "captions":
            raise ValueError("`texts` is read with `stimulus: captions` only")
        return self

    @property
    def specification(self) -> dict[str, Any]:
        """Settings that the features depend on, as `features.networks.load_network` takes them."""
        excluded = {"layers", "facts"}
        return self.model_dump(mode="json", exclude=excluded, exclude_none=True)


class GivenSettings(Settings):
    """Features that you computed yourself, as a file; no network is run."""

    library: Literal["file"]
    """`file`, for features that are read."""
    path: Path
    """NPY, NPZ, HDF5 (`.h5`), Parquet or CSV file: a matrix (image, feature), or several in NPZ and
    HDF5, each of which is a layer named as the array. In the other formats the layer is
    `features`."""
    ids: Numbering
    """Numbers by which the file names images: `nsd_id` (from 0), `73KID` (from 1) or `coco_id`."""
    image_ids: str | None = None
    """Ids of the rows: the path of an NPY file, or the name of an array or column of the file; by
    default the array or column that is named as `ids` says."""
    layers: list[str] | None = Field(default=None, min_length=1)
    """Arrays to keep; by default those of the feature spaces that the study uses."""
    facts: NetworkFacts | None = None
    """Descriptions that the table of confounds lists; they change no result."""

    @model_validator(mode="before")
    @classmethod
    def _is_not_run(cls, values: Any) -> Any:
        _refuse(values, NetworkSettings.model_fields.keys() - cls.model_fields.keys(), "not")
        return values

    @property
    def specification(self) -> dict[str, Any]:
        """Settings that the features depend on, as `features.networks.load_network` takes them."""
        inside = {} if self.image_ids is None else {"image_ids": self.image_ids}
        return {
            **{"library": FILE, "architecture": "given", "stimulus": self.ids},
            **{"weights": str(self.path), **inside},
        }


def _refuse(values: Any, keys: Iterable[str], goes: str) -> None:
    """Raise ValueError for keys that go only, or not, with given features."""
    if found := [key for key in values if key in keys] if isinstance(values, Mapping) else []:
        listed = ", ".join(f"`{key}`" for key in found)
        raise ValueError(f"{listed}: {goes} with `library: {FILE}`; remove it")


def _kind(values: Any) -> str:
    given = values if isinstance(values, Mapping) else getattr(values, "__dict__", {})
    return GIVEN if given.get("library") == FILE else RUN


# tags in angle brackets are left out of the keys that messages name
RUN, GIVEN = "<run>", "<given>"
SourceSettings = Annotated[
    Annotated[NetworkSettings, Tag(RUN)] | Annotated[GivenSettings, Tag(GIVEN)],
    Discriminator(_kind),
]


class PrincipalComponents(Settings):
    """Principal components of each subject's training images."""

    method: Literal["pca"]
    """Principal component analysis."""
    components: float = Field(gt=0)
    """Number of components, or, below 1, the fraction of the variance that they explain."""
    whiten: bool = False
    """Whether components are scaled to unit variance."""
    seed: int = 0
    """Seed of the randomised decomposition."""

    @model_validator(mode="after")
    def _number_or_fraction(self) -> PrincipalComponents:
        if self.components >= 1 and not self.components.is_integer():
            raise ValueError("`components` is a whole number, or a fraction below 1")
        return self


class RandomProjection(Settings):
    """A sparse random projection, which needs no training images."""

    method: Literal["random_projection"]
    """Sparse random projection."""
    components: int = Field(ge=1)
    """Number of features after the projection."""
    seed: int = 0
    """Seed of the projection."""


class FeatureSpaceSettings(Settings):
    """A matrix (image × feature): a layer of a network, pooled and reduced."""

    network: str
    """Network of `networks:` or of the catalogue."""
    layer: str
    """Layer of the network: an output (`embedding`, `hidden_states.7`), a common name (`fc7`,
    `block_3`), the path of a module, or a pattern (`layer*`), whose layers are concatenated."""
    pooling: str | None = None
    """How tokens or positions become one vector: `mean`, `cls` (first token), `last` (last token),
    `adaptive-5000` (the finest grid of at most so many features); without it, activations are
    flattened."""
    reduction: Annotated[
        PrincipalComponents | RandomProjection | None, Field(discriminator="method")
    ] = None
    """Dimensionality reduction of the layer."""

    @property
    def taken(self) -> str:
        """Layer with its pooling, as `features.layers.Layer` writes it."""
        return self.layer if self.pooling is None else f"{self.layer}:{self.pooling}"

    @property
    def is_fitted(self) -> bool:
        """Test whether the features depend on a subject's training images."""
        return isinstance(self.reduction, PrincipalComponents)


class ExtractionSettings(Settings):
    """Division of a network's images into shards of one job each; a killed job loses its shard."""

    shards: int = Field(default=1, ge=1)
    """Number of jobs for each network and set of images."""
