"""Voxels to tables: per ROI, per model, per component."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from encoding.inference.group import group_test
from encoding.noise_ceiling import correlation_ceiling
from encoding.ridge.stacking import STACK
from encoding.variance_partitioning import COMPONENT_SEPARATOR, model_name, shortfall
from features.checkpoints import PRETRAINED
from pipeline.configuration.settings import COMPOSITE
from pipeline.fits.false_discoveries import with_q
from pipeline.results.space_weights import weights_in_words
from pipeline.results.storage import Result

# of the false discovery rate
LEVEL = 0.05
# of the reliability of voxels whose scores are normalised; as published
LEAST_RELIABILITY = 0.1
GROUP_COLUMNS = (
    "variant",
    "comparison",
    "component",
    "atlas",
    "roi",
    "mean",
    "standard_error",
    "t",
    "p_t",
    "q_t",
    "p_sign_flip",
    "q_sign_flip",
    "family",
    "n_tests",
    "n_subjects",
    "n_positive",
    "weights",
    "data",
)
MODEL_COLUMNS = ("variant", "model", *GROUP_COLUMNS[3:])
# as the study compares models: NSD's single ROIs are in the tables of subjects
COMPARED_ATLASES = ("all", COMPOSITE)
# A study without comparisons still has a partition table: its columns, and no row.
PARTITION_COLUMNS = (
    "subject",
    "variant",
    "comparison",
    "component",
    "atlas",
    "roi",
    "n_voxels",
    "n_excluded",
    "mean_variance",
    "median_variance",
    "lower_quartile_variance",
    "upper_quartile_variance",
    "n_significant",
    "joint_below_share",
    "joint_below_mean",
    "weights",
    "data",
)
PRODUCT = "product"
JOINT = "joint"
DIFFERENCE = "{} less {}"
# tests over subjects: R² above 0 is no news, and would ease the level of what is asked
COMPONENTS_FAMILY = "unique and shared variance of {}"
R2_FAMILY = "R² of {}"
PRODUCT_FAMILY = "product measure of {}"
DIFFERENCES_FAMILY = "differences of models"
TESTS_OVER_SUBJECTS = ("p_t", "p_sign_flip")


def roi_members(rois: pd.DataFrame, voxel: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """{(atlas, roi): (voxel,) bool}, first ('all', 'all'); hemispheres taken together."""
    members = {("all", "all"): np.ones(len(voxel), dtype=bool)}
    for key, rows in rois.groupby(["atlas", "roi"], sort=False):
        members[key] = np.isin(voxel, rows["voxel"])
    return members


def correlation_rows(
    result: Result, significance: Result, rois: pd.DataFrame
) -> Iterator[dict[str, object]]:
    """One row per ROI of a model's fit."""
    ceiling, error = result["noise_ceiling"], result["noise_ceiling_error"]
    bound = correlation_ceiling(ceiling)
    # below it voxels are too noisy for a share of what can be explained to mean much
    explainable = result["reliability"] >= LEAST_RELIABILITY
    spaces = result.configuration["spaces"]
    r, r2, q = result["r"], result["r2"], significance["q"]
    for (atlas, roi), inside in roi_members(rois, result["voxel"]).items():
        usable = inside & np.isfinite(r) & np.isfinite(r2)
        normalised = usable & explainable
        yield {
            **_identity(result),
            "model": model_name(spaces),
            "atlas": atlas,
            "roi": roi,
            **counts(inside, usable),
            "mean_r": statistic(np.mean, r[usable]),
            "median_r": statistic(np.median, r[usable]),
            "mean_r2": statistic(np.mean, r2[usable]),
            **_quartiles("r2", r2[usable]),
            "mean_ceiling": statistic(np.mean, ceiling[usable]),
            "mean_ceiling_error": statistic(np.mean, error[usable]),
            "mean_correlation_ceiling": statistic(np.mean, bound[usable]),
            "mean_reliability": statistic(np.mean, result["reliability"][usable]),
            "mean_normalised_r": _ratio_of_means(r[normalised], bound[normalised]),
            "mean_normalised_r2": _ratio_of_means(r2[normalised], ceiling[normalised]),
            "n_explainable": int(np.count_nonzero(normalised)),
            "n_significant": int(np.count_nonzero(q[usable] <= LEVEL)),
            **source(result, spaces),
        }


