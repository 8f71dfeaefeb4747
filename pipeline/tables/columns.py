"""What every column of the result tables means: used by sidecars and report alike."""

from __future__ import annotations

COLUMNS = {
    "subject": "NSD subject; 'mean' over subjects where two studies are compared",
    "variant": "which images train and test, and how: `all` is the whole study; others are of the "
    "configuration's `variants`",
    "model": "encoding model: its feature spaces, joined by +",
    "contrast": "contrast whose variance is partitioned",
    "attribute": "what may tell the feature spaces of a contrast apart",
    "status": "differs between the spaces, held, or not stated (of a network without `facts`)",
    "values": "what the attribute is of each space",
    "component": "feature space alone: its unique variance; spaces joined by &: variance that "
    "exactly these share; 'joint': R² of the model of all spaces; 'product:' and a space: what of "
    "that R² the product measure gives the space ('product:offset': what differing means of "
    "training and test responses cost it)",
    "atlas": "NSD's ROI collection, or 'all'",
    "roi": "region of interest, both hemispheres; 'all' for every modelled voxel",
    "weights": "pretrained, or the networks of the row whose weights are untrained",
    "data": "measured, or simulated",
    "network": "comparison of the layers of one network, as the configuration names it",
    "layer": "feature space that is fitted as a model of its own",
    "layer_number": "its place among the layers, from 1",
    "n_voxels": "voxels in the row's means",
    "n_excluded": "voxels left out: invalid in a session, or without variance",
    "mean_r": "mean over voxels of the test correlation (Pearson)",
    "median_r": "median over voxels of the test correlation",
    "mean_r2": "mean over voxels of the test R², signed",
    "mean_cv_score": "mean over voxels of the cross-validated R² of training images",
    "n_preferring": "voxels with a preferred layer: with a noise ceiling that suffices",
    "best_share": "share of these whose best cross-validated layer this is",
    "first_share": "share of those with a score above 0 for which this is the first layer that "
    "reaches the stated share (0.95 unless configured) of the best layer's score",
    "predictor": "what predicts the subject's patterns: an encoding model, or another subject's "
    "brain (ridge on its responses to the same images, cross-validated among the test images that "
    "both saw)",
    "first": "encoding model",
    "second": "encoding model, or the subject whose brain predicts (see `predictor`)",
    "n_images": "images in the row",
    "accuracy": "share of images that are identified: of all images' predicted patterns over the "
    "ROI's voxels (noise ceiling at least 0.1 unless configured) their own correlates best with "
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
    "kappa": "Cohen's κ, (observed - expected) / (1 - expected); n/a if both identify all or none",
    "kappa_lower": "lower end of its bootstrap interval over images",
    "kappa_upper": "upper end of its bootstrap interval over images",
    "training_images": "images that the model is fitted on; the largest number is all that train",
    "n_draws": "draws of training images of that number; draws of one series are nested",
    "deviation_r": "standard deviation of mean_r over these draws",
    "deviation_r2": "standard deviation of mean_r2 over these draws",
    "score": "r, or r2",
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
    "mean_ceiling": "mean over voxels of the noise ceiling (share of variance, for the repeats "
    "of the actual test images)",
    "mean_correlation_ceiling": "mean over voxels of the square root of the noise ceiling, "
    "the bound of r",
    "mean_normalised_r": "mean of r / √(noise ceiling) over voxels with a ceiling of at least "
    "0.1; not clipped",
    "mean_normalised_r2": "mean of R² / (noise ceiling) over these voxels; not clipped",
    "n_explainable": "voxels with a noise ceiling of at least 0.1",
    "n_significant": "voxels with q ≤ 0.05 (false discovery rate over the voxels of one map of "
    "one subject): r by permutation of images, unique variance by sign flips of paired losses, or, "
    "with `significance.test: bootstrap`, R² and unique variance by the bootstrap's draws; shared "
    "and joint variance are not tested",
    "joint_below_share": "share of the voxels where the joint model's test R² is below that of its "
    "best part (a model of fewer spaces); of the row 'joint' alone",
    "joint_below_mean": "by how much it is below there, mean over these voxels (test R²)",
    "mean": "mean over subjects of the ROI's mean",
    "standard_error": "of that mean, over subjects or experiments",
    "t": "one-sample t over subjects",
    "p_t": "of t, two-sided",
    "p_sign_flip": "of all sign flips of the subjects, two-sided; not below 2 / 2^n_subjects",
    "n_subjects": "subjects with the ROI",
    "n_positive": "of these with a mean above 0",
    "mean_variance": "mean over voxels of the component (test R²), signed",
    "median_variance": "median over voxels of the component",
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
    "map, or hemisphere and vertex",
    "best_voxel_rois": "ROIs of that voxel",
    "best_voxel_ceiling": "noise ceiling of that voxel",
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
    "condition": "kind of simulated experiment",
    "statistic": "what was counted or averaged in each experiment",
    "value": "mean over the experiments",
    "lowest": "least value that is in order; n/a if none",
    "highest": "largest value that is in order; n/a if none",
    "verdict": "as it should be (within two standard errors of these bounds), off, or shown: a "
    "bias that is known and not judged",
    "n_experiments": "experiments in the mean",
}
