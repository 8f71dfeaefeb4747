"""Write all brain maps of a subject, in the space of the responses and further spaces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from pipeline.analyses.parts import folder_of, parts
from pipeline.configuration.settings import WHOLE
from pipeline.dataset.anatomy import open_anatomy
from pipeline.dataset.regions import open_regions
from pipeline.errors import InputError, run_stage
from pipeline.fits.false_discoveries import covered
from pipeline.jobs import stage_arguments as given
from pipeline.maps.descriptions import described_quantities
from pipeline.maps.files import (
    INDEX,
    bids_label,
    map_images,
    map_names,
    write_map,
)
from pipeline.maps.quantities import (
    DESCRIPTIONS,
    VoxelMap,
    ceiling_maps,
    encoding_maps,
    partition_maps,
    preferred_model_map,
)
from pipeline.maps.spaces import Own, Target
from pipeline.results.metadata import write_metadata
from pipeline.results.provenance import by_identity, make_provenance
from pipeline.results.storage import Result, aligned_result, open_result, positions, read_result
from pipeline.tables.tables import LEVEL

GEOMETRY = ("grid_shape", "affine")
# entity in the names of thresholded maps
THRESHOLDED = f"desc-fdr{round(100 * LEVEL):02d}"
MAPS_AT_ONCE = 64


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    subject: given.Wildcard
    variant: given.Wildcard
    responses: given.InputFile
    encoding: given.InputFiles
    significance: given.InputFiles
    partitions: given.InputFiles
    analyses: given.InputFiles  # results of optional analyses
    models: Annotated[list[str], given.Setting("models")]  # for the map of preferred models
    atlases: Annotated[list[str], given.Setting("rois")]
    quantities: Annotated[list[str], given.Setting("mapped_quantities")]
    spaces: Annotated[list[str], given.Setting("spaces_mapped.{variant}")]  # of the responses first
    out_directory: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    with open_result(arguments.responses) as file:
        names = ["voxel", *(name for name in GEOMETRY if name in file)]
    responses = read_result(arguments.responses, names)
    geometry = {name: responses[name] for name in names}
    left_out = DESCRIPTIONS.keys() - set(arguments.quantities)
    maps = [*_maps(arguments), *_roi_maps(arguments, responses)]
    maps = [one for one in maps if one.quantity not in left_out]
    voxel = responses["voxel"]
    maps = [_ordered(one, voxel, arguments.responses) for one in maps]
    identity = {"subject": arguments.subject, "variant": arguments.variant}
    provenance = make_provenance("write_maps", identity, _inputs(arguments))
    own = arguments.spaces[0]
    anatomy = open_anatomy(arguments.nsd, arguments.subject, own)
    index: dict[str, dict[str, object]] = {}
    for space in arguments.spaces:
        here: Target = Own(space, geometry, voxel)
        target = here if space == own else anatomy.target(voxel, geometry, space)
        metadata = {
            "Subject": arguments.subject,
            "Variant": arguments.variant,
            "Space": space,
            "SpatialReference": anatomy.reference(space),
            "SpaceOfResponses": own,
            "Interpolation": target.interpolation,
            **_selected(provenance["selected"].get(arguments.subject, {}), arguments.variant),
            "Simulated": provenance["simulated"],
            "Provenance": provenance,
        }
        for voxel_map, values, thresholded in _in_space(maps, target):
            index |= _write(voxel_map, values, thresholded, target, metadata, arguments)
    write_metadata(
        arguments.out_directory / INDEX,
        {**identity, "space": own, "maps": index, "provenance": provenance},
    )


def _in_space(
    maps: list[VoxelMap], target: Target
) -> Iterator[tuple[VoxelMap, np.ndarray, np.ndarray | None]]:
    """Yield maps, their values (voxel,) in a space, and where these are significant if tested."""
    of_labels = [one for one in maps if one.labels is not None]
    of_values = [one for one in maps if one.labels is None]
    for start in range(0, len(of_values), MAPS_AT_ONCE):
        batch = of_values[start : start + MAPS_AT_ONCE]
        values = target.values(np.stack([one.values for one in batch], axis=1))
        q = [one.q for one in batch if one.q is not None]
        inside = iter(target.inside(np.stack(q, axis=1) <= LEVEL).T if q else ())
        for one, mapped in zip(batch, values.T, strict=True):
            yield one, mapped, None if one.q is None else next(inside)
    for one in of_labels:
        yield one, target.labels(one.values), None


def _write(
    voxel_map: VoxelMap,
    values: np.ndarray,
    significant: np.ndarray | None,
    target: Target,
    metadata: Mapping[str, object],
    arguments: Arguments,
) -> dict[str, dict[str, object]]:
    """Write a map and its thresholded version; return {file: its description}."""
    versions: dict[str, np.ndarray] = {"": values}
    if significant is not None:
        versions[f"_{THRESHOLDED}"] = np.where(significant, values, np.nan)
    index: dict[str, dict[str, object]] = {}
    labels = voxel_map.labels
    for suffix, version_values in versions.items():
        described = {**_describe(voxel_map), "space": target.name}
        described["threshold"] = f"q ≤ {LEVEL}" if suffix else "none"
        sidecar = {
            **metadata,
            "UntrainedSpaces": list(voxel_map.untrained),
            "Weights": dict(voxel_map.weights),
            "OutsideMask": "NaN" if labels is None else "0",
            **{key.capitalize(): value for key, value in described.items()},
        }
        if voxel_map.test is not None:
            sidecar["Test"] = voxel_map.test
        if (q := _false_discoveries(voxel_map, suffix)) is not None:
            sidecar["FalseDiscoveryFamily"] = covered(q)
        if labels is not None:
            sidecar["Labels"] = {str(key): name for key, name in labels.items()}
        # names contain subject and variant, as users copy files
        variant = arguments.variant
        of = "" if variant == WHOLE else f"variant-{bids_label(variant)}_"
        entities = f"{of}{voxel_map.entities}{suffix}"
        names = map_names(arguments.subject, target.name, entities, labels=labels is not None)
        images = map_images(version_values, target.place, target.geometry, labels, target.name)
        for name, image in zip(names, images, strict=True):
            file = f"{voxel_map.folder}/{name}"
            index[file] = {**described, "entities": entities, "folder": voxel_map.folder}
            write_map(arguments.out_directory / file, image, sidecar, labels)
    return index


def _false_discoveries(voxel_map: VoxelMap, thresholded: str) -> np.ndarray | None:
    """Return the q-values that a map contains or is thresholded by."""
    if voxel_map.quantity == "q":
        return voxel_map.values
    return voxel_map.q if thresholded else None


def _maps(arguments: Arguments) -> list[VoxelMap]:
    """Make the maps of all results."""
    tests = by_identity(arguments.significance)
    found: dict[str, VoxelMap] = {}
    single: dict[str, Result] = {}
    for path in arguments.encoding:
        result = read_result(path)
        if not found:
            _add(found, ceiling_maps(result))
        _add(found, encoding_maps(result, aligned_result(tests[result.identity], result)))
        if (model := result.configuration["model"]) in arguments.models:
            single[model] = result
    for path in arguments.partitions:
        result = read_result(path)
        _add(found, partition_maps(result, aligned_result(tests[result.identity], result)))
    for path in arguments.analyses:
        result = read_result(path)
        _add(found, parts("maps")[folder_of(result.provenance["stage"])].voxel_maps(result))
    if len(single) > 1:
        first = next(iter(single.values()))
        named = [model for model in arguments.models if model in single]
        fits = {model: aligned_result(single[model].path, first) for model in named}
        _add(found, [preferred_model_map(fits)])
    return list(found.values())


def _ordered(one: VoxelMap, voxel: np.ndarray, source: Path) -> VoxelMap:
    """Return a map with the voxels of the responses, NaN where it has no value."""
    rows = positions(voxel, one.voxel, source, one.entities)

    def spread(values: np.ndarray) -> np.ndarray:
        filled = np.full(len(voxel), np.nan, dtype=np.float32)
        filled[rows] = values
        return filled

    q = None if one.q is None else spread(one.q)
    return replace(one, voxel=voxel, values=spread(one.values), q=q)


def _roi_maps(arguments: Arguments, responses: Result) -> Iterator[VoxelMap]:
    """Yield maps of the ROI labels of modelled voxels, numbered as in the dataset."""
    settings, voxel = responses.configuration, responses["voxel"]
    regions = open_regions(arguments.nsd, arguments.subject, settings)
    for atlas in arguments.atlases:
        labels = regions.values(atlas, voxel).astype(np.float32)
        labels = np.where(labels > 0, labels, np.nan)
        yield VoxelMap("roi", atlas, None, voxel, labels, labels=regions.names(atlas))


def _inputs(arguments: Arguments) -> dict[str, Path]:
    inputs = {"responses": arguments.responses}
    for kind in ("encoding", "significance", "partitions"):
        inputs |= {f"{kind}/{path.stem}": path for path in getattr(arguments, kind)}
    return inputs | {"/".join([*path.parts[-3:-1], path.stem]): path for path in arguments.analyses}


def _add(found: dict[str, VoxelMap], voxel_maps: Iterable[VoxelMap]) -> None:
    for voxel_map in voxel_maps:
        first = found.setdefault(voxel_map.entities, voxel_map)
        if first is not voxel_map:
            raise InputError(
                f"{first.comparison or first.name} and {voxel_map.comparison or voxel_map.name}: "
                f"both would be '{voxel_map.entities}' in file names, which hold letters and "
                "digits only; rename one in the configuration"
            )


def _selected(selected: Mapping[str, Any], variant: str) -> dict[str, object]:
    """Describe the voxels and images that were modelled, as far as their files record them."""
    found: dict[str, object] = {}
    if "voxels_left" in selected:
        left = selected["voxels_left"]
        found["Mask"] = [{"Condition": words, "VoxelsLeft": n} for words, n in left]
    if "images" in selected:
        found["Images"] = selected["images"][variant]
    return found


def _describe(voxel_map: VoxelMap) -> dict[str, object]:
    description, units = described_quantities()[voxel_map.quantity]
    return {
        "quantity": voxel_map.quantity,
        "name": voxel_map.name,
        "comparison": voxel_map.comparison,
        "band": voxel_map.band,
        "description": description,
        "units": units,
    }


if __name__ == "__main__":
    run_stage(main)