def partition_rows(
    result: Result, significance: Result, rois: pd.DataFrame
) -> Iterator[dict[str, object]]:
    """One row per component and ROI of a partition.

    Then the joint model's own: its R², the voxels where it is below its parts, that of the stack of
    the spaces' own models, and the product measure of each space.
    """
    spaces = result.configuration["spaces"]
    components = dict(sorted(result.by_label("variance").items()))
    components[JOINT] = result.by_label("r2")[model_name(spaces)]
    if "stacked_r2" in result.data:
        components[STACK] = result["stacked_r2"]
    product = sorted(result.by_label("product_measure").items())
    components |= {f"{PRODUCT}:{part}": values for part, values in product}
    q = significance.by_label("q")
    for (atlas, roi), inside in roi_members(rois, result["voxel"]).items():
        usable = inside & np.isfinite(list(components.values())).all(axis=0)
        for component, values in components.items():
            yield {
                **_identity(result),
                "comparison": result.configuration["comparison"],
                "component": component,
                "atlas": atlas,
                "roi": roi,
                **counts(inside, usable),
                "mean_variance": statistic(np.mean, values[usable]),
                "median_variance": statistic(np.median, values[usable]),
                **_quartiles("variance", values[usable]),
                "n_significant": _n_significant(q.get(component), usable),
                **_joint_below(result, component, usable),
                **source(result, spaces),
            }


def _joint_below(result: Result, component: str, usable: np.ndarray) -> dict[str, float]:
    share, mean = shortfall(result["joint_gain"][usable]) if component == JOINT else (np.nan,) * 2
    return {"joint_below_share": share, "joint_below_mean": mean}


def _n_significant(q: np.ndarray | None, usable: np.ndarray) -> float:
    """Components are tested; the joint model's R² and the product measure are not."""
    return np.nan if q is None else int(np.count_nonzero(q[usable] <= LEVEL))


def group_table(partitions: pd.DataFrame) -> pd.DataFrame:
    """Tests over subjects of each ROI's mean, from the rows of subjects (`partition_rows`).

    Of each component, and, paired, of the difference of every two spaces' unique variance, which
    for a comparison of two is the difference of their models' R². Components of a comparison and
    their differences are one family of tests over all ROIs; its R² and its product
    measure are others.
    """
    keys = ["variant", "comparison", "atlas", "roi", "weights", "data"]
    tests = []
    for values, rows in partitions.groupby(keys, sort=False):
        means = rows.pivot(index="subject", columns="component", values="mean_variance")
        components = list(dict.fromkeys(rows["component"]))
        spaces = [name for name in components if _is_unique(name)]
        identity = dict(zip(keys, values, strict=True))
        for component, of_subjects in _with_differences(means[components], spaces):
            family = _family(component).format(identity["comparison"])
            tested = asdict(group_test(of_subjects.to_numpy()))
            tests.append({**identity, "component": component, "family": family, **tested})
    return _corrected(tests, GROUP_COLUMNS)


