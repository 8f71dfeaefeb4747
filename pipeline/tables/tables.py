"""Tables per ROI of models, of components of variance, and of tests over subjects."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial

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

# level of significance, applied to false discovery rates
LEVEL = 0.05
# minimum reliability of voxels whose scores are normalised by the noise ceiling; as published
LEAST_RELIABILITY = 0.1
GROUP_COLUMNS = (
    *("variant", "comparison", "component", "atlas", "roi", "mean", "standard_error", "t", "p_t"),
    *("q_t", "p_sign_flip", "q_sign_flip", "family", "n_tests", "n_subjects", "n_positive"),
    *("weights", "data"),
)
MODEL_COLUMNS = ("variant", "model", *GROUP_COLUMNS[3:])
# atlases for which models are compared over subjects; single ROIs are in the tables of subjects
COMPARED_ATLASES = ("all", COMPOSITE)
# columns of the partition table, which has no row in a study without comparisons
PARTITION_COLUMNS = (
    *("subject", "variant", "comparison", "component", "atlas", "roi", "n_voxels", "n_excluded"),
    *("mean_variance", "median_variance", "lower_quartile_variance", "upper_quartile_variance"),
    *("n_significant", "joint_below_fraction", "joint_below_mean", "weights", "data"),
)
PRODUCT = "product"
JOINT = "joint"
DIFFERENCE = "{} minus {}"
# families of tests over subjects: R² is separate, as its certain effects would weaken the
# correction of the others
COMPONENTS_FAMILY = "unique and shared variance of {}"
R2_FAMILY = "R² of {}"
PRODUCT_FAMILY = "product measure of {}"
DIFFERENCES_FAMILY = "differences of models"
TESTS_OVER_SUBJECTS = ("p_t", "p_sign_flip")


def roi_members(rois: pd.DataFrame, voxel: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """{(atlas, roi): (voxel,) bool}, ('all', 'all') first; both hemispheres together."""
    members = {("all", "all"): np.ones(len(voxel), dtype=bool)}
    for key, rows in rois.groupby(["atlas", "roi"], sort=False):
        members[key] = np.isin(voxel, rows["voxel"])
    return members


def region_cells(
    result: Result, rois: pd.DataFrame, known: np.ndarray
) -> Iterator[tuple[dict[str, object], np.ndarray]]:
    """Yield, for every region, the cells that identify it and its usable voxels.

    Parameters
    ----------
    known : (voxel,) bool, voxels that have values
    """
    for (atlas, roi), inside in roi_members(rois, result["voxel"]).items():
        usable = inside & known
        yield {"atlas": atlas, "roi": roi, **counts(inside, usable)}, usable


def correlation_rows(
    result: Result, significance: Result, rois: pd.DataFrame
) -> Iterator[dict[str, object]]:
    """Yield one row per ROI of a model's fit."""
    ceiling, error = result["noise_ceiling"], result["noise_ceiling_error"]
    bound = correlation_ceiling(ceiling)
    # noisier voxels have no meaningful share of explainable variance
    explainable = result["reliability"] >= LEAST_RELIABILITY
    spaces = result.configuration["spaces"]
    r, r2, q = result["r"], result["r2"], significance["q"]
    for region, usable in region_cells(result, rois, np.isfinite(r) & np.isfinite(r2)):
        normalised = usable & explainable
        yield {
            **_identity(result),
            "model": model_name(spaces),
            **region,
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
    """Yield one row per component and ROI of a partition.

    Besides variance components, components are R² of the joint model (with the voxels in which it
    is below that of smaller models), R² of the stacked models, and the product measure of each
    space.
    """
    spaces = result.configuration["spaces"]
    components = dict(sorted(result.by_label("variance").items()))
    components[JOINT] = result.by_label("r2")[model_name(spaces)]
    if "stacked_r2" in result.data:
        components[STACK] = result["stacked_r2"]
    product = sorted(result.by_label("product_measure").items())
    components |= {f"{PRODUCT}:{part}": values for part, values in product}
    q = significance.by_label("q")
    known = np.isfinite(np.array([*components.values()])).all(axis=0)
    for region, usable in region_cells(result, rois, known):
        for component, values in components.items():
            yield {
                **_identity(result),
                "comparison": result.configuration["comparison"],
                "component": component,
                **region,
                "mean_variance": statistic(np.mean, values[usable]),
                "median_variance": statistic(np.median, values[usable]),
                **_quartiles("variance", values[usable]),
                "n_significant": _n_significant(q.get(component), usable),
                **_joint_below(result, component, usable),
                **source(result, spaces),
            }


def _joint_below(result: Result, component: str, usable: np.ndarray) -> dict[str, float]:
    fraction, mean = (
        shortfall(result["joint_gain"][usable]) if component == JOINT else (np.nan,) * 2
    )
    return {"joint_below_fraction": fraction, "joint_below_mean": mean}


def _n_significant(q: np.ndarray | None, usable: np.ndarray) -> float:
    """Count significant voxels; NaN for components that are not tested."""
    return np.nan if q is None else int(np.count_nonzero(q[usable] <= LEVEL))


def group_table(partitions: pd.DataFrame) -> pd.DataFrame:
    """Test each ROI's mean over subjects, from the rows of subjects (`partition_rows`).

    Each component is tested, and so is, paired, the difference of every two spaces' unique
    variance, which in a comparison of two spaces is the difference of their models' R². Components
    of a comparison and their differences are one family of tests over all ROIs; its R² and its
    product measure are two others.
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
    """Test each model's mean R² over subjects and, paired, the difference of every two models.

    All models and ROIs are one family of tests; their differences are another.

    Parameters
    ----------
    correlations : rows of subjects, see `correlation_rows`
    models : models to compare, in the order of the differences
    """
    chosen = correlations[
        correlations["model"].isin(models) & correlations["atlas"].isin(COMPARED_ATLASES)
    ]
    keys = ["variant", "atlas", "roi", "data"]
    tests = []
    for values, rows in chosen.groupby(keys, sort=False):
        means = rows.pivot(index="subject", columns="model", values="mean_r2")
        weights = dict(zip(rows["model"], rows["weights"], strict=True))
        fitted = [model for model in models if model in means]
        for name, of_subjects in _with_differences(means[fitted], fitted):
            compared = name.split(DIFFERENCE.format("", ""))
            states = dict.fromkeys(weights[model] for model in compared)
            others = [state for state in states if state != PRETRAINED]
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
    """Yield columns of a table (subject × name), then differences of every two compared ones."""
    yield from means.items()
    for first, second in itertools.combinations(compared, 2):
        yield DIFFERENCE.format(first, second), means[first] - means[second]


def _is_unique(component: str) -> bool:
    return COMPONENT_SEPARATOR not in component and _family(component) == COMPONENTS_FAMILY


def best_voxel_row(result: Result, rois: pd.DataFrame) -> dict[str, object]:
    """Tabulate the best voxels' r and R² of a fit; "none" and NaN if no voxel has both."""
    r, r2 = result["r"], result["r2"]
    spaces = result.configuration["spaces"]
    usable = np.isfinite(r) & np.isfinite(r2)
    best: dict[str, object] = {"best_r": np.nan, "best_r2": np.nan}
    best |= {"best_voxel": "none", "best_voxel_rois": "none"}
    best |= {"best_voxel_ceiling": np.nan, "best_voxel_ceiling_error": np.nan}
    if usable.any():
        row = int(np.argmax(np.where(usable, r, -np.inf)))
        voxel = int(result["voxel"][row])
        its = rois[rois["voxel"] == voxel]
        names = [f"{atlas}/{roi}" for atlas, roi in zip(its["atlas"], its["roi"], strict=True)]
        best = {
            "best_r": float(r[row]),
            "best_r2": float(r2[row]),
            "best_voxel": _location(voxel, tuple(result["grid_shape"])),
            "best_voxel_rois": ", ".join(names) or "none",
            "best_voxel_ceiling": float(result["noise_ceiling"][row]),
            "best_voxel_ceiling_error": float(result["noise_ceiling_error"][row]),
        }
    return {
        **_identity(result),
        "model": model_name(spaces),
        **best,
        "r_of_99th_percentile": statistic(partial(np.percentile, q=99), r[usable]),
        "n_searched_exactly": int(np.count_nonzero(result["searched_exactly"])),
        **counts(np.ones(len(r), dtype=bool), usable),
        **source(result, spaces),
    }


def _location(voxel: int, grid: tuple[int, ...]) -> str:
    """Name the indices into a volume, or the hemisphere and vertex of a surface."""
    if len(grid) == 2:
        return f"lh {voxel}" if voxel < grid[0] else f"rh {voxel - grid[0]}"
    return " ".join(str(index) for index in np.unravel_index(voxel, grid))


def statistic(function: Callable[[np.ndarray], float], values: np.ndarray) -> float:
    """Compute a statistic of values in float64; NaN if there are none."""
    return float(function(values.astype(np.float64))) if len(values) else np.nan


def _ratio_of_means(values: np.ndarray, bounds: np.ndarray) -> float:
    """Divide means: a mean of ratios would be dominated by bounds that are estimated near 0."""
    bound = statistic(np.mean, bounds)
    return statistic(np.mean, values) / bound if bound > 0 else np.nan


def _quartiles(name: str, values: np.ndarray) -> dict[str, float]:
    """Quartiles of values within a region."""
    percentiles = {"lower": 25, "upper": 75}
    return {
        f"{side}_quartile_{name}": statistic(partial(np.percentile, q=q), values)
        for side, q in percentiles.items()
    }


def counts(inside: np.ndarray, usable: np.ndarray) -> dict[str, int]:
    """Count a ROI's voxels that are in a row's means, and those left out."""
    n_voxels = int(np.count_nonzero(usable))
    return {"n_voxels": n_voxels, "n_excluded": int(np.count_nonzero(inside)) - n_voxels}


def _identity(result: Result) -> dict[str, str]:
    return {name: result.configuration[name] for name in ("subject", "variant")}


def subject_of(result: Result) -> str:
    """Return the subject of a result."""
    return result.configuration["subject"]


def source(result: Result, spaces: list[str]) -> Mapping[str, str]:
    """Columns that say which weights the row's spaces have, and whether data are measured."""
    return {
        "weights": weights_in_words(result.provenance, spaces),
        "data": "simulated" if result.provenance["simulated"] else "measured",
    }
