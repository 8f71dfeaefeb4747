"""Descriptions of the columns of tables; those of optional analyses are in their folders."""

from __future__ import annotations

from pipeline.fits.families import FAMILY, REGIONS_FAMILY

# column of the Parquet tables, one per atlas
ROI_COLUMN = "roi_{}"
# level of intervals, for descriptions
LEVEL = "95 %, or as set by `significance.level`"
INTERVAL = f"bootstrap interval ({LEVEL}) over test images"
# tests of a model and of components, for descriptions
MODEL_TEST = (
    "one-sided, by Student's t of the correlation with normal scores (ranks) of the responses, "
    "which approximates permutation of images; with `significance.resample: clusters` by sign "
    "flips of image clusters, with `significance.test: bootstrap` by bootstrap draws of R²"
)
COMPONENT_TEST = (
    "one-sided, by sign flips of paired squared errors (tail by saddlepoint approximation); with "
    "`significance.resample: clusters` by sign flips of image clusters, with `significance.test: "
    "bootstrap` by bootstrap draws"
)
COMPONENT = (
    "component of test R²: a feature space (its unique variance), or spaces joined by & (variance "
    "that exactly these share)"
)
ALL_COMPONENTS = (
    f"{COMPONENT}; 'joint': R² of the model with all spaces; 'stacked': R² of the weighted sum of "
    "the single spaces' models, weighted by held-out errors; 'product:' and a space: part of the "
    "joint model's R² that the product measure attributes to the space ('product:offset': R² lost "
    "because training and test responses have different means)"
)
NO_SCORE = "because they have no score: not valid in every session, or without variance"
# {column: description}; `table.column` is for one of the tables that have the column
COLUMNS = {
    "subject": "subject, as the dataset names them",
    "preset_differences.subject": "subject, as the dataset names them, or 'mean' for "
    "the means over subjects",
    "variant": "variant of the study: `all` uses all images and the study's settings; others are "
    "described in the configuration under `variants`",
    "model": "encoding model: its feature spaces, joined by +",
    "models.model": "encoding model: its feature spaces, joined by +; or 'A minus B', the paired "
    "difference of two models' R²",
    "comparison": "name in the configuration of the comparison of feature spaces",
    "component": COMPONENT,
    "partitions.component": ALL_COMPONENTS,
    "preset_differences.component": ALL_COMPONENTS,
    "group.component": f"{ALL_COMPONENTS}; or 'A minus B': the paired difference of two spaces' "
    "unique variance, which in a comparison of two spaces equals the difference of their models' "
    "R²",
    "atlas": "ROI collection of the dataset, composite (composite ROIs), or all",
    "roi": "region of interest, both hemispheres together; all: every modelled voxel",
    "weights": "weights of the networks: pretrained, or which feature spaces of the row have "
    "untrained networks, networks without weights, or features that were given as a file, with the "
    "first 12 digits of the file's SHA-256",
    "data": "measured or simulated responses",
    "n_voxels": "number of voxels over which the row's values are computed",
    "n_excluded": f"number of the region's voxels that are left out of n_voxels {NO_SCORE}",
    "best_voxels.n_excluded": f"number of modelled voxels that are left out of n_voxels {NO_SCORE}",
    "mean_r": "mean over n_voxels voxels of the test correlation (Pearson r of measured and "
    "predicted test responses, -1 to 1)",
    "median_r": "median over n_voxels voxels of the test correlation (Pearson r, -1 to 1)",
    "mean_r2": "mean over n_voxels voxels of the test R² (coefficient of determination, at most 1, "
    "can be negative)",
    "lower_quartile_r2": "lower quartile over n_voxels voxels of the test R² (at most 1)",
    "upper_quartile_r2": "upper quartile over n_voxels voxels of the test R² (at most 1)",
    "mean_ceiling": "mean over n_voxels voxels of the noise ceiling (explainable fraction of the "
    "variance of the responses to the test images, at most 1, can be negative)",
    "mean_ceiling_error": "mean over n_voxels voxels of the standard error of the noise ceiling; "
    "an upper bound of the standard error of mean_ceiling, close to it if voxels vary together",
    "mean_correlation_ceiling": "mean over n_voxels voxels of the upper bound of r (0 to 1): the "
    "square root of the noise ceiling, 0 if the noise ceiling is below 0",
    "mean_reliability": "mean over n_voxels voxels of the reliability (0 to 1): explainable "
    "fraction of response variance expected from the dataset's ncsnr and the test images' "
    "numbers of repeats",
    "mean_normalised_r": "mean of r divided by mean of √(noise ceiling), both over the "
    "n_explainable voxels; 1 is the best possible, not clipped",
    "mean_normalised_r2": "mean of R² divided by mean of the noise ceiling, both over the "
    "n_explainable voxels; 1 is the best possible, not clipped",
    "n_explainable": "number of the n_voxels voxels with a reliability of at least 0.1",
    "n_significant": "number of the n_voxels voxels whose r has q ≤ 0.05 (false "
    f"discovery rate over the {FAMILY}), {MODEL_TEST}",
    "partitions.n_significant": "number of the n_voxels voxels whose component has q ≤ 0.05 (false "
    f"discovery rate over the {FAMILY}), {COMPONENT_TEST}; n/a for joint and stacked R² and the "
    "product measure, which are not tested",
    "joint_below_fraction": "fraction (0 to 1) of the n_voxels voxels whose joint model has a "
    "lower test R² than the best model with fewer of its spaces; n/a for components other than "
    "joint",
    "joint_below_mean": "mean over the voxels that joint_below_fraction counts of the best smaller "
    "model's test R² minus the joint model's; n/a for components other than joint",
    "mean": "mean over n_subjects subjects of the ROI's mean (test R²)",
    "standard_error": "standard error of `mean` over n_subjects subjects",
    "calibration.standard_error": "standard error of `value` over n_experiments experiments",
    "t": "one-sample t statistic over n_subjects subjects of the ROI's mean against 0",
    "p_t": "p of the one-sample t-test over n_subjects subjects, two-sided",
    "q_t": f"false discovery rate (Benjamini & Hochberg) of p_t over {REGIONS_FAMILY}",
    "q_sign_flip": "false discovery rate (Benjamini & Hochberg) of p_sign_flip over "
    f"{REGIONS_FAMILY}",
    "group.family": "family of tests, of one variant, over which q_t and q_sign_flip control the "
    "false discovery rate, all regions together: a comparison's components and their differences; "
    "R² of its joint and stacked models; or its product measure",
    "models.family": "family of tests, of one variant, over which q_t and q_sign_flip control the "
    "false discovery rate, all regions together: R² of all models, or all differences of models",
    "n_tests": "number of tests over which the false discovery rate of the row is computed",
    "p_sign_flip": "p of the ROI's mean over subjects against 0, by all sign flips of the "
    "n_subjects subjects, two-sided; at least 2 / 2^n_subjects",
    "n_subjects": "number of subjects who have the ROI",
    "n_positive": "number of the n_subjects subjects whose ROI mean is above 0",
    "mean_variance": "mean over n_voxels voxels of the component (test R², can be negative)",
    "median_variance": "median over n_voxels voxels of the component (test R², can be negative)",
    "lower_quartile_variance": "lower quartile over n_voxels voxels of the component (test R²)",
    "upper_quartile_variance": "upper quartile over n_voxels voxels of the component (test R²)",
    "published": "mean over published_voxels voxels of the component (test R²) in the study with "
    "the published settings",
    "corrected": "mean over corrected_voxels voxels of the component (test R²) in the study with "
    "the corrected settings",
    "difference": "`corrected` minus `published` (test R²)",
    "published_voxels": "number of voxels averaged in `published`",
    "corrected_voxels": "number of voxels averaged in `corrected`",
    "published_significant": "fraction (0 to 1) of the published_voxels voxels with q ≤ 0.05 by "
    "the published study's test",
    "corrected_significant": "fraction (0 to 1) of the corrected_voxels voxels with q ≤ 0.05 by "
    "the corrected study's test",
    "best_r": "largest test correlation (Pearson r) among the n_voxels voxels; selected on the "
    "test data, hence biased upward",
    "best_r2": "test R² of best_voxel, which was selected on the test data: biased upward",
    "r_of_99th_percentile": "99th percentile over n_voxels voxels of the test correlation (Pearson "
    "r)",
    "best_voxel": "voxel with the largest test correlation: its three 0-based indices into the "
    "volume, or hemisphere and vertex; none if no voxel has a score",
    "best_voxel_rois": "ROIs (atlas/roi) that contain best_voxel, or none",
    "best_voxel_ceiling": "noise ceiling (explainable fraction of test response variance, at most "
    "1) of best_voxel",
    "best_voxel_ceiling_error": "standard error of best_voxel_ceiling",
    "n_searched_exactly": "number of modelled voxels for which every penalty and band weighting "
    "was cross-validated; with `encoding.search: windowed`, for others only those that "
    "generalised cross-validation did not find far worse than the best",
    "median_released_ncsnr": "median over n_voxels voxels of the noise-ceiling signal-to-noise "
    "ratio (ncsnr) that NSD released",
    "median_recomputed_ncsnr": "median over n_voxels voxels of the noise-ceiling signal-to-noise "
    "ratio (ncsnr) recomputed from the betas",
    "largest_noise_difference": "largest absolute difference over n_voxels voxels between released "
    "and recomputed single-trial noise variance, 1 / (1 + ncsnr²)",
    "group": "group of voxels in the simulation, which share their planted variance",
    "perfect": "planted variance (test R²) of the component, mean over n_voxels voxels of "
    "the group: what a perfect fit would find",
    "oracle": "variance (test R²) of the component, mean over n_voxels voxels of the group, that a "
    "ridge regression finds with the same number of images and the best possible penalties; "
    "empty with `simulation.oracle: false`",
    "recovered": "variance (test R²) of the component, mean over n_voxels voxels of the "
    "group, that this pipeline found",
    "spearman": "rank correlation (-1 to 1) over voxels between recovered and oracle variance",
    "false_positives": "fraction (0 to 1) of voxels without signal whose test correlation is "
    "significant at 5 %, one-sided",
    "voxel": "0-based C-order index of the voxel into the volume (X, Y, Z), or into the left then "
    "the right vertices",
    "x": "first index into the volume, from left to right; 0-based",
    "y": "second index into the volume, from posterior to anterior; 0-based",
    "z": "third index into the volume, from inferior to superior; 0-based",
    "surface_hemisphere": "hemisphere of the vertex, lh or rh; only for responses on surfaces",
    "vertex": "0-based index of the vertex in its hemisphere; only for responses on surfaces",
    ROI_COLUMN: "ROI of {} that contains the voxel, empty if there is none; several are joined by "
    "a comma",
    "noise_ceiling": "explainable fraction (at most 1) of the variance of the responses to the "
    "test images: 1 - mean(σ² / n) / variance, with n repeats of an image and the variance σ² of "
    "single trials about their image's mean, measured on the trials of all images; below 0 if the "
    "test responses vary less than expected from noise alone",
    "noise_ceiling_error": "standard error of noise_ceiling over samples of test images (delta "
    "method on the sample variance, σ² taken as known)",
    "reliability": "explainable fraction (0 to 1) of response variance expected from the dataset's "
    "ncsnr and the test images' numbers of repeats n: ncsnr² / (ncsnr² + mean(1 / n)); used to "
    "select voxels because it does not depend on the test responses",
    "r": "Pearson correlation (-1 to 1) of measured and predicted test responses",
    "r2": "coefficient of determination (at most 1, can be negative) of the test responses",
    "r_lower": f"lower end of the {INTERVAL} of r",
    "r_upper": f"upper end of the {INTERVAL} of r",
    "r2_lower": f"lower end of the {INTERVAL} of R²",
    "r2_upper": f"upper end of the {INTERVAL} of R²",
    "variance_lower": f"lower end of the {INTERVAL} of the component's variance (test R²)",
    "variance_upper": f"upper end of the {INTERVAL} of the component's variance (test R²)",
    "cv_score": "cross-validated R² (at most 1, can be negative) of the training responses",
    "alpha": "ridge penalty (above 0) selected by cross-validation",
    "variance": "variance of the test responses that the component explains (R², at most 1, can be "
    "negative)",
    "condition": "kind of simulated experiment",
    "statistic": "statistic that is measured in each simulated experiment",
    "value": "mean over n_experiments experiments of the statistic",
    "lowest": "lowest acceptable value of the statistic; n/a if there is no lower bound",
    "highest": "highest acceptable value of the statistic; n/a if there is no upper bound",
    "verdict": "outcome of the check: as it should be (value within two standard errors of lowest "
    "and highest), off (it is not), or not judged (a known bias)",
    "n_experiments": "number of simulated experiments averaged in `value`",
    "p": f"p of the voxel's r against chance, {MODEL_TEST}",
    "voxel_components.p": f"p of the voxel's variance of the component against chance, "
    f"{COMPONENT_TEST}",
    "q": f"false discovery rate (Benjamini & Hochberg) of p over the {FAMILY}",
}
