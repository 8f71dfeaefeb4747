"""Find principal components of all subjects' weights, their stability, and voxel groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from encoding.scaling import FeatureScaling
from encoding.voxel_groups import cluster_agreement, cluster_voxels, sign_tree
from encoding.weight_components import (
    Stability,
    WeightComponents,
    equal_numbers,
    fit_components,
    leave_one_out,
)
from pipeline.errors import InputError, run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.result_file import Arrays
from pipeline.results.storage import (
    Result,
    open_result,
    positions,
    read_pooled,
    read_result,
    write_result,
)

WEIGHTS = ["image", "weights", "feature_mean", "feature_factor"]
# dimension of all subjects' voxels, one subject after another
VOXEL = "subject_voxel"


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    spaces: Annotated[list[str], given.Setting("interpreted")]  # of the model
    features: given.InputFiles  # of each subject
    weights: given.InputFiles  # of each subject
    permuted: given.InputFiles  # of each subject
    configuration: Annotated[dict[str, Any], given.Setting("interpretation")]
    out: given.OutputFile


def main() -> None:
    """Fit components and groups of voxels and write them."""
    arguments = Arguments.read()
    settings = arguments.configuration
    subjects = {
        result.configuration["subject"]: result
        for result in (read_result(path, WEIGHTS) for path in arguments.weights)
    }
    training = [result["image"] for result in subjects.values()]
    number = len(arguments.spaces)
    spaces = {name: arguments.features[n::number] for n, name in enumerate(arguments.spaces)}
    common = CommonSpace(spaces, np.unique(np.concatenate(training)))
    if len(common.held_out) < 2 * settings["images"]:
        raise InputError(
            f"interpretation.images: only {len(common.held_out)} images were in no subject's "
            f"training set, too few for {settings['images']} at each end; lower it, or choose "
            "another `splits.test`"
        )
    weights = equal_numbers(
        {name: common.translate(result, result["weights"]) for name, result in subjects.items()}
    )
    n_voxels = len(next(iter(weights.values())))
    if len(subjects) * n_voxels <= settings["clusters"]:
        raise InputError(
            f"interpretation.clusters: {settings['clusters']} clusters are too many for "
            f"{len(subjects) * n_voxels} voxels; lower it"
        )
    components = fit_components(np.concatenate(list(weights.values())), settings["components"])
    projections = {name: components.project(rows) for name, rows in weights.items()}
    voxel = [result["voxel"][:n_voxels] for result in subjects.values()]
    arrays = {
        "subject": ("subject", [*subjects]),
        **_components(components, common),
        **_stability(
            weights, _permuted(subjects, arguments.permuted, common), components, common.features
        ),
        **_groups(projections, settings),
        "n_voxels": ((), n_voxels),
        "voxel_id": (VOXEL, np.concatenate(voxel)),
    }
    write_result(arguments.out, arrays, _provenance(arguments, subjects))
    _report(components)


class CommonSpace:
    """Feature spaces scaled alike for all subjects, by all images that train in any subject.

    Attributes
    ----------
    scaling : of all spaces side by side
    held_out : (image,) nsd_id of images that train in no subject
    features : (image, feature) scaled features of these images, spaces side by side
    """

    def __init__(self, spaces: Mapping[str, Sequence[Path]], training: np.ndarray) -> None:
        scalings, features = [], []
        for paths in spaces.values():
            nsd_id, pooled = read_pooled(paths, "features")
            rows = positions(nsd_id, training, paths[0], "the subjects' splits")
            self.held_out = np.setdiff1d(nsd_id, training)
            others = positions(nsd_id, self.held_out, paths[0], "the model's other spaces")
            scalings.append(FeatureScaling.fit(pooled[rows]))
            features.append(scalings[-1].transform(pooled[others]))
        self.scaling, self.features = FeatureScaling.joined(scalings), np.hstack(features)

    def translate(self, result: Result, weights: np.ndarray) -> np.ndarray:
        """Convert a subject's weights (voxel, feature) to weights of the common features."""
        own = FeatureScaling(result["feature_mean"], result["feature_factor"])
        return own.translate(weights, self.scaling)


