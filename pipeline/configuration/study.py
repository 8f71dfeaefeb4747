"""A whole study, its names checked against one another."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from encoding.ridge.stacking import STACK
from pipeline.catalogue import read_catalogue
from pipeline.configuration.analyses import (
    ErrorConsistencySettings,
    LearningCurveSettings,
    PreferredLayerSettings,
)
from pipeline.configuration.features import (
    ExtractionSettings,
    FeatureSpaceSettings,
    NetworkSettings,
)
from pipeline.configuration.fits import (
    CalibrationSettings,
    EncodingSettings,
    ResponseSettings,
    ScatterSettings,
    SignificanceSettings,
    SplitSettings,
)
from pipeline.configuration.interpretation import (
    InterpretationSettings,
    RepresentationalSimilaritySettings,
)
from pipeline.configuration.names import declared, unique
from pipeline.configuration.variants import VariantSettings
from pipeline.settings import (
    ANNOTATIONS,
    COMPOSITE,
    MAPPED_FROM,
    WHOLE,
    Atlas,
    MapSpace,
    Name,
    Settings,
    Subject,
)
from pipeline.simulation.settings import SimulationSettings

S3 = "s3://"
# parts that are no more than names: neither wildcards nor ways out of a folder
BUCKET = r"^s3://[A-Za-z0-9][A-Za-z0-9._-]+(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$"


def local_folder(bucket: str, storage: Path = Path(".snakemake/storage")) -> Path:
    """Where Snakemake's storage plugin lays out the files of a bucket."""
    return storage / "s3" / bucket.removeprefix(S3)


class MapSettings(Settings):
    """Spaces of the maps besides that of the responses, which always has them: nativesurface,
    fsaverage, MNI152."""

    spaces: list[MapSpace] = Field(default=[])


