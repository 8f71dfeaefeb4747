"""What every column of the result tables means: used by sidecars and report alike."""

from __future__ import annotations

from pipeline.families import (
    AGREEMENT_FAMILY,
    CORNER_FAMILY,
    FAMILY,
    REGIONS_FAMILY,
)

# of the Parquet tables, one per atlas
ROI_COLUMN = "roi_{}"
COLUMNS = {
    "subject": "NSD subject; 'mean' over subjects where two studies are compared",
    "variant": "which images train and test, and how: `all` is the whole study; others are of the "
    "configuration's `variants`",
    "model": "encoding model: its feature spaces, joined by +; of tests over subjects also 'A less "
    "B': the paired difference of two models' R²",
    "contrast": "contrast whose variance is partitioned",
    "attribute": "what may tell the feature spaces of a contrast apart",
    "status": "differs between the spaces, held, or not stated (of a network without `facts`)",
    "values": "what the attribute is of each space",
    "component": "feature space alone: its unique variance; spaces joined by &: variance that "
    "exactly these share; 'joint': R² of the model of all spaces; 'stacked': R² of the spaces' "
    "own models weighed by held-out errors; 'product:' and a space: what of the joint model's R² "
    "the product measure gives the space ('product:offset': what differing means of training and "
    "test responses cost it); of tests over subjects also 'A less B': the paired difference of "
    "their unique variance, with two spaces that of their models' R²",
    "atlas": "NSD's ROI collection, or 'all'",
    "roi": "region of interest, both hemispheres; 'all' for every modelled voxel",
    "weights": "pretrained, or which spaces of the row are untrained or have nothing to train",
    "data": "measured, or simulated",
    "network": "comparison of the layers of one network, as the configuration names it",
    "layer": "feature space that is fitted as a model of its own",
    "layer_number": "its place among the layers, from 1",
    "n_voxels": "voxels that the row is of",
    "n_excluded": "voxels left out: invalid in a session, or without variance",
    "mean_r": "mean over voxels of the test correlation (Pearson)",
    "median_r": "median over voxels of the test correlation",
    "mean_r2": "mean over voxels of the test R², signed",
    "lower_quartile_r2": "lower quartile over voxels of the test R²",
    "upper_quartile_r2": "upper quartile over voxels of the test R²",
    "mean_cv_score": "mean over voxels of the cross-validated R² of training images",
    "n_preferring": "voxels with a preferred layer: with a reliability that suffices",
    "best_share": "share of these whose best cross-validated layer this is",
    "first_share": "share of those with a score above 0 for which this is the first layer that "
    "reaches the stated share (0.95 unless configured) of the best layer's score",
    "predictor": "what predicts the subject's patterns: an encoding model, or another subject's "
    "brain (ridge on its responses to the same images, cross-validated among the test images that "
    "both saw)",
    "first": "encoding model; of similarities the first feature space or ROI",
    "second": "encoding model, or the subject whose brain predicts (see `predictor`); of "
    "similarities the second feature space or ROI",
    "n_images": "images that the row is of",
    "accuracy": "share of images that are identified: of all images' predicted patterns over the "
    "ROI's voxels (reliability at least 0.1 unless configured) their own correlates best with "
    "the measured one",
    "chance": "1 / n_images",
    "mean_image_r": "mean over images of the correlation over voxels of predicted and measured "
    "pattern",
    "lower_quartile_image_r": "lower quartile over images of that correlation",
    "median_image_r": "median of it",
    "upper_quartile_image_r": "upper quartile of it",
    "best_images": "0-based NSD indices of the images with the highest of these, best first",
    "worst_images": "of those with the lowest, worst first",
    "accuracy_first": "share of the images that `first` identifies",
    "accuracy_second": "share of the images that `second` identifies",
    "observed_agreement": "share of the images that both identify or both miss",
    "expected_agreement": "that share if misses were independent, from the accuracies alone",
    "kappa": "Cohen's κ, (observed - expected) / (1 - expected); n/a if both identify all or none. "
    "Both predictors are judged by the same noisy responses, whose noise it counts as shared "
    "error: it is to be compared with kappa_independent, not with 0",
    "kappa_independent": "the κ of two predictors of these accuracies whose own errors are "
    "independent, so that they share the target and its noise alone: mean over simulated targets "
    "(normal signals with the covariance of the measured patterns less that of the noise, and "
    "noise patterns from repeated trials) and predictors (see "
    "`encoding.identification.independent_errors`); too large rather than too small where the "
    "signal is weak and voxels are as many as images",
    "kappa_lower": "lower end of its bootstrap interval over images",
    "kappa_upper": "upper end of its bootstrap interval over images",
    "training_images": "images that the model is fitted on; the largest number is all that train",
    "n_draws": "draws of training images of that number; draws of one series are nested",
    "deviation_r": "standard deviation of mean_r over these draws",
    "deviation_r2": "standard deviation of mean_r2 over these draws",
    "score": "of learning curves r or r2; of images the scalar product of the scaled features with "
    "the component, or with the mean of the group's weights, less that of all analysed voxels",
    "outcome": "whether `second`, which is ahead with the most images, overtakes `first` or is "
    "ahead at every size",
    "overtaking_images": "number of training images from which on `second` stays ahead, "
    "interpolated on a logarithmic axis between measured sizes; n/a if it is ahead at every size",
    "overtaking_lower": "lower end of its bootstrap interval over test images; 0: ahead at every "
    "size, inf: not ahead with the most images",
    "overtaking_upper": "upper end of it; 0 and inf as for the lower",
    "share_of_draws": "share of these draws of test images in which `second` overtakes `first`",
    "smallest_size": "smallest number of training images",
    "largest_size": "largest number of training images",
    "mean_ceiling": "mean over voxels of the noise ceiling of the actual test images, signed (see "
    "`noise_ceiling`)",
    "mean_ceiling_error": "mean over voxels of the standard error of the noise ceiling: the "
    "standard error of mean_ceiling is at most this, and near it where voxels vary together",
    "mean_correlation_ceiling": "mean over voxels of the square root of the noise ceiling (0 where "
    "that is below 0), the bound of r",
    "mean_reliability": "mean over voxels of `reliability`",
    "mean_normalised_r": "mean of r over mean of √(noise ceiling), of voxels with a reliability of "
    "at least 0.1; not clipped",
    "mean_normalised_r2": "mean of R² over mean of the noise ceiling, of these voxels; not clipped",
    "n_explainable": "voxels with a reliability of at least 0.1",
    "n_significant": f"voxels with q ≤ 0.05 (false discovery rate over the {FAMILY}): r by "
    "Student's t of the correlation with normal scores (ranks) of the "
    "responses, which is what permuted images give, components by sign flips of paired losses "
    "(tail by saddlepoint), with `resample: clusters` both by sign flips of whole clusters; or, "
    "with `significance.test: bootstrap`, R² and components by the bootstrap's draws; one-sided. "
    "Joint variance and the product measure are not tested",
    "joint_below_share": "share of the voxels where the joint model's test R² is below that of its "
    "best part (a model of fewer spaces); of the row 'joint' alone",
    "joint_below_mean": "by how much it is below there, mean over these voxels (test R²)",
    "mean": "mean over subjects of the ROI's mean (test R²)",
    "standard_error": "of that mean, over subjects or experiments",
    "t": "one-sample t over subjects",
    "p_t": "of t, two-sided",
    "q_t": f"false discovery rate (Benjamini & Hochberg) of p_t over {REGIONS_FAMILY}",
    "q_sign_flip": f"the same of p_sign_flip, over {REGIONS_FAMILY}",
    "family": "which tests over subjects q_t and q_sign_flip cover, all regions together: of a "
    "contrast its components and their differences, or R² of its joint and stacked model, or its "
    "product measure; or R² of all models; or all differences of models. Other families, and other "
    "variants, are not covered",
    "n_tests": "tests of the family that q is over",
    "p_sign_flip": "of all sign flips of the subjects, two-sided; not below 2 / 2^n_subjects",
    "n_subjects": "subjects with the ROI",
    "n_positive": "of these with a mean above 0",
    "mean_variance": "mean over voxels of the component (test R²), signed",
    "median_variance": "median over voxels of the component",
    "lower_quartile_variance": "lower quartile over voxels of the component",
    "upper_quartile_variance": "upper quartile over voxels of the component",
    "published": "mean over voxels of the component (test R²) in the study as published",
    "corrected": "the same in the study as corrected",
    "difference": "corrected less published",
    "published_voxels": "voxels of that mean, as published",
    "corrected_voxels": "the same, as corrected",
    "published_significant": "share of these voxels with q ≤ 0.05, by the published study's test",
    "corrected_significant": "the same, as corrected",
    "best_r": "largest test correlation of a voxel; picked on the test data, so biased upward",
    "best_r2": "largest test R² of a voxel; picked on the test data, so biased upward",
    "r_of_99th_percentile": "99th percentile of the voxels' test correlations",
    "best_voxel": "voxel with the largest test correlation: its three indices (0-based) into the "
    "map, or hemisphere and vertex; none if no voxel has a score",
    "best_voxel_rois": "ROIs of that voxel",
    "best_voxel_ceiling": "noise ceiling of that voxel",
    "best_voxel_ceiling_error": "its standard error",
    "median_released_ncsnr": "median over voxels of the signal-to-noise ratio that NSD released",
    "median_recomputed_ncsnr": "the same, recomputed from the betas",
    "largest_noise_difference": "largest difference over voxels of the single-trial noise "
    "variance, 1 / (1 + ncsnr²), between the two",
    "group": "voxel group of the simulation",
    "perfect": "planted variance: the partition that a perfect fit would find",
    "oracle": "the partition of a ridge with as many images that knows the best penalties",
    "recovered": "the partition that this pipeline found",
    "spearman": "rank correlation over voxels of recovered with oracle",
    "false_positives": "share of voxels without signal whose test correlation is significant "
    "at 5 %, one-sided",
    "voxel": "C-order index into the volume (X, Y, Z), or into left then right vertices; 0-based",
    "x": "first index into the map, from left to right; 0-based",
    "y": "second index into the map, from posterior to anterior; 0-based",
    "z": "third index into the map, from inferior to superior; 0-based",
    "surface_hemisphere": "lh or rh, of responses on surfaces",
    "vertex": "vertex of that hemisphere; 0-based",
    ROI_COLUMN: "label of {}; empty where there is none, several are joined by a comma",
    "noise_ceiling": "explainable share of the variance of the responses to the actual test "
    "images, 1 - mean(σ² / n) / variance, with n repeats of an image and the variance σ² of a "
    "single trial about its image's mean, measured on all images' trials; signed: below 0 where "
    "the test responses vary less than noise alone would on average",
    "noise_ceiling_error": "its standard error over draws of as many test images (delta method on "
    "the sample variance; σ² taken as known)",
    "reliability": "explainable share expected of images of the whole study with the test images' "
    "repeats, by NSD's ncsnr: ncsnr² / (ncsnr² + mean(1 / n)); voxels are chosen by it, as it does "
    "not look at the test responses",
    "r": "Pearson correlation of measured and predicted test responses",
    "r2": "coefficient of determination of the test responses, signed",
    "r_lower": "lower end of the bootstrap interval of r over test images",
    "r_upper": "upper end of it",
    "r2_lower": "lower end of the bootstrap interval of R² over test images",
    "r2_upper": "upper end of it",
    "variance_lower": "lower end of the component's bootstrap interval over test images",
    "variance_upper": "upper end of it",
    "cv_score": "cross-validated R² of the training responses",
    "alpha": "ridge penalty that cross-validation picked",
    "variance": "variance of the test responses (R²), signed",
    "condition": "kind of simulated experiment",
    "statistic": "what was counted or averaged in each experiment",
    "value": "mean over the experiments",
    "lowest": "least value that is in order; n/a if none",
    "highest": "largest value that is in order; n/a if none",
    "verdict": "as it should be (within two standard errors of these bounds), off, or shown: a "
    "bias that is known and not judged",
    "n_experiments": "experiments in the mean",
    "explained": "share of the variance of the weights that the component explains",
    "cumulative_explained": "of this component and all before it",
    "permuted_explained": "the same of weights fitted after the images were permuted, mean over "
    "draws: what the feature space, and correlations between voxels, make of chance",
    "p_explained": "share of draws of permuted images whose component of this rank explains as "
    "much, p = (k + 1) / (B + 1), one-sided, not corrected",
    "n_permutations": "draws of permuted images (B), the models fitted anew in each",
    "sign_margin": "cosine of component and mean weights; the sign, which is that of the mean "
    "weights, is arbitrary where it is near 0",
    "subspace": "one subject's components against those of all others: mean cos² of the principal "
    "angles between the spans of the components up to this one",
    "permuted_subspace": "the same of weights fitted after the images were permuted, mean over "
    "draws",
    "p_subspace": "share of draws of permuted images in which `subspace` is as large, "
    "p = (k + 1) / (B + 1), one-sided, not corrected",
    "cosine": "cosine of one subject's component and the others', matched one for one",
    "permuted_cosine": "the same of weights fitted after the images were permuted, mean over draws",
    "p_cosine": "share of draws of permuted images in which `cosine` is as large, "
    "p = (k + 1) / (B + 1), one-sided, not corrected",
    "correlation": "correlation over images of the scores on these two matched components",
    "permuted_correlation": "the same of weights fitted after the images were permuted, mean over "
    "draws",
    "p_correlation": "share of draws of permuted images in which `correlation` is as large, "
    "p = (k + 1) / (B + 1), one-sided, not corrected",
    "n_voxels_per_subject": "voxels of the best reliability of each subject whose weights are "
    "analysed",
    "grouping": "component of the weights; tree: voxels above (+) and below (-) 0 on one component "
    "after another, 0 where the component does not split; cluster: of directions of weights",
    "name": "of the component, branch or cluster",
    "side": "top: largest scores, bottom: smallest, even: evenly spaced by rank",
    "rank": "from 1; of bottom images 1 has the smallest score",
    "nsd_id": "0-based index of the image in nsd_stimuli.hdf5; no model was trained on it",
    "captions": "COCO's captions of the image, of the uncropped picture",
    "level": "category or supercategory of COCO",
    "label": "COCO's name of it",
    "share": "of the row's images, or of the group's voxels",
    "base_rate": "the same share of all images that have a score, or of all analysed voxels",
    "odds_ratio": "of having the label: the row's images against all others",
    "p": "probability of such a value by chance: of r and of components of variance as "
    "`n_significant` says, one-sided; of labels Fisher's exact test, "
    "two-sided; of corner pairs by permutation of the images, two-sided; of agreements by "
    "permutation of the images of one of the two, one-sided",
    "q": f"false discovery rate (Benjamini & Hochberg) of p: of voxels over the {FAMILY}; of "
    "labels over all of a level, both sides and all components, all branches or all clusters; of "
    f"corner pairs over {CORNER_FAMILY}; of agreements over {AGREEMENT_FAMILY}",
    "n_clusters": "clusters of the k-means",
    "adjusted_rand": "agreement of the subject's own clusters with those by the others' centres; 0 "
    "by chance, 1 if they are the same",
    "silhouette": "of the clusters of all subjects, mean over voxels, in [-1, 1]",
    "predicted": "mean over the ROI's voxels of the predicted response",
    "measured": "the same of the measured response",
    "measured_rank": "rank of the image by measured response, from 1",
    "kind": "what is compared",
    "comparison": "of all pairs' similarities, which are Pearson correlations of patterns",
    "agreement": "of the two representations' similarities of all pairs of images",
    "agreement_lower": "lower end of its interval (jackknife over images)",
    "agreement_upper": "upper end of it",
    "lower_ceiling": "mean over subjects of the agreement of their ROI with the others' mean",
    "upper_ceiling": "with the mean of all subjects, oneself included: no model can exceed it",
    "n_voxels_first": "voxels of the first, if it is a ROI",
    "n_voxels_second": "voxels of the second, if it is a ROI",
    "corner": "pairs of images that both, one, or none of the two feature spaces finds alike: "
    "above the upper percentile of one's similarities, below the lower of the other's",
    "n_pairs": "pairs of images in the corner",
    "similarity": "mean similarity of these pairs in the ROI",
    "baseline_similarity": "of all pairs",
    "similarity_difference": "of the two",
}
