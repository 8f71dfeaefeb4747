"""Write means and t-maps over subjects, in the spaces that subjects share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from encoding.inference.group import GroupMap, group_map
from encoding.inference.significance import false_discovery_rate
from pipeline.configuration.settings import GROUP_SPACES
from pipeline.errors import InputError, run_stage
from pipeline.fits.families import GROUP_FAMILY
from pipeline.jobs import stage_arguments as given
from pipeline.maps.files import INDEX, image_like, map_files, map_names, read_map, write_map
from pipeline.results.metadata import metadata_path, read_metadata, write_metadata
from pipeline.results.provenance import make_provenance
from pipeline.results.space_weights import weights_labels
from pipeline.stages.write_maps import THRESHOLDED
from pipeline.tables.tables import LEVEL

QUANTITIES = ("ceiling", "r", "r2", "normalisedR", "normalisedR2", "unique", "shared")
# bounds of scores, which are not tested against 0
UNTESTED = ("ceiling",)


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    maps: given.InputFiles  # of each subject
    out_directory: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    indices = {folder: read_metadata(folder / INDEX) for folder in arguments.maps}
    provenance = make_provenance(
        "write_group_maps",
        {"subjects": [index["subject"] for index in indices.values()]},
        {f"{index['subject']}/{INDEX}": folder / INDEX for folder, index in indices.items()},
        simulated=any(index["provenance"]["simulated"] for index in indices.values()),
        untrained=sorted({n for i in indices.values() for n in i["provenance"]["untrained"]}),
        weights={s: w for i in indices.values() for s, w in i["provenance"]["weights"].items()},
    )
    index: dict[str, dict[str, object]] = {}
    found = [map_files(folder, index["maps"]) for folder, index in indices.items()]
    for space, entities, described in _common(indices):
        thresholded = space, f"{entities}_{THRESHOLDED}"
        index |= _write(
            [files[space, entities] for files in found],
            [files[thresholded] for files in found if thresholded in files],
            space,
            entities,
            described,
            provenance,
            arguments.out_directory,
        )
    write_metadata(arguments.out_directory / INDEX, {"maps": index, "provenance": provenance})


def _common(
    indices: Mapping[Path, Mapping[str, Any]],
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield space, entities and description of each map to average."""
    first = next(iter(indices.values()))
    done = set()
    for described in first["maps"].values():
        key = described["space"], described["entities"]
        usable = described["quantity"] in QUANTITIES and described["threshold"] == "none"
        if described["space"] in GROUP_SPACES and usable and key not in done:
            done.add(key)
            yield *key, described


def _write(
    files: list[list[Path]],
    thresholded: list[list[Path]],
    space: str,
    entities: str,
    described: Mapping[str, Any],
    provenance: Mapping[str, Any],
    directory: Path,
) -> dict[str, dict[str, object]]:
    """Write the versions of each part (hemisphere) of a map."""
    parts = [_stack(of_subjects) for of_subjects in zip(*files, strict=True)]
    # the same for all subjects, as they share the space
    reference = read_metadata(metadata_path(files[0][0]))["SpatialReference"]
    tested = group_map(np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1))
    significant = _significant(thresholded) if thresholded else None
    index: dict[str, dict[str, object]] = {}
    starts = np.cumsum([0, *(part[0].size for part in parts)])
    for desc, (values, metadata) in _versions(tested, described, significant).items():
        names = map_names(None, space, f"{entities}_desc-{desc}")
        for number, name in enumerate(names):
            part = values[starts[number] : starts[number + 1]].reshape(parts[number].shape[1:])
            entry = {
                **{key: described[key] for key in ("quantity", "name", "comparison", "folder")},
                **{"space": space, "entities": f"{entities}_desc-{desc}", **metadata},
            }
            sidecar = {
                "Subjects": provenance["configuration"]["subjects"],
                "SpatialReference": reference,
                "Simulated": provenance["simulated"],
                "UntrainedSpaces": provenance["untrained"],
                "Weights": weights_labels(provenance),
                "OutsideMask": "NaN",
                "Provenance": provenance,
                **{key.capitalize(): value for key, value in entry.items()},
            }
            file = f"{described['folder']}/{name}"
            index[file] = entry
            write_map(directory / file, image_like(files[0][number], part), sidecar)
    return index


def _versions(
    tested: GroupMap, described: Mapping[str, Any], significant: np.ndarray | None = None
) -> dict[str, tuple[np.ndarray, dict[str, str]]]:
    """Return {desc: (values, their description)} of the versions of a group map.

    These are the mean and n and, if the quantity is tested, t, corrected p, and the mean where it
    is significant by q or by corrected p.

    Parameters
    ----------
    significant : (voxel,) number of subjects in whom the voxel is significant; None if untested
    """
    units = described["units"]
    versions = {
        "mean": (tested.mean, {"description": "mean over subjects", "units": units}),
        "n": (
            tested.n_subjects.astype(np.float64),
            {"description": "subjects with a value", "units": "subjects"},
        ),
    }
    if significant is not None:
        counted = (
            f"subjects in whom the voxel or vertex is significant (q ≤ {LEVEL}, see their own maps)"
        )
        versions["replicated"] = significant, {"description": counted, "units": "subjects"}
    if described["quantity"] in UNTESTED:
        return versions
    q = false_discovery_rate(tested.p_t)
    by_q = f"q ≤ {LEVEL} over {GROUP_FAMILY}, of t over subjects, two-sided"
    max_t = (
        "corrected for all voxels or vertices of the map where every subject has a value, by the "
        "largest |t| of every flip of the subjects' signs, two-sided"
    )
    return versions | {
        "t": (tested.t, {"description": "one-sample t over subjects", "units": "t"}),
        f"fdr{round(100 * LEVEL):02d}": (
            np.where(q <= LEVEL, tested.mean, np.nan),
            {"description": f"mean over subjects where {by_q}", "units": units},
        ),
        "pMaxT": (tested.p_max_t, {"description": f"p {max_t}", "units": "p"}),
        f"fwe{round(100 * LEVEL):02d}": (
            np.where(tested.p_max_t <= LEVEL, tested.mean, np.nan),
            {"description": f"mean over subjects where p ≤ {LEVEL}, {max_t}", "units": units},
        ),
    }


def _significant(thresholded: list[list[Path]]) -> np.ndarray:
    """Count, for each voxel, the subjects whose thresholded map has a value: (voxel,)."""
    parts = [np.isfinite(_stack(of_subjects)) for of_subjects in zip(*thresholded, strict=True)]
    return np.concatenate([part.sum(axis=0, dtype=np.float64).ravel() for part in parts])


def _stack(files: tuple[Path, ...]) -> np.ndarray:
    """Read values (subject, …) of one part of a map."""
    values = [read_map(path) for path in files]
    for path, found in zip(files, values, strict=True):
        if found.shape != values[0].shape:
            raise InputError(
                f"{path}: grid {found.shape}, but {files[0]} has {values[0].shape}. They are of "
                "different templates; delete both folders and run snakemake again."
            )
    return np.stack(values)


if __name__ == "__main__":
    run_stage(main)