def _components(components: WeightComponents, common: CommonSpace) -> Arrays:
    return {
        "image": ("image", common.held_out),
        "components": (("component", "feature"), components.components),
        "mean": ("feature", components.mean),
        "explained": ("component", components.explained),
        "sign_margin": ("component", components.sign_margin),
        "scores": (("image", "component"), components.score(common.features)),
        "feature_mean": ("feature", common.scaling.mean),
        "feature_factor": ("feature", common.scaling.factor),
    }


def _permuted(
    subjects: Mapping[str, Result], paths: Sequence[Path], common: CommonSpace
) -> Iterator[dict[str, np.ndarray]]:
    """Yield weights fitted to permuted images, for all subjects, one draw at a time."""
    n_draws = {r.configuration["permutations"] for r in subjects.values()}
    for draw in range(min(n_draws)):
        drawn = {}
        for path, (name, result) in zip(paths, subjects.items(), strict=True):
            with open_result(path) as file:
                rows = file["permuted_weights"][draw]
            drawn[name] = common.translate(result, rows)
        yield equal_numbers(drawn)


def _stability(
    weights: Mapping[str, np.ndarray],
    permuted: Iterable[Mapping[str, np.ndarray]],
    components: WeightComponents,
    features: np.ndarray,
) -> Arrays:
    """Agreement of subjects, for measured weights and for permuted images (draw, …).

    With a single subject the arrays with a left-out subject are empty.
    """
    n_components = len(components.explained)
    null: dict[str, list[np.ndarray]] = defaultdict(list)
    for drawn in permuted:
        reference = fit_components(np.concatenate(list(drawn.values())), n_components)
        null["permuted_explained"].append(reference.explained)
        for measure, values in _measured(drawn, reference, features).items():
            null[f"permuted_stability_{measure}"].append(values)
    of_subjects = "left_out_subject", "component"
    arrays: Arrays = {
        f"stability_{measure}": (of_subjects, values)
        for measure, values in _measured(weights, components, features).items()
    }
    for name, draws in null.items():
        dimensions = of_subjects[-draws[0].ndim :]
        arrays[name] = ("draw", *dimensions), np.array(draws)
    return arrays


def _measured(
    weights: Mapping[str, np.ndarray], components: WeightComponents, features: np.ndarray
) -> dict[str, np.ndarray]:
    """{measure of stability: (subject, component)}, empty with a single subject."""
    found = leave_one_out(weights, components.components, features)
    return {
        measure: np.reshape(
            [getattr(stability, measure) for stability in found.values()],
            (-1, len(components.explained)),
        )
        for measure in Stability.__dataclass_fields__
    }


def _groups(projections: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Arrays:
    """Members of each branch and cluster, subjects one after another."""
    everyone = np.concatenate(list(projections.values()))
    subjects = np.repeat(np.arange(len(projections)), [len(p) for p in projections.values()])
    nodes = sign_tree(everyone, subjects, settings["tree_depth"], settings["min_voxels"])
    n_clusters, seed = settings["clusters"], settings["seed"]
    clusters = cluster_voxels(everyone, n_clusters, seed)
    agreement = cluster_agreement(projections, n_clusters, seed)
    return {
        "projections": ((VOXEL, "component"), everyone),
        "subject_number": (VOXEL, subjects),
        # the root, all voxels, has no name
        "branch": ("branch", [branch or "root" for branch in nodes]),
        "in_branch": (("branch", VOXEL), np.stack([*nodes.values()])),
        "cluster": (VOXEL, clusters.labels),
        "linkage": (("merge", "linkage_column"), clusters.linkage),
        "silhouette": ((), clusters.silhouette),
        "adjusted_rand": ("subject", [agreement.get(name, np.nan) for name in projections]),
    }


def _report(components: WeightComponents) -> None:
    shares = ", ".join(f"{share:.0%}" for share in components.explained[:5])
    print(f"components explain {shares}, … of the variance of the weights")


def _provenance(arguments: Arguments, subjects: Mapping[str, Result]) -> dict[str, Any]:
    features = {f"features/{path.parent.name}/{path.stem}": path for path in arguments.features}
    return make_provenance(
        "fit_components",
        {
            "subjects": list(subjects),
            "spaces": arguments.spaces,
            **arguments.configuration,
        },
        {**dict(zip(subjects, arguments.weights, strict=True)), **features},
        seed=arguments.configuration["seed"],
    )


if __name__ == "__main__":
    run_stage(main)
