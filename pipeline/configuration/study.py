"""Configuration of a study, with checks across its sections."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import Field, create_model, field_validator, model_validator

from encoding.ridge.stacking import STACK
from encoding.variance_partitioning import model_name, subsets
from pipeline.analyses.registry import ANALYSES
from pipeline.configuration.catalogue import read_catalogue
from pipeline.configuration.dataset import MatricesSettings, with_its_folder
from pipeline.configuration.features import (
    ExtractionSettings,
    FeatureSpaceSettings,
    GivenSettings,
    SourceSettings,
)
from pipeline.configuration.fits import (
    CalibrationSettings,
    EncodingSettings,
    ResponseSettings,
    ScatterSettings,
    SignificanceSettings,
    SplitSettings,
)
from pipeline.configuration.names import declared, unique
from pipeline.configuration.settings import (
    ANNOTATIONS,
    COMPOSITE,
    DRAWN,
    MAPPED_FROM,
    NSD_SUBJECTS,
    QUANTITIES,
    RESERVED,
    VOLUME,
    WHOLE,
    Atlas,
    MapSpace,
    MapView,
    Name,
    Quantity,
    Settings,
    Subject,
)
from pipeline.configuration.variants import Subset, VariantSettings
from pipeline.simulation.settings import SimulationSettings

Section = TypeVar("Section", bound=Settings)

S3 = "s3://"
SHARED_TESTS = ("shared1000", "shared515")
# parts that are plain names, without wildcards or `..`
BUCKET = r"^s3://[A-Za-z0-9][A-Za-z0-9._-]+(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$"


class MapSettings(Settings):
    """Spaces and quantities of the maps."""

    spaces: list[MapSpace] = Field(default=[])
    """Further spaces, besides that of the responses, in which maps are always written."""
    quantities: list[Literal["all", Quantity]] = Field(default=["r2", "normalisedR2", "shared"])
    """Further quantities, or `[all]`, besides those that the report draws (`r`, `normalisedR`,
    `unique`, `ceiling`, `preferredModel`, `roi`) and those of the optional analyses that are
    switched on, which are always written."""
    views: list[MapView] = Field(default=["flat", "inflated", "slices"], min_length=1)
    """Pictures of maps in the report, in this order: flattened hemispheres, inflated ones, axial
    slices. Surfaces need `nativesurface` or `fsaverage` among the spaces."""


class Study(Settings):
    """The core sections; `Configuration` adds those of the optional analyses."""

    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    """Name of the study, and of its folder in `results/`."""
    dataset: MatricesSettings | None = None
    """A dataset other than NSD; leave out `nsd` and `responses`."""
    nsd: Path
    """Folder of NSD, or the address of a bucket (`s3://bucket/prefix`) from which files are copied
    into `data/s3/`."""
    nsd_bucket: Annotated[str, Field(pattern=BUCKET)] | None = None
    """Address of the bucket, filled in from `nsd`."""
    nsd_terms_accepted: bool = False
    """Whether you have read and accepted NSD's terms of use; downloads need it."""
    stimulus_set: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    """Name of the folder in `results/features/` in which studies of the same images share extracted
    features."""
    subjects: list[Subject] = Field(min_length=1)
    """Subjects: `subj01` to `subj08`, or folders of another dataset."""
    responses: ResponseSettings | None = None
    """Which of NSD's responses are modelled; needed for NSD."""
    networks: dict[Name, SourceSettings]
    """Networks besides those of the catalogue, or features of your own, by name."""
    feature_spaces: dict[Name, FeatureSpaceSettings]
    """Feature spaces besides those of the catalogue, by name."""
    extraction: ExtractionSettings = ExtractionSettings()
    """How the extraction of features is divided into jobs."""
    splits: SplitSettings
    """Training images, test images and cross-validation folds."""
    encoding: EncodingSettings
    """How encoding models are fitted."""
    scatter: ScatterSettings = ScatterSettings()
    """How fits are divided into jobs."""
    significance: SignificanceSettings = SignificanceSettings()
    """Intervals and tests."""
    calibration: CalibrationSettings = CalibrationSettings()
    """Simulated experiments with known truth (`snakemake validate`)."""
    maps: MapSettings = MapSettings()
    """Spaces and quantities of the brain maps."""
    models: list[str] = Field(min_length=1)
    """Feature spaces that are fitted alone. `name_pca64` stands for 64 principal components of a
    space."""
    comparisons: dict[Name, list[str]]
    """Two to four feature spaces whose variance is partitioned, by name; a name alone is a
    comparison of the catalogue."""
    variants: dict[Name, VariantSettings] = Field(default_factory=dict)
    """Further fits on other images or with other penalties, by name."""
    matched_variants: list[list[Name]] = Field(default_factory=list)
    """Groups of variants with a `subset` that are drawn to equal numbers of images."""
    rois: list[Atlas]
    """Collections of ROIs, as NSD names their files, or tables of another dataset their atlases."""
    simulation: SimulationSettings | None = None
    """The simulated NSD; a study of real data leaves this section out."""

    @model_validator(mode="before")
    @classmethod
    def _dataset_may_be_another(cls, values: Any) -> Any:
        return with_its_folder(values)

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
            raise ValueError("nsd: a simulated NSD is written to a folder, not to a bucket")
        return {**values, "nsd": Path("data/s3") / nsd.removeprefix(S3), "nsd_bucket": nsd}

    @model_validator(mode="before")
    @classmethod
    def _comparisons_are_known(cls, values: Any) -> Any:
        """Refuse a comparison without spaces that the catalogue does not have."""
        if isinstance(values, Mapping) and isinstance(values.get("comparisons"), Mapping):
            unknown = [name for name, spaces in values["comparisons"].items() if spaces is None]
            declared("comparisons", unknown, read_catalogue()["comparisons"])
        return values

    @field_validator("study")
    @classmethod
    def _has_a_folder_of_its_own(cls, study: str) -> str:
        if study == "features":
            raise ValueError("studies share the folder results/features; choose another name")
        return study

    @model_validator(mode="after")
    def _names_are_declared(self) -> Study:
        unique("subjects", self.subjects)
        self._dataset_can_be_read()
        for name, space in self.feature_spaces.items():
            if name in ("joint", STACK):
                raise ValueError(
                    f"feature_spaces.{name}: this name is reserved in tables; choose another"
                )
            declared(f"feature_spaces.{name}.network", [space.network], self.networks)
            network = self.networks[space.network]
            if isinstance(network, GivenSettings) and space.pooling is not None:
                raise ValueError(
                    f"feature_spaces.{name}.pooling: not with `library: file`, whose features are "
                    "one vector for each image; remove it"
                )
            _kept(f"networks.{space.network}.layers", space.taken, network.layers)
        comparisons = _prefixed("comparisons", self.comparisons)
        for key, spaces in {"models": self.models, **comparisons}.items():
            self.require_spaces(key, spaces)
        self._split_can_be_made()
        self._maps_can_be_made()
        for key, spaces in comparisons.items():
            if not 2 <= len(spaces) <= 4:
                raise ValueError(f"{key}: a comparison has 2 to 4 feature spaces")
            if key.removeprefix("comparisons.") in self.feature_spaces:
                raise ValueError(f"{key}: a comparison cannot have a feature space's name")
        self._variants_can_be_made()
        for analysis in ANALYSES.values():
            analysis.check(self)
            if analysis.compares_subjects and analysis.is_on(self) and len(self.subjects) < 2:
                raise ValueError(
                    f"{analysis.target}: compares subjects; list two or more in `subjects`, or "
                    "leave this section out"
                )
        if self.simulation is not None:
            declared("subjects", self.subjects, self.simulation.subjects)
            declared("responses.space", [self.of_nsd.space], self.simulation.spaces)
            declared("responses.betas", [self.of_nsd.betas], [self.simulation.betas])
        return self

    def _dataset_can_be_read(self) -> None:
        if self.dataset is None:
            if self.responses is None:
                raise ValueError(
                    "responses: this key is missing; add it (config/demo.yaml has an example)"
                )
            for subject in self.subjects:
                if not re.fullmatch(NSD_SUBJECTS, subject):
                    raise ValueError(f"subjects: NSD has no {subject}; write subj01 to subj08")
            return
        if reserved := [name for name in self.subjects if name in RESERVED]:
            raise ValueError(f"subjects: {reserved[0]} is reserved in tables; rename the folder")
        if needing := [one for one in ANALYSES.values() if "categories" in one.stimuli(self)]:
            raise ValueError(f"{needing[0].target}: needs labels of objects, which only NSD has")
        if labelled := [name for name, one in self.variants.items() if one.subset]:
            raise ValueError(
                f"variants.{labelled[0]}.subset: needs labels of objects, which only NSD has; "
                "choose images by a table (`splits`)"
            )

    def _split_can_be_made(self) -> None:
        space = self.splits.space
        if space is not None:
            declared("splits.space", [space], self.feature_spaces)
            if self.feature_spaces[space].is_fitted:
                raise ValueError(
                    "splits.space: this space chooses the training images, so that it cannot have "
                    "principal components fitted on them; leave out `reduction`"
                )
        if self.significance.resample == "clusters" and space is None:
            raise ValueError(
                "significance.resample: `clusters` needs a feature space in which images are "
                "compared; name one in `splits.space`"
            )
        for variant in self.all_variants.values():
            test = variant.split(self.splits).test
            if self.dataset is not None and test == "shared515":
                raise ValueError("splits.test: only NSD has shared515; write shared1000")
            if (
                self.responses is not None
                and self.responses.zscore_trials == "training"
                and test not in SHARED_TESTS
            ):
                raise ValueError(
                    f"responses.zscore_trials: `training` needs shared test images, not "
                    f"`splits.test: {test}`; choose `all`"
                )

    def _maps_can_be_made(self) -> None:
        unique("maps.spaces", self.maps.spaces)
        unique("maps.quantities", self.maps.quantities)
        own = self.space
        reached = [own, *MAPPED_FROM.get(own, ())]
        for space in self.maps.spaces:
            if space not in reached:
                raise ValueError(
                    f"maps.spaces: no transform of NSD leads from {own} (`responses.space`) to "
                    f"{space}; choose among {', '.join(reached)}"
                    if self.dataset is None
                    else f"maps.spaces: {space} can only be reached from NSD; leave it out"
                )

    def _variants_can_be_made(self) -> None:
        if WHOLE in self.variants:
            raise ValueError(f"variants.{WHOLE}: this name stands for all images; choose another")
        for name, variant in self.variants.items():
            declared(f"variants.{name}.models", variant.models or [], self.feature_spaces)
            declared(f"variants.{name}.comparisons", variant.comparisons or [], self.comparisons)
            variant.encoding(self.encoding)
        unique("matched_variants", list(itertools.chain(*self.matched_variants)))
        for group in self.matched_variants:
            declared("matched_variants", group, self.variants)
            if all_images := [name for name in group if self.variants[name].subset is None]:
                raise ValueError(f"matched_variants: {all_images[0]} has no `subset`")
            if own := [name for name in group if self.variants[name].splits is not None]:
                raise ValueError(f"matched_variants: {own[0]} has `splits` of its own")

    def require_spaces(self, key: str, spaces: list[str]) -> None:
        """Raise ValueError, which names the key, unless each is a feature space, listed once."""
        declared(key, spaces, self.feature_spaces, read_catalogue()["feature_spaces"])
        unique(key, spaces)

    def section(self, kind: type[Section]) -> Section | None:
        """Find the settings of an optional analysis by their type; None if it is switched off."""
        return next((value for value in self.__dict__.values() if isinstance(value, kind)), None)

    @property
    def roi_atlases(self) -> list[str]:
        """Collections of ROIs: those listed in `rois`, and of NSD the composite regions."""
        return [*self.rois, *([COMPOSITE] if self.dataset is None else [])]

    @property
    def read_atlases(self) -> list[str]:
        """Collections of ROIs of which files are read: those of `rois` and of the mask."""
        masks = self.responses.mask.collections if self.responses is not None else []
        return list(dict.fromkeys([*self.rois, *masks]))

    @property
    def space(self) -> str:
        """Space of the responses."""
        return VOLUME if self.responses is None else self.responses.space

    @property
    def of_nsd(self) -> ResponseSettings:
        """Section `responses` of a study of NSD, which has it."""
        if self.responses is None:
            raise TypeError("a study of another dataset has no section `responses`")
        return self.responses

    @property
    def map_spaces(self) -> list[str]:
        """Spaces in which maps are written, that of the responses first."""
        own = self.space
        return [own, *(space for space in self.maps.spaces if space != own)]

    @property
    def mapped_quantities(self) -> list[Quantity]:
        """Quantities of which maps are written, besides those of optional analyses."""
        chosen = self.maps.quantities
        return [one for one in QUANTITIES if "all" in chosen or one in (*DRAWN, *chosen)]

    @property
    def all_variants(self) -> dict[str, VariantSettings]:
        """Variants that are fitted: the assessed ones, and those that optional analyses need."""
        needed = [analysis.variants(self) for analysis in ANALYSES.values()]
        return {**self.assessed_variants, **{k: v for found in needed for k, v in found.items()}}

    @property
    def assessed_variants(self) -> dict[str, VariantSettings]:
        """Variants that are tested, mapped and tabulated: all images, and the listed variants."""
        needed = [analysis.models(self) for analysis in ANALYSES.values()]
        singles = dict.fromkeys([*self.models, *itertools.chain(*needed)])
        all_images = VariantSettings(models=list(singles), comparisons=list(self.comparisons))
        return {WHOLE: all_images, **self.variants}

    @property
    def used_spaces(self) -> list[str]:
        """Feature spaces that a fit, the split or an analysis uses, in order of declaration."""
        fits = itertools.chain(*(self.fits(variant).values() for variant in self.all_variants))
        read = [analysis.feature_spaces(self) for analysis in ANALYSES.values()]
        used = {self.splits.space, *itertools.chain(*fits, *read)}
        return [name for name in self.feature_spaces if name in used]

    @property
    def coloured_spaces(self) -> list[str]:
        """Feature spaces in the order of their colours: `models`, then others that are used."""
        return list(dict.fromkeys([*self.models, *self.used_spaces]))

    def fits(self, variant: str = WHOLE) -> dict[str, list[str]]:
        """List a variant's models once each, by size, as {model: feature spaces}.

        They are its single models, and every subset of the spaces of its comparisons.
        """
        comparisons = self.comparisons_of(variant).values()
        sets: list[tuple[str, ...]] = [(name,) for name in self.all_variants[variant].models or []]
        sets += [subset for spaces in comparisons for subset in subsets(spaces)]
        ordered = [self.fitted_as(spaces) for spaces in sorted(sets, key=len)]
        return {model_name(spaces): spaces for spaces in ordered}

    def comparisons_of(self, variant: str = WHOLE) -> dict[str, list[str]]:
        """List a variant's comparisons as {comparison: feature spaces}."""
        settings = self.all_variants[variant]
        if settings.models is None and settings.comparisons is None:
            return self.comparisons
        return {name: self.comparisons[name] for name in settings.comparisons or []}

    def fitted_as(self, spaces: Iterable[str]) -> list[str]:
        """Order a set of spaces as in its model: as in the first comparison that has them."""
        chosen = list(spaces)
        holding = (listed for listed in self.comparisons.values() if set(chosen) <= set(listed))
        return [space for space in next(holding, chosen) if space in chosen]

    def models_of(self, comparison: str) -> list[str]:
        """Models of all subsets of a comparison's spaces, in the order of `subsets`."""
        return [model_name(self.fitted_as(s)) for s in subsets(self.comparisons[comparison])]

    def smaller_models(self, variant: str, spaces: Sequence[str]) -> list[str]:
        """Models with one space less, which voxels may take over (`encoding.ridge.nested`)."""
        if not self.encoding_of(variant).takes_smaller_models_over:
            return []
        return [model_name(self.fitted_as(s)) for s in subsets(spaces) if len(s) == len(spaces) - 1]

    def stacked(self, variant: str) -> dict[str, bool]:
        """Decide for each model whether its single-space models are also stacked.

        They are if its spaces are those of a comparison.
        """
        comparisons = [set(spaces) for spaces in self.comparisons_of(variant).values()]
        return {
            model: self.encoding.stacking and set(spaces) in comparisons
            for model, spaces in self.fits(variant).items()
        }

    def encoding_of(self, variant: str) -> EncodingSettings:
        """Return the settings of a variant's fits."""
        return self.all_variants[variant].encoding(self.encoding)

    def split_of(self, variant: str) -> SplitSettings:
        """Return the settings of a variant's split."""
        return self.all_variants[variant].split(self.splits)

    def image_selection(self, variant: str) -> dict[str, Any]:
        """Images of a variant, and the subsets that are drawn to equal numbers of images."""
        matched = [subset.model_dump(mode="json") for subset in self.matched_subsets(variant)]
        return {**self.all_variants[variant].images, "matched": matched}

    def matched_subsets(self, variant: str) -> list[Subset]:
        """List the subsets that are drawn to equal numbers of images with a variant's, and it."""
        groups = [group for group in self.matched_variants if variant in group]
        matched = [self.variants[name].subset for name in itertools.chain(*groups)]
        return [subset for subset in matched if subset]

    def space_specification(self, space: str) -> dict[str, Any]:
        """Return the settings that turn a layer into a feature space."""
        return self.feature_spaces[space].model_dump(mode="json", exclude_none=True)

    def feature_specification(self, space: str) -> dict[str, Any]:
        """Specification that a file of features must record."""
        network = self.network_specification(self.feature_spaces[space].network)
        return {"space": space, **self.space_specification(space), "extracted_from": network}

    def network_specification(self, network: str) -> dict[str, Any]:
        """Return the settings that a network's activations depend on.

        The hash of a checkpoint is added by `pipeline.configuration.checkpoints`.
        """
        return {"name": network, **self.networks[network].specification}

    def network_layers(self, network: str) -> list[str]:
        """List the layers of a network that are stored: by default those that the study uses."""
        used = (self.feature_spaces[name] for name in self.used_spaces)
        spaces = (space for space in used if space.network == network)
        listed = self.networks[network].layers
        return sorted({space.taken for space in spaces} if listed is None else set(listed))

    @property
    def used_networks(self) -> dict[str, dict[str, Any]]:
        """Specifications of the networks that used feature spaces name."""
        used = dict.fromkeys(self.feature_spaces[space].network for space in self.used_spaces)
        return {network: self.network_specification(network) for network in used}

    @property
    def calibrated(self) -> dict[str, Any]:
        """Settings of the study with which the simulated experiments are fitted and tested.

        Left out are seeds, of which each experiment has its own, and what does not change results.
        """
        # `image_weights`: all images of these experiments have equally many trials
        excluded = {"seed", "memory_gb", "backend", "stacking", "image_weights"}
        return {
            "experiments": self.calibration.experiments,
            "folds": self.splits.folds,
            "encoding": {
                **self.encoding.model_dump(mode="json", exclude=excluded),
                "backend": "numpy",
            },
            "significance": self.significance.model_dump(mode="json", exclude={"seed"}),
        }

    @property
    def stimuli(self) -> list[str]:
        """Kinds of stimuli of the dataset that networks of the study take, or analyses read."""
        networks = self.used_networks.values()
        taken = {network["stimulus"] for network in networks if "texts" not in network}
        return sorted(taken.union(*(one.stimuli(self) for one in ANALYSES.values())))

    @property
    def tests(self) -> list[str]:
        """Test images of the study and of its variants, by name or as the path of a table."""
        return sorted({self.split_of(variant).test for variant in self.all_variants})

    @property
    def annotations(self) -> list[str]:
        """COCO's annotation files from which stimuli are made, or which analyses read."""
        networks = self.used_networks.values()
        kinds = [network["stimulus"] for network in networks if "texts" not in network]
        if any(variant.subset for variant in self.variants.values()):
            kinds.append("categories")
        kinds += itertools.chain(*(analysis.stimuli(self) for analysis in ANALYSES.values()))
        return sorted({name for kind in kinds for name in ANNOTATIONS[kind]})

    @property
    def experiments(self) -> list[str]:
        """Further experiments of NSD whose files analyses read."""
        needed = (analysis.experiments(self) for analysis in ANALYSES.values())
        return sorted(set(itertools.chain(*needed)))


if TYPE_CHECKING:
    Configuration = Study
else:
    Configuration = create_model(
        "Configuration",
        __base__=Study,
        __doc__="Configuration of a study.",
        **{key: value for one in ANALYSES.values() for key, value in one.settings.items()},
    )


def _kept(key: str, taken: str, layers: list[str] | None) -> None:
    patterns = [taken] if layers is None else layers
    if not any(taken == pattern or fnmatchcase(taken, pattern) for pattern in patterns):
        raise ValueError(f"{key}: lacks '{taken}', which a feature space needs; add it")


def _prefixed(section: str, lists: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {f"{section}.{name}": spaces for name, spaces in lists.items()}
