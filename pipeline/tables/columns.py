"""What columns of the result tables mean; those of optional analyses are in their folders."""

from __future__ import annotations

from pipeline.fits.families import FAMILY, REGIONS_FAMILY

# of the Parquet tables, one per atlas
ROI_COLUMN = "roi_{}"
COLUMNS = {
    "subject": "NSD subject; 'mean' over subjects where two studies are compared",
    "variant": "which images train and test, and how: `all` is the whole study; others are of the "
    "configuration's `variants`",
    "model": "encoding model: its feature spaces, joined by +; of tests over subjects also 'A less "
    "B': the paired difference of two models' R²",
    "comparison": "comparison whose variance is partitioned",
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
    "n_voxels": "voxels that the row is of",
    "n_excluded": "voxels left out: invalid in a session, or without variance",
    "mean_r": "mean over voxels of the test correlation (Pearson)",
    "median_r": "median over voxels of the test correlation",
    "mean_r2": "mean over voxels of the test R², signed",
    "lower_quartile_r2": "lower quartile over voxels of the test R²",
    "upper_quartile_r2": "upper quartile over voxels of the test R²",
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
    "comparison its components and their differences, or R² of its joint and stacked model, or its "
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
    "p": "probability of such a value by chance, one-sided: of r and of components of variance as "
    "`n_significant` says",
    "q": f"false discovery rate (Benjamini & Hochberg) of p over the {FAMILY}",
}
