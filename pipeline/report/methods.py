"""The methods paragraph, with the parameters that were really used."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from pipeline.analyses.registry import ANALYSES
from pipeline.configuration.features import PrincipalComponents, RandomProjection
from pipeline.configuration.fits import EncodingSettings, SignificanceSettings
from pipeline.configuration.study import Configuration
from pipeline.configuration.variants import VariantSettings
from pipeline.fits.described_tests import describe_tests
from pipeline.fits.families import FAMILY, GROUP_FAMILY
from pipeline.tables.tables import LEVEL

SCALING = {
    "zscore": "Features were z-scored on training images (units quieter than a tenth of their "
    "space's root mean square deviation are not amplified further) and every feature space scaled "
    "to the same total variance.",
    "zscore_unfloored": "Features were z-scored on training images, however quiet they are, and "
    "every feature space scaled to the same total variance.",
    "center": "Features were centred on training images, and not scaled.",
}
PENALTY = {
    "banded": "Banded ridge (Nunez-Elizalde et al. 2019; Dupré la Tour et al. 2022; {solver})",
    "single": "Ridge on concatenated features ({solver})",
}
MISSING = {
    "exclude": "NaN and left out",
    "available": "fitted and scored on the images that they have",
}
SOLVER = {"native": "this project's solver", "himalaya": "himalaya's solver"}
FOLDS = {"shuffled": "", "listed": "; folds are neighbours by image number"}
SEARCH = {
    "exact": "{folds}-fold cross-validation",
    "windowed": "{folds}-fold cross-validation of those that generalised cross-validation "
    "(Golub et al. 1979) left in contention, and of all where the two disagreed,",
}


# {as it is cited: in full}; only those that a text cites are listed below it
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


def references(paragraphs: Sequence[str]) -> list[str]:
    """In full, in alphabetical order, what the paragraphs cite."""
    text = " ".join(paragraphs)
    known = itertools.chain(REFERENCES.items(), *(a.references.items() for a in ANALYSES.values()))
    return [full for cited, full in sorted(known) if cited in text]


def methods_paragraphs(study: Configuration, weights: Mapping[str, str] | None = None) -> list[str]:
    """Sentences for a paper, from the configuration.

    Parameters
    ----------
    weights : {feature space: its network's weights}, as loaded; what was asked for is not told
    """
    loaded = weights or {}
    responses, encoding = study.responses, study.encoding
    networks = "; ".join(
        f"{space}: {study.networks[settings.network].library} "
        f"{study.networks[settings.network].architecture}, layer {settings.layer}"
        + (f", pooled by {settings.pooling}" if settings.pooling else "")
        + (f", {_reduction(settings.reduction)}" if settings.reduction else "")
        + (f", weights: {loaded[space]}" if space in loaded else "")
        for space, settings in study.feature_spaces.items()
        if space in study.used_spaces
    )
    return [
        f"Responses. Single-trial betas of the Natural Scenes Dataset (Allen et al. 2022; "
        f"{responses.betas}, {responses.space}, voxels of {responses.mask}) were "
        f"z-scored within {responses.zscore_within} over {responses.zscore_trials} trials and "
        "averaged over the repeats of each image. Voxels that a session did not cover are "
        f"{MISSING[encoding.missing_images]}. Noise ceilings are those of the "
        "actual test images: 1 - mean(σ² / n) / variance of their responses, with n repeats of an "
        "image and σ², the variance of single trials about their image's mean, over all images. "
        "Voxels are chosen by their reliability, the noise ceiling that the NSD Data Manual "
        "expects of such repeats (from ncsnr), which looks at no test response.",
        f"Features. {networks}. Captions are averaged per image.",
        f"Encoding models. {_split(study)} {SCALING[encoding.scaling]} {_picked(study)}"
        f"{FOLDS[study.splits.fold_order]}.",
        f"Significance. Intervals ({study.significance.level:.0%}) are expanded percentiles "
        "(Hesterberg 2015) of "
        f"{study.significance.draws} bootstrap draws of test {study.significance.resample}, shared "
        "by all models and voxels; they tell the uncertainty of sampling test images, not "
        f"subjects. {_tests(study.significance)}. The false discovery "
        f"rate (Benjamini & Hochberg 1995) is over the {FAMILY}: every map is a family of its own.",
        "Variance partitioning. Unique variance of A is R²(all) - R²(all without A) on test "
        "images; shared variance follows by commonality analysis. Values are signed and components "
        "sum to R² of the joint model. The product measure splits that R² among the spaces without "
        "another fit.",
        *_of_analyses(study),
        *_of_variants(study),
    ]


def calibration_sentence(study: Configuration) -> str:
    """How experiments of known truth were analysed: as the study's own voxels are."""
    encoding, significance = study.encoding, study.significance
    return (
        f"They were analysed with this study's own settings. {SCALING[encoding.scaling]} "
        f"{_picked(study)}; folds are drawn. Intervals ({significance.level:.0%}) are of "
        f"{significance.draws} bootstrap draws; {_tests(significance)}."
    )


def _picked(study: Configuration) -> str:
    """By what every voxel's penalty was picked, and from which."""
    encoding = study.encoding
    return (
        f"{PENALTY[encoding.penalty].format(solver=SOLVER[encoding.solver])} "
        f"picked for every voxel one of {encoding.alphas.number} penalties between "
        f"{encoding.alphas.minimum:g} and {encoding.alphas.maximum:g}{_weightings(encoding)} by "
        f"{SEARCH[encoding.search].format(folds=study.splits.folds)} on training images"
    )


def _of_analyses(study: Configuration) -> Iterator[str]:
    """Sentences on what the study switches on beyond encoding models and comparisons."""
    if len(study.subjects) > 1:
        yield (
            "Group. The subject is the unit: means of each region are tested over "
            f"{len(study.subjects)} subjects by a one-sample t-test and by all flips of the "
            "subjects' signs, two-sided, each with the false discovery rate over all regions and: "
            "a comparison's components and their differences; R² of its joint and stacked models; "
            "its product measure; R² of all models; all differences of models. Maps are tested by "
            f"t, with the false discovery rate (q ≤ {LEVEL}) over the {GROUP_FAMILY}."
        )
    if others := study.map_spaces[1:]:
        yield (
            f"Maps in {', '.join(others)} follow NSD's transforms: Catmull-Rom interpolation of "
            "modelled voxels (on surfaces at three cortical depths, averaged; fsaverage takes the "
            "nearest native vertex), labels by winner-take-all. Places with less than half of "
            "their linear weight in modelled voxels have no value. Such interpolation overshoots "
            "at edges: a correlation can come out above 1."
        )
    for analysis in ANALYSES.values():
        yield from analysis.methods(study)


def _of_variants(study: Configuration) -> Iterator[str]:
    told = {name: _variant(study, variant) for name, variant in study.variants.items()}
    if told:
        yield (
            "Variants. The same fits with other images or settings: "
            + "; ".join(f"{name}: {words}" for name, words in told.items())
            + ". Subsets hold for training and test images."
            + "".join(
                f" {' and '.join(names)} have as many images." for names in study.matched_variants
            )
        )


def _variant(study: Configuration, variant: VariantSettings) -> str:
    """What differs from the study as a whole."""
    own = variant.encoding(study.encoding)
    words = []
    if variant.subset is not None:
        shown = "with" if variant.subset.present else "without"
        words.append(f"images {shown} {variant.subset.category}")
    if variant.training_images is not None:
        words.append(f"{variant.training_images} training images")
    words += [
        f"{key} {getattr(own, key)}"
        for key in ("penalty", "scaling")
        if getattr(own, key) != getattr(study.encoding, key)
    ]
    return ", ".join(words) or "as the study"


def _weightings(encoding: EncodingSettings) -> str:
    if encoding.penalty == "single":
        return ""
    return f" and, for joint models, one of {encoding.band_weight_samples} band weightings,"


def _tests(significance: SignificanceSettings) -> str:
    told = describe_tests(significance.test, significance.resample, significance.draws)
    return (
        f"p of a model is: {told['models']}. p of unique and shared variance: {told['components']}"
    )


def _split(study: Configuration) -> str:
    splits = study.splits
    return {
        "shared1000": "Images shared by all subjects test, all others train.",
        "shared515": "Images that all subjects saw three times test, all others train.",
        "random": f"A random {splits.test_fraction:.0%} of each subject's images test, all others "
        "train.",
        "clusters": f"Whole clusters of images that are alike in {splits.space} (k-means, "
        f"{splits.clusters} clusters) test, about {splits.test_fraction:.0%} of the images; all "
        "others train.",
    }[splits.test]


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
