"""Methods paragraphs of the report, with the parameters that were used."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from pipeline.analyses.registry import ANALYSES, enabled
from pipeline.configuration.features import (
    NetworkSettings,
    PrincipalComponents,
    RandomProjection,
)
from pipeline.configuration.fits import EncodingSettings, SignificanceSettings, SplitSettings
from pipeline.configuration.settings import WHOLE
from pipeline.configuration.study import Configuration
from pipeline.configuration.variants import VariantSettings
from pipeline.dataset.stimulus_readers import TEXTS
from pipeline.fits.described_tests import describe_tests
from pipeline.fits.families import FAMILY, GROUP_FAMILY
from pipeline.tables.tables import LEVEL

SCALING = {
    "zscore": "Features were z-scored on training images (features whose standard deviation is "
    "below a tenth of their space's root mean square deviation were divided by that tenth), and "
    "every feature space was scaled to the same total variance.",
    "zscore_unfloored": "Features were z-scored on training images, however small their variance, "
    "and every feature space was scaled to the same total variance.",
    "center": "Features were centred on training images and not scaled.",
}
PENALTY = {
    "banded": "Banded ridge (Nunez-Elizalde et al. 2019; Dupré la Tour et al. 2022; {solver})",
    "single": "Ridge on concatenated features ({solver})",
}
MISSING = {
    "exclude": "were left out (NaN)",
    "available": "were fitted and scored on the images for which they have responses",
}
NCSNR = {"released": "NSD's ncsnr", "recomputed": "an ncsnr recomputed from the betas"}
ALL_SESSIONS = {"released": ", which is of all sessions,", "recomputed": ""}
SOLVER = {"native": "this project's solver", "himalaya": "himalaya's solver"}
FOLDS = {
    "shuffled": "",
    "listed": "Folds were consecutive in image number.",
    "table": "Folds are those of the table.",
}
RESAMPLED = {"images": "test images", "clusters": "clusters of test images"}
# how a variant can differ from the study
OWN = {
    "banded": "a penalty for each feature space",
    "single": "one penalty for all feature spaces",
    "zscore": "features z-scored unless they hardly vary",
    "zscore_unfloored": "features z-scored however little they vary",
    "center": "features centred, not scaled",
}

# {citation: full reference}; a text lists only those that it cites
REFERENCES = {
    "Allen et al. 2022": "Allen, E. J., et al. (2022). A massive 7T fMRI dataset to bridge "
    "cognitive neuroscience and artificial intelligence. Nature Neuroscience 25, 116-126.",
    "Benjamini & Hochberg 1995": "Benjamini, Y., & Hochberg, Y. (1995). Controlling the false "
    "discovery rate. Journal of the Royal Statistical Society B 57, 289-300.",
    "Dupré la Tour et al. 2022": "Dupré la Tour, T., Eickenberg, M., Nunez-Elizalde, A. O., & "
    "Gallant, J. L. (2022). Feature-space selection with banded ridge regression. NeuroImage 264, "
    "119728.",
    "Golub et al. 1979": "Golub, G. H., Heath, M., & Wahba, G. (1979). Generalized "
    "cross-validation as a method for choosing a good ridge parameter. Technometrics 21, 215-223.",
    "Hesterberg 2015": "Hesterberg, T. C. (2015). What teachers should know about the bootstrap. "
    "The American Statistician 69, 371-386.",
    "Nunez-Elizalde et al. 2019": "Nunez-Elizalde, A. O., Huth, A. G., & Gallant, J. L. (2019). "
    "Voxelwise encoding models with non-spherical multivariate normal priors. NeuroImage 197, "
    "482-492.",
    "Wang et al. 2023": "Wang, A. Y., Kay, K., Naselaris, T., Tarr, M. J., & Wehbe, L. (2023). "
    "Better models of human high-level visual cortex emerge from natural language supervision with "
    "a large and diverse dataset. Nature Machine Intelligence 5, 1415-1426.",
}
TEXTS_IN_WORDS = {
    "captions": "all captions of an image",
    "first_caption": "the first caption of an image",
    "all_objects": "names of all its objects",
    "top_object": "the name of its largest object",
    "objects_in_captions": "names of the objects that its captions mention",
}


def references(paragraphs: Sequence[str]) -> list[str]:
    """Return the references that the paragraphs cite, in alphabetical order."""
    text = " ".join(paragraphs)
    known = itertools.chain(REFERENCES.items(), *(a.references.items() for a in ANALYSES.values()))
    return [full for cited, full in sorted(known) if cited in text]


def methods_paragraphs(
    study: Configuration,
    weights: Mapping[str, str] | None = None,
    searched: str = "",
    selected: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[str]:
    """Write methods paragraphs for a paper, from the configuration.

    Parameters
    ----------
    weights : {feature space: its network's weights}, as loaded
    searched : sentence on how many voxels were searched exactly
    selected : {subject: sessions, voxels and images that were read}, as recorded in provenance
    """
    loaded = weights or {}
    encoding = study.encoding
    spaces = "; ".join(_space(study, space, loaded.get(space)) for space in study.used_spaces)
    reads = any(network["stimulus"] in TEXTS for network in study.used_networks.values())
    averaged = " Features of an image's captions were averaged." if reads else ""
    return [
        _responses(study, selected or {}),
        f"Features. {spaces}.{averaged}",
        " ".join(
            [
                f"Encoding models. {_split(study, study.splits)} {_numbers(selected or {})}"
                f"{SCALING[encoding.scaling]}",
                f"{_selection(study)}.",
                *filter(None, [searched, FOLDS[_folds(study, selected or {})]]),
            ]
        ),
        f"Significance. Intervals ({study.significance.level:.0%}) are expanded percentiles "
        f"(Hesterberg 2015) of {study.significance.draws} bootstrap draws of "
        f"{RESAMPLED[study.significance.resample]}, shared by all models and voxels; they "
        "describe the uncertainty due to the sample of test images, not of subjects. "
        f"{_tests(study.significance)}. The false discovery rate (Benjamini & Hochberg 1995) was "
        f"controlled over the {FAMILY}, i.e. for every map separately.",
        "Variance partitioning. Unique variance of A is R²(all) - R²(all without A) on test "
        "images; shared variance follows by commonality analysis. Values can be negative, and "
        "components sum to R² of the joint model. The product measure divides that R² among the "
        "spaces without further fits.",
        *_analyses_in_words(study),
        *_variants_in_words(study),
    ]


def _responses(study: Configuration, selected: Mapping[str, Mapping[str, Any]]) -> str:
    """Describe the responses, as they were read."""
    responses = study.responses
    if responses is None:
        return _given_responses(study, selected)
    sessions, ncsnr = "", NCSNR[responses.ncsnr]
    if responses.sessions is not None:
        read = {taken["sessions"] for taken in selected.values() if "sessions" in taken}
        sessions = f" of the first {' or '.join(map(str, sorted(read)))} sessions" if read else ""
        ncsnr += ALL_SESSIONS[responses.ncsnr]
    return (
        f"Responses. {_origin(study)} (Allen et al. 2022; "
        f"{responses.betas}, {responses.space}){sessions} were z-scored within each "
        f"{responses.zscore_within} over {responses.zscore_trials} trials and averaged over the "
        f"repeats of each image. {_modelled_voxels(selected)}Voxels that were not covered in every "
        f"session {MISSING[study.encoding.missing_images]}. Noise ceilings are 1 - mean(σ² / n) / "
        "variance of the responses to the test images, with n repeats of an image and the variance "
        "σ² of single trials about their image's mean, estimated from all images. Voxels were "
        f"selected by their reliability: the noise ceiling expected from {ncsnr} "
        "for the same numbers of repeats (NSD Data Manual), which does not depend on the test "
        "responses."
    )


def _origin(study: Configuration) -> str:
    """Say where single trials come from."""
    if study.simulation is None:
        return "Single-trial betas of the Natural Scenes Dataset"
    pictures = {
        "drawn": "pictures and captions were made by computer",
        "photographs": "pictures are photographs",
    }[study.simulation.images.source]
    spaces = ", ".join(study.simulation.planted_spaces)
    return (
        f"No brain was measured: {pictures}, and responses were simulated. Voxels of some regions "
        f"follow mixtures of the {study.simulation.components} leading principal components of "
        f"{spaces} (section `simulation` of the configuration) with noise added; all other voxels "
        "are noise. Simulated single-trial betas in the format of the Natural Scenes Dataset"
    )


def _given_responses(study: Configuration, selected: Mapping[str, Mapping[str, Any]]) -> str:
    """Describe the responses of a dataset of matrices, as they were read."""
    read = ", ".join(
        f"{taken['presentations']:,} of {subject}"
        for subject, taken in selected.items()
        if "presentations" in taken
    )
    presentations = f" ({read})" if read else ""
    return (
        f"Responses. Single presentations{presentations} were read from matrices, in the unit in "
        "which they were given, and averaged over the presentations of each image. Voxels without "
        f"a response to some image {MISSING[study.encoding.missing_images]}. Noise ceilings are "
        "1 - mean(σ² / n) / variance of the responses to the test images, with n presentations of "
        "an image and the variance σ² of single ones about their image's mean, estimated from all "
        "images; there is none where no image was shown twice. Voxels were selected by the noise "
        "ceilings of single presentations that the dataset states, or else by those that repeated "
        "images, also test images, give."
    )


def _modelled_voxels(selected: Mapping[str, Mapping[str, Any]]) -> str:
    """Describe the voxels by the conditions that they met when responses were read."""
    masks = {
        subject: taken["voxels_left"]
        for subject, taken in selected.items()
        if "voxels_left" in taken
    }
    if not masks:
        return ""
    conditions = [words for words, _ in next(iter(masks.values()))]
    counts = ", ".join(f"{left[-1][1]:,} of {subject}" for subject, left in masks.items())
    return f"Voxels are those of {', '.join(conditions)} ({counts}). "


def search_sentence(best_voxels: pd.DataFrame) -> str:
    """Describe which candidates were cross-validated, by the rows of tables/best_voxels.tsv."""
    exact = best_voxels["n_searched_exactly"].sum()
    fitted = best_voxels["n_voxels"].sum()
    if exact == fitted:
        return "All of these were cross-validated in every voxel."
    return (
        f"In {exact:,} of {fitted:,} fits, one for each voxel, model, variant and subject, all of "
        "these were cross-validated; in the others, those that generalised cross-validation "
        "(Golub et al. 1979), an estimate that needs no folds, found far worse than the best were "
        "not."
    )


def calibration_sentence(study: Configuration) -> str:
    """Describe how simulated experiments with known truth were analysed."""
    encoding, significance = study.encoding, study.significance
    return (
        f"They were analysed with the settings of this study. {SCALING[encoding.scaling]} "
        f"{_selection(study)}; folds were drawn at random. Intervals ({significance.level:.0%}) "
        f"are from {significance.draws} bootstrap draws; {_tests(significance)}."
    )


def _space(study: Configuration, space: str, weights: str | None) -> str:
    """Describe a feature space, with the label of what was loaded.

    It is not known how given features were made.
    """
    settings = study.feature_spaces[space]
    network = study.networks[settings.network]
    if isinstance(network, NetworkSettings):
        words = [f"{network.library} {network.architecture}", f"layer {settings.layer}"]
        words += [f"pooled by {settings.pooling}"] if settings.pooling else []
        words += _texts(network)
        source = [] if weights is None else [f"weights: {weights}"]
    else:
        words = ["features that were computed elsewhere", f"array {settings.layer} of a file"]
        source = [] if weights is None else [weights]
    reduced = [_reduction(settings.reduction)] if settings.reduction else []
    return f"{space}: {', '.join([*words, *reduced, *source])}"


def _texts(network: NetworkSettings) -> list[str]:
    """Say which texts a network read, if any."""
    if network.texts is not None:
        return [f"of texts in {network.texts}"]
    return [f"of {TEXTS_IN_WORDS[network.stimulus]}"] if network.stimulus in TEXTS else []


def _selection(study: Configuration) -> str:
    """Describe how every voxel's penalty was selected."""
    encoding = study.encoding
    return (
        f"{PENALTY[encoding.penalty].format(solver=SOLVER[encoding.solver])} "
        f"selected for every voxel one of {encoding.alphas.number} penalties between "
        f"{encoding.alphas.minimum:g} and {encoding.alphas.maximum:g}{_weightings(encoding)} by "
        f"{study.splits.folds}-fold cross-validation on training images"
    )


def _analyses_in_words(study: Configuration) -> Iterator[str]:
    """Yield paragraphs on analyses beyond encoding models and comparisons."""
    if len(study.subjects) > 1:
        yield (
            "Group. Subjects are the unit of analysis: means of each region were tested over "
            f"{len(study.subjects)} subjects by a one-sample t-test and by all flips of the "
            "subjects' signs, two-sided. The false discovery rate was controlled over all "
            "regions, separately for a comparison's components and their differences, R² of its "
            "joint and stacked models, its product measure, R² of all models, and all differences "
            f"of models. Maps were tested by t-tests, with the false discovery rate (q ≤ {LEVEL}) "
            f"over the {GROUP_FAMILY}."
        )
    if others := study.map_spaces[1:]:
        yield (
            f"Maps in {', '.join(others)} follow NSD's transforms: Catmull-Rom interpolation of "
            "modelled voxels (on surfaces at three cortical depths, averaged; fsaverage takes the "
            "nearest native vertex), labels by winner-take-all. Voxels and vertices with less "
            "than half of their linear interpolation weight in modelled voxels have no value. The "
            "interpolation overshoots at edges, so that a correlation can exceed 1."
        )
    for analysis in enabled(study).values():
        yield from analysis.methods(study)


def _variants_in_words(study: Configuration) -> Iterator[str]:
    described = {name: _variant(study, variant) for name, variant in study.variants.items()}
    if described:
        yield (
            "Variants. The same models were fitted with other images or settings: "
            + "; ".join(f"{name}: {words}" for name, words in described.items())
            + ". Subsets apply to training and test images."
            + "".join(
                f" {' and '.join(names)} have equally many images."
                for names in study.matched_variants
            )
        )


def _variant(study: Configuration, variant: VariantSettings) -> str:
    """Describe how a variant differs from the study."""
    own = variant.encoding(study.encoding)
    words = [_split(study, variant.split(study.splits)).rstrip(".")] if variant.splits else []
    if variant.subset is not None:
        preposition = "with" if variant.subset.present else "without"
        words.append(f"images {preposition} {variant.subset.category}")
    if variant.training_images is not None:
        words.append(f"{variant.training_images} training images")
    words += [
        OWN[getattr(own, key)]
        for key in ("penalty", "scaling")
        if getattr(own, key) != getattr(study.encoding, key)
    ]
    return ", ".join(words) or "no difference"


def _weightings(encoding: EncodingSettings) -> str:
    if encoding.penalty == "single":
        return ""
    return f" and, for joint models, one of {encoding.band_weight_samples} band weightings,"


def _tests(significance: SignificanceSettings) -> str:
    tests = describe_tests(significance.test, significance.resample, significance.draws)
    return (
        f"Test of models: {tests['models']}. Test of unique and shared variance: "
        f"{tests['components']}"
    )


def _split(study: Configuration, splits: SplitSettings) -> str:
    which = (
        "shared by all subjects" if study.dataset is None else "that the dataset marks as shared"
    )
    return {
        "shared1000": f"The images {which} are test images, all others training images.",
        "shared515": "The images that all subjects saw three times are test images, all others "
        "training images.",
        "random": f"A random {splits.test_fraction:.0%} of each subject's images are test images, "
        "all others training images.",
        "clusters": f"Images were clustered by their features in {splits.space} (k-means, "
        f"{splits.clusters} clusters); test images are complete clusters with about "
        f"{splits.test_fraction:.0%} of the images, all others are training images.",
    }.get(
        splits.test,
        f"Training and test images are those of the table {splits.test}; images that it does not "
        "list were left out.",
    )


def _images_of(selected: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return {subject: its images}, without those of variants."""
    return {
        subject: taken["images"][WHOLE]
        for subject, taken in selected.items()
        if WHOLE in taken.get("images", {})
    }


def _numbers(selected: Mapping[str, Mapping[str, Any]]) -> str:
    """Write how many images each subject was trained and tested on."""
    counts = [
        f"{subject} {images['n_train']:,} and {images['n_test']:,}"
        for subject, images in _images_of(selected).items()
    ]
    return f"Numbers of training and test images: {', '.join(counts)}. " if counts else ""


def _folds(study: Configuration, selected: Mapping[str, Mapping[str, Any]]) -> str:
    """Return how folds were made: as recorded, else as configured."""
    made = [images["folds"] for images in _images_of(selected).values()]
    return made[0] if made else study.splits.fold_order


def _reduction(settings: PrincipalComponents | RandomProjection) -> str:
    if isinstance(settings, RandomProjection):
        return f"sparse random projection to {settings.components} features"
    whitened = "whitened " if settings.whiten else ""
    if settings.components >= 1:
        return f"{settings.components:.0f} {whitened}principal components of the training images"
    return (
        f"{whitened}principal components that explain {settings.components:.0%} of the variance "
        "of the training images"
    )