class Configuration(Settings):
    """A whole study."""

    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    # or an address of S3: that is then the bucket, and this where its files come to
    nsd: Path
    nsd_bucket: Annotated[str, Field(pattern=BUCKET)] | None = None
    nsd_terms_accepted: bool = False
    stimulus_set: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    subjects: list[Subject] = Field(min_length=1)
    responses: ResponseSettings
    networks: dict[Name, NetworkSettings]
    feature_spaces: dict[Name, FeatureSpaceSettings]
    extraction: ExtractionSettings = ExtractionSettings()
    splits: SplitSettings
    encoding: EncodingSettings
    scatter: ScatterSettings = ScatterSettings()
    significance: SignificanceSettings = SignificanceSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    maps: MapSettings = MapSettings()
    models: list[str] = Field(min_length=1)
    contrasts: dict[Name, list[str]]
    variants: dict[Name, VariantSettings] = Field(default_factory=dict)
    # variants whose subsets are drawn to equal numbers of images
    matched_variants: list[list[Name]] = Field(default_factory=list)
    layerwise: dict[Name, list[str]] = Field(default_factory=dict)
    preferred_layer: PreferredLayerSettings = PreferredLayerSettings()
    error_consistency: ErrorConsistencySettings | None = None
    learning_curves: LearningCurveSettings | None = None
    rois: list[Atlas]
    interpretation: InterpretationSettings | None = None
    representational_similarity: RepresentationalSimilaritySettings | None = None
    simulation: SimulationSettings | None = None

    @model_validator(mode="before")
    @classmethod
    def _nsd_may_be_a_bucket(cls, values: Any) -> Any:
        nsd = str(values.get("nsd")) if isinstance(values, Mapping) else ""
        if not nsd.startswith(S3):
            return values
        nsd = nsd.rstrip("/")
        if not re.match(BUCKET, nsd):
            raise ValueError(f"nsd: {nsd} is no address of a bucket; write s3://bucket/prefix")
        if values.get("simulation") is not None:
            raise ValueError("nsd: what is simulated is written to a folder, not to a bucket")
        return {**values, "nsd": local_folder(nsd), "nsd_bucket": nsd}

    @model_validator(mode="before")
    @classmethod
    def _contrasts_are_known(cls, values: Any) -> Any:
        """A contrast that is named without its spaces is one of the catalogue."""
        if isinstance(values, Mapping) and isinstance(values.get("contrasts"), Mapping):
            unknown = [name for name, spaces in values["contrasts"].items() if spaces is None]
            declared("contrasts", unknown, read_catalogue()["contrasts"])
        return values

    @field_validator("study")
    @classmethod
    def _has_a_folder_of_its_own(cls, study: str) -> str:
        if study == "features":
            raise ValueError("studies share the folder results/features; choose another name")
        return study

    @model_validator(mode="after")
    def _names_are_declared(self) -> Configuration:
        unique("subjects", self.subjects)
        for name, space in self.feature_spaces.items():
            if name in ("joint", STACK):
                raise ValueError(
                    f"feature_spaces.{name}: tables call a row so; choose another name"
                )
            declared(f"feature_spaces.{name}.network", [space.network], self.networks)
            _kept(f"networks.{space.network}.layers", space.taken, self.networks[space.network])
        named = {"models": self.models, **_prefixed("contrasts", self.contrasts)}
        for key, spaces in {**named, **_prefixed("layerwise", self.layerwise)}.items():
            declared(key, spaces, self.feature_spaces, read_catalogue()["feature_spaces"])
            unique(key, spaces)
        self._split_can_be_made()
        self._maps_can_be_made()
        for key, spaces in _prefixed("contrasts", self.contrasts).items():
            if not 2 <= len(spaces) <= 4:
                raise ValueError(f"{key}: a contrast has 2 to 4 feature spaces")
            if key.removeprefix("contrasts.") in self.feature_spaces:
                raise ValueError(f"{key}: a contrast cannot have a feature space's name")
        self._variants_can_be_made()
        self._fits_can_be_interpreted()
        self._analyses_can_be_made()
        if self.simulation is not None:
            declared("subjects", self.subjects, self.simulation.subjects)
            declared("responses.space", [self.responses.space], self.simulation.spaces)
            declared("responses.betas", [self.responses.betas], [self.simulation.betas])
        return self

    def _split_can_be_made(self) -> None:
        test, space = self.splits.test, self.splits.space
        if space is not None:
            declared("splits.space", [space], self.feature_spaces)
            if self.feature_spaces[space].is_fitted:
                raise ValueError(
                    "splits.space: principal components are fitted on training images, which this "
                    "space is to choose; take it without `reduction`"
                )
        if self.significance.resample == "clusters" and space is None:
            raise ValueError(
                "significance.resample: `clusters` are of images that are alike in a feature "
                "space; name one in `splits.space`"
            )
        if self.responses.zscore_trials == "training" and not test.startswith("shared"):
            raise ValueError(
                f"responses.zscore_trials: `training` is known for shared test images only, not "
                f"with `splits.test: {test}`; choose `all`"
            )

    def _maps_can_be_made(self) -> None:
        unique("maps.spaces", self.maps.spaces)
        own = self.responses.space
        reached = [own, *MAPPED_FROM[own]]
        for space in self.maps.spaces:
            if space not in reached:
                raise ValueError(
                    f"maps.spaces: no transform of NSD leads from {own} (`responses.space`) to "
                    f"{space}; choose among {', '.join(reached)}"
                )

    def _variants_can_be_made(self) -> None:
        if WHOLE in self.variants:
            raise ValueError(f"variants.{WHOLE}: is the whole study; choose another name")
        for name, variant in self.variants.items():
            declared(f"variants.{name}.models", variant.models or [], self.feature_spaces)
            declared(f"variants.{name}.contrasts", variant.contrasts or [], self.contrasts)
            variant.encoding(self.encoding)
        unique("matched_variants", list(itertools.chain(*self.matched_variants)))
        for group in self.matched_variants:
            declared("matched_variants", group, self.variants)
            if whole := [name for name in group if self.variants[name].subset is None]:
                raise ValueError(f"matched_variants: {whole[0]} has no `subset`")

    def _fits_can_be_interpreted(self) -> None:
        if self.interpretation is not None:
            model, fits = self.interpretation.model, self.fits(WHOLE)
            declared("interpretation.model", [model], fits)
            if own := [space for space in fits[model] if self.feature_spaces[space].is_fitted]:
                raise ValueError(
                    f"interpretation.model: principal components of {own[0]} are each subject's "
                    "own, so that their weights cannot be compared; take a space without them"
                )
        if self.representational_similarity is not None:
            settings, key = self.representational_similarity, "representational_similarity"
            declared(f"{key}.spaces", settings.spaces, self.feature_spaces)
            declared(f"{key}.atlases", settings.atlases, [*self.rois, COMPOSITE])

    def _analyses_can_be_made(self) -> None:
        for key, spaces in _prefixed("layerwise", self.layerwise).items():
            networks = sorted({self.feature_spaces[space].network for space in spaces})
            if len(spaces) < 2 or len(networks) > 1:
                raise ValueError(
                    f"{key}: layers of one network are compared, two or more, first layer first; "
                    f"these are {len(spaces)} of {' and '.join(networks) or 'none'}"
                )
        if self.error_consistency is not None:
            declared("error_consistency.models", self.identifying_models, self.models)
            known = [*self.rois, COMPOSITE]
            declared("error_consistency.atlases", self.error_consistency.atlases, known)
        if self.learning_curves is not None:
            declared("learning_curves.models", self.learning_curves.models, self.models)
            unique("learning_curves.models", self.learning_curves.models)
            declared_twice = sorted(set(self.learning_curves.variants) & set(self.variants))
            if declared_twice:
                raise ValueError(f"variants.{declared_twice[0]}: is of the learning curves")

    @property
    def map_spaces(self) -> list[MapSpace]:
        """Spaces in which maps are written, that of the responses first."""
        own = self.responses.space
        return [own, *(space for space in self.maps.spaces if space != own)]

    @property
    def all_variants(self) -> dict[str, VariantSettings]:
        """What is fitted of the study: what is assessed, and the variants of learning curves."""
        learning = {} if self.learning_curves is None else self.learning_curves.variants
        return {**self.assessed_variants, **learning}

    @property
    def assessed_variants(self) -> dict[str, VariantSettings]:
        """What is tested, mapped and tabulated: the whole study, and the variants that it lists."""
        singles = dict.fromkeys([*self.models, *itertools.chain(*self.layerwise.values())])
        whole = VariantSettings(models=list(singles), contrasts=list(self.contrasts))
        return {WHOLE: whole, **self.variants}

    @property
    def identifying_models(self) -> list[str]:
        """Models whose predicted patterns are to identify test images."""
        return self.error_consistency.models or self.models

    @property
    def identification(self) -> dict[str, Any]:
        """How images are identified; maps between brains are fitted as encoding models are."""
        return {
            **self.error_consistency.model_dump(mode="json", exclude={"models"}),
            "alphas": self.encoding.alphas.model_dump(mode="json"),
            "folds": self.splits.folds,
            "seed": self.splits.seed,
        }

    @property
    def learning_curve_fits(self) -> list[dict[str, Any]]:
        """Fits that are the points of learning curves; all images that train are the last."""
        whole = [{"variant": WHOLE, "model": m, "draw": 0} for m in self.learning_curves.models]
        return [*self.learning_curves.fits, *whole]

    @property
    def used_spaces(self) -> list[str]:
        """Feature spaces that a fit or the split uses, in order of declaration."""
        fits = itertools.chain(*(self.fits(variant).values() for variant in self.all_variants))
        used = {self.splits.space, *itertools.chain.from_iterable(fits)}
        if self.representational_similarity is not None:
            used |= set(self.representational_similarity.spaces)
        return [name for name in self.feature_spaces if name in used]

    def fits(self, variant: str = WHOLE) -> dict[str, list[str]]:
        """What is fitted of a variant: single models, contrasts of one, and contrasts."""
        settings = self.all_variants[variant]
        if settings.models is None and settings.contrasts is None:
            return self.contrasts
        singles = {name: [name] for name in settings.models or []}
        return {**singles, **{name: self.contrasts[name] for name in settings.contrasts or []}}

    def encoding_of(self, variant: str) -> EncodingSettings:
        """How a variant is fitted."""
        return self.all_variants[variant].encoding(self.encoding)

    def confounds(self) -> dict[str, dict[str, dict[str, Any]]]:
        """{contrast: {space: what is stated of it}}, what tells a contrast's spaces apart."""
        return {
            name: {space: self._stated(space) for space in spaces}
            for name, spaces in self.contrasts.items()
        }

    def _stated(self, space: str) -> dict[str, Any]:
        network = self.networks[self.feature_spaces[space].network]
        facts = network.facts.model_dump(exclude={"source"}) if network.facts else {}
        return {"stimulus": network.stimulus, **facts}

    def image_selection(self, variant: str) -> dict[str, Any]:
        """Which of the split's images a variant has, and the subsets that are to be as many."""
        settings = self.all_variants[variant]
        groups = [group for group in self.matched_variants if variant in group]
        matched = [self.variants[name].subset for name in itertools.chain(*groups)]
        return {
            **settings.images,
            "matched": [subset.model_dump(mode="json") for subset in matched],
        }

    def space_specification(self, space: str) -> dict[str, Any]:
        """How a layer becomes a feature space."""
        return self.feature_spaces[space].model_dump(mode="json", exclude_none=True)

    def feature_specification(self, space: str) -> dict[str, Any]:
        """What a file of features must say that it is."""
        network = self.network_specification(self.feature_spaces[space].network)
        return {"space": space, **self.space_specification(space), "extracted_from": network}

    def network_specification(self, network: str) -> dict[str, Any]:
        """All settings that a network's activations depend on, and no more.

        The content of a checkpoint is added by `pipeline.checkpoints`.
        """
        settings = self.networks[network].model_dump(
            mode="json", exclude={"layers", "facts"}, exclude_none=True
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
    def calibrated(self) -> dict[str, Any]:
        """What the experiments of known truth are fitted and tested with: as the study is.

        Seeds are an experiment's own, and where it is computed changes nothing.
        """
        apart = {"seed", "memory_gb", "backend", "stacking"}
        return {
            "experiments": self.calibration.experiments,
            "folds": self.splits.folds,
            "encoding": {
                **self.encoding.model_dump(mode="json", exclude=apart),
                "backend": "numpy",
            },
            "significance": self.significance.model_dump(mode="json", exclude={"seed"}),
        }

    @property
    def annotations(self) -> list[str]:
        """Which of COCO's annotation files the used networks' stimuli are made of."""
        kinds = [network["stimulus"] for network in self.used_networks.values()]
        if any(variant.subset for variant in self.variants.values()):
            kinds.append("categories")
        if self.interpretation is not None:
            kinds += ["captions", "categories"]
        return sorted({name for kind in kinds for name in ANNOTATIONS[kind]})


def _kept(key: str, taken: str, network: NetworkSettings) -> None:
    patterns = [taken] if network.layers is None else network.layers
    if not any(taken == pattern or fnmatchcase(taken, pattern) for pattern in patterns):
        raise ValueError(f"{key}: lacks '{taken}', which a feature space is made of; add it")


def _prefixed(section: str, lists: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {f"{section}.{name}": spaces for name, spaces in lists.items()}
