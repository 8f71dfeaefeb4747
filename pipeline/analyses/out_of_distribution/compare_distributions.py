"""Compare a subject's models in and out of distribution: means of regions, drops and orders."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from encoding.generalisation import Interval, order_of_models
from encoding.noise_ceiling import correlation_ceiling
from pipeline.analyses.out_of_distribution.image_sets import IN, OUT
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.result_file import Arrays
from pipeline.results.storage import Result, read_result, write_result
from pipeline.results.tables import read_table
from pipeline.tables.regions import region_labels
from pipeline.tables.tables import roi_members

ENDS = ("value", "lower", "upper")
OF_IMAGES = ("distance", "nearest_distance", "nearer_test_images", "image_r")


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    subject: given.Wildcard
    models: Annotated[list[str], given.Setting("scored_models")]
    scores: given.InputFiles  # of the models, in that order
    synthetic: given.InputFile  # averaged responses
    rois: given.InputFile
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    results = dict(zip(arguments.models, map(read_result, arguments.scores), strict=True))
    first = next(iter(results.values()))
    members = roi_members(read_table(arguments.rois), first["voxel"])
    inside = np.column_stack([*members.values()])
    published = read_result(arguments.synthetic, ["trial_noise_ceiling"])["trial_noise_ceiling"]
    models = {name: ModelScores.of(result, inside) for name, result in results.items()}
    of_sets = [one.of_sets(published, inside) for one in models.values()]
    kept = ("draws", "level", "seed", "min_reliability")
    settings = {key: first.configuration[key] for key in kept}
    provenance = make_provenance(
        "compare_distributions",
        {"subject": arguments.subject, "models": arguments.models, **settings},
        {
            **{f"scores/{name}": result.path for name, result in results.items()},
            **{"synthetic": arguments.synthetic, "rois": arguments.rois},
        },
        seed=settings["seed"],
    )
    arrays: Arrays = {
        **region_labels(members),
        "model": ("model", arguments.models),
        **{name: ("set", first[name]) for name in ("set", "n_images", "n_drawn")},
        "n_voxels": (("model", "region"), np.stack([one.n_voxels for one in models.values()])),
        **{
            name: (("model", "set", "region"), np.stack([one[name] for one in of_sets]))
            for name in of_sets[0]
        },
        **_stacked("drop", ("model", "region"), [one.drop() for one in models.values()]),
        **_pairs(models),
        **{
            name: ("image", first[name])
            for name in ("image", "name", "image_class", "image_subclass", "n_repeats", "grey")
        },
        **{
            name: (("model", "image"), np.stack([one[name] for one in results.values()]))
            for name in OF_IMAGES
        },
    }
    write_result(arguments.out, arrays, provenance)


@dataclass(frozen=True)
class ModelScores:
    """Means of one model over regions.

    Attributes
    ----------
    result : its scores
    sets : names of the sets of images
    means : {score: (set, region)}; `bound` is √(noise ceiling), `slope` has medians
    n_voxels : (region,)
    """

    result: Result
    sets: list[str]
    means: Mapping[str, np.ndarray]
    n_voxels: np.ndarray

    @classmethod
    def of(cls, result: Result, inside: np.ndarray) -> ModelScores:
        """Average over the used voxels of regions, (voxel, region) bool."""
        used = inside[result["used"]]
        values = {name: result[name][:, result["used"]] for name in ("r", "r2")}
        ceiling = result["noise_ceiling"][:, result["used"]]
        values |= {"noise_ceiling": ceiling, "bound": correlation_ceiling(ceiling)}
        means = {name: _means(one, used) for name, one in values.items()}
        # a voxel whose predictions hardly vary can have any slope
        means["slope"] = _medians(result["slope"][:, result["used"]], used)
        return cls(result, result["set"].tolist(), means, used.sum(axis=0))

    def interval(self, name: str, normalised: bool = False) -> Interval:
        """Return mean r of a set of images, with its interval; or divided by mean √ceiling."""
        row = self.sets.index(name)
        divisor = self._bound(row) if normalised else 1.0
        value, draws = self.means["r"][row] / divisor, self.draws(name) / divisor
        return Interval.of(value, draws, self._level, int(self.result["n_drawn"][row]))

    def draws(self, name: str) -> np.ndarray:
        """Return means of r (draw, region) of a set of images."""
        return self.result["r_draws"][self.sets.index(name)].astype(np.float64)

    def of_sets(self, published: np.ndarray, inside: np.ndarray) -> dict[str, np.ndarray]:
        """Return arrays (set, region) of means, and of the intervals of r.

        Parameters
        ----------
        published : (voxel,) ceiling of all synthetic images, from the variance of trials
        """
        intervals = {
            "r": [self.interval(name) for name in self.sets],
            "normalised_r": [self.interval(name, normalised=True) for name in self.sets],
        }
        found = {
            f"{name}_{end}": np.stack([getattr(one, end) for one in of_sets])
            for name, of_sets in intervals.items()
            for end in ENDS
        }
        used = self.result["used"]
        trial = np.full_like(self.means["r"], np.nan)
        trial[self.sets.index(OUT)] = _means(published[None, used], inside[used])[0]
        others = {name: self.means[name] for name in ("r2", "slope", "noise_ceiling")}
        return {**found, **others, "trial_noise_ceiling": trial}

    def drop(self) -> Interval:
        """Normalised r in distribution minus that out of it: draws of both are independent."""
        rows = [self.sets.index(name) for name in (IN, OUT)]
        values = [self.means["r"][row] / self._bound(row) for row in rows]
        draws = [self.draws(self.sets[row]) / self._bound(row) for row in rows]
        drawn = int(self.result["n_drawn"][rows].min())
        return Interval.of(values[0] - values[1], draws[0] - draws[1], self._level, drawn)

    def less(self, other: ModelScores, name: str) -> Interval:
        """Return r of this model minus that of another, on the same draws of a set of images."""
        row = self.sets.index(name)
        value = self.means["r"][row] - other.means["r"][row]
        draws = self.draws(name) - other.draws(name)
        return Interval.of(value, draws, self._level, int(self.result["n_drawn"][row]))

    @property
    def _level(self) -> float:
        return float(self.result.configuration["level"])

    def _bound(self, row: int) -> np.ndarray:
        bound = self.means["bound"][row]
        return np.where(bound > 0, bound, np.nan)


def _means(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Average values (set, voxel) over the voxels of regions that have one: (set, region)."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).astype(np.float64) @ inside
    count = known.astype(np.float64) @ inside
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _medians(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return medians of values (set, voxel) over the voxels of regions: (set, region)."""
    found = np.full((len(values), inside.shape[1]), np.nan)
    for region in np.flatnonzero(inside.any(axis=0)):
        here = values[:, inside[:, region]]
        known = np.isfinite(here).any(axis=1)
        found[known, region] = np.nanmedian(here[known], axis=1)
    return found


def _pairs(models: Mapping[str, ModelScores]) -> Arrays:
    """Return the differences of every two models, in and out of distribution, and their order."""
    pairs = list(itertools.combinations(models, 2))
    if not pairs:
        return {}
    shape = ("pair", "region")
    found = {
        where: [models[first].less(models[second], name) for first, second in pairs]
        for where, name in (("in", IN), ("out", OUT))
    }
    orders = itertools.starmap(order_of_models, zip(found["in"], found["out"], strict=True))
    return {
        "first": ("pair", [first for first, _ in pairs]),
        "second": ("pair", [second for _, second in pairs]),
        **_stacked("difference_in", shape, found["in"]),
        **_stacked("difference_out", shape, found["out"]),
        "order": (shape, np.stack(list(orders))),
    }


def _stacked(name: str, shape: tuple[str, str], intervals: list[Interval]) -> Arrays:
    return dict(_ends(name, shape, intervals))


def _ends(
    name: str, shape: tuple[str, str], intervals: list[Interval]
) -> Iterator[tuple[str, tuple[tuple[str, str], np.ndarray]]]:
    for end in ENDS:
        yield f"{name}_{end}", (shape, np.stack([getattr(one, end) for one in intervals]))


if __name__ == "__main__":
    run_stage(main)