def model_table(correlations: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """Mean test R² of each model over subjects, and, paired, the difference of every two models.

    Models over all ROIs are one family of tests, and their differences another.

    Parameters
    ----------
    correlations : the rows of subjects, see `correlation_rows`
    models : those that are compared, in the order of the differences
    """
    chosen = correlations[
        correlations["model"].isin(models) & correlations["atlas"].isin(COMPARED_ATLASES)
    ]
    keys = ["variant", "atlas", "roi", "data"]
    tests = []
    for values, rows in chosen.groupby(keys, sort=False):
        means = rows.pivot(index="subject", columns="model", values="mean_r2")
        weights = dict(zip(rows["model"], rows["weights"], strict=True))
        there = [model for model in models if model in means]
        for name, of_subjects in _with_differences(means[there], there):
            compared = name.split(DIFFERENCE.format("", ""))
            told = dict.fromkeys(weights[model] for model in compared)
            others = [words for words in told if words != PRETRAINED]
            tests.append(
                {
                    **dict(zip(keys, values, strict=True)),
                    "model": name,
                    **asdict(group_test(of_subjects.to_numpy())),
                    "family": DIFFERENCES_FAMILY
                    if len(compared) > 1
                    else R2_FAMILY.format("models"),
                    "weights": "; ".join(others) or PRETRAINED,
                }
            )
    return _corrected(tests, MODEL_COLUMNS)


def _family(component: str) -> str:
    if component in (JOINT, STACK):
        return R2_FAMILY
    return PRODUCT_FAMILY if component.startswith(f"{PRODUCT}:") else COMPONENTS_FAMILY


def _corrected(tests: list[dict[str, object]], columns: Sequence[str]) -> pd.DataFrame:
    if not tests:
        return pd.DataFrame(columns=columns)
    return with_q(pd.DataFrame(tests), TESTS_OVER_SUBJECTS, ["variant", "family"])[[*columns]]


def _with_differences(
    means: pd.DataFrame, compared: Sequence[str]
) -> Iterator[tuple[str, pd.Series]]:
    """Columns of a table (subject × name), and the differences of every two to be compared."""
    yield from means.items()
    for first, second in itertools.combinations(compared, 2):
        yield DIFFERENCE.format(first, second), means[first] - means[second]


def _is_unique(component: str) -> bool:
    return COMPONENT_SEPARATOR not in component and _family(component) == COMPONENTS_FAMILY


def best_voxel_row(result: Result, rois: pd.DataFrame) -> dict[str, object]:
    """The best voxels' r and R² of a fit; "none" and NaN if no voxel has both."""
    r, r2 = result["r"], result["r2"]
    spaces = result.configuration["spaces"]
    usable = np.isfinite(r) & np.isfinite(r2)
    best: dict[str, object] = {"best_voxel": "none", "best_voxel_rois": "none"}
    best |= {"best_voxel_ceiling": np.nan, "best_voxel_ceiling_error": np.nan}
    if usable.any():
        place = int(np.argmax(np.where(usable, r, -np.inf)))
        voxel = int(result["voxel"][place])
        names = rois.loc[rois["voxel"] == voxel, ["atlas", "roi"]].agg("/".join, axis=1)
        best = {
            "best_voxel": _place(voxel, tuple(result["grid_shape"])),
            "best_voxel_rois": ", ".join(names) or "none",
            "best_voxel_ceiling": float(result["noise_ceiling"][place]),
            "best_voxel_ceiling_error": float(result["noise_ceiling_error"][place]),
        }
    return {
        **_identity(result),
        "model": model_name(spaces),
        "best_r": statistic(np.max, r[usable]),
        "best_r2": statistic(np.max, r2[usable]),
        "r_of_99th_percentile": statistic(lambda values: np.percentile(values, 99), r[usable]),
        **best,
        **counts(np.ones(len(r), dtype=bool), usable),
        **source(result, spaces),
    }


def _place(voxel: int, grid: tuple[int, ...]) -> str:
    """Indices into a volume, or hemisphere and vertex of a surface of (left, right) vertices."""
    if len(grid) == 2:
        return f"lh {voxel}" if voxel < grid[0] else f"rh {voxel - grid[0]}"
    return " ".join(str(index) for index in np.unravel_index(voxel, grid))


def statistic(function: object, values: np.ndarray) -> float:
    """Statistic of values in float64; NaN if there are none."""
    return float(function(values.astype(np.float64))) if len(values) else np.nan


def _ratio_of_means(values: np.ndarray, bounds: np.ndarray) -> float:
    """Not the mean of ratios: a bound that is estimated near 0 would decide that by itself."""
    bound = statistic(np.mean, bounds)
    return statistic(np.mean, values) / bound if bound > 0 else np.nan


def _quartiles(name: str, values: np.ndarray) -> dict[str, float]:
    """How values spread within a region, which its mean hides."""
    shares = {"lower": 25, "upper": 75}
    return {
        f"{side}_quartile_{name}": statistic(lambda v, q=share: np.percentile(v, q), values)
        for side, share in shares.items()
    }


def counts(inside: np.ndarray, usable: np.ndarray) -> dict[str, int]:
    """How many of a ROI's voxels are in a row's means, and how many are not."""
    n_voxels = int(np.count_nonzero(usable))
    return {"n_voxels": n_voxels, "n_excluded": int(np.count_nonzero(inside)) - n_voxels}


def _identity(result: Result) -> dict[str, str]:
    return {name: result.configuration[name] for name in ("subject", "variant")}


def subject_of(result: Result) -> str:
    """Whose result it is."""
    return result.configuration["subject"]


def source(result: Result, spaces: list[str]) -> Mapping[str, str]:
    """What the weights of the row's spaces are, and whether the data are measured."""
    return {
        "weights": weights_in_words(result.provenance, spaces),
        "data": "simulated" if result.provenance["simulated"] else "measured",
    }
