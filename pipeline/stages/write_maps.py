"""Write all brain maps of a subject."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import InputError, run_stage
from pipeline.maps.files import bids_label, map_images, map_names, write_map
from pipeline.maps.quantities import (
    DESCRIPTIONS,
    VoxelMap,
    encoding_maps,
    layer_maps,
    partition_maps,
    significance_maps,
)
from pipeline.settings import WHOLE
from pipeline.storage import make_provenance, open_result, read_result, write_json

INDEX = "index.json"
GEOMETRY = ("grid_shape", "affine")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subject", required=True)
    parser.add_argument("--variant", required=True)
    parser.add_argument("--responses", required=True, type=Path)
    parser.add_argument("--encoding", required=True, nargs="+", type=Path)
    parser.add_argument("--significance", required=True, nargs="+", type=Path)
    parser.add_argument("--partitions", required=True, nargs="*", type=Path)
    parser.add_argument("--layers", required=True, nargs="*", type=Path)
    parser.add_argument("--out-directory", required=True, type=Path)
    arguments = parser.parse_args()
    with open_result(arguments.responses) as file:
        names = [name for name in GEOMETRY if name in file]
    responses = read_result(arguments.responses, names)
    provenance = make_provenance(
        "write_maps",
        {"subject": arguments.subject, "variant": arguments.variant},
        {"responses": arguments.responses}
        | {f"encoding/{path.stem}": path for path in arguments.encoding}
        | {f"significance/{path.stem}": path for path in arguments.significance}
        | {f"partitions/{path.stem}": path for path in arguments.partitions}
        | {f"layers/{path.stem}": path for path in arguments.layers},
    )
    space = responses.provenance["configuration"]["space"]
    index: dict[str, dict[str, object]] = {}
    # names tell subjects and variants apart wherever the files go
    of = "" if arguments.variant == WHOLE else f"variant-{bids_label(arguments.variant)}_"
    for voxel_map in _maps(arguments):
        described = _describe(voxel_map)
        sidecar = {
            "Subject": arguments.subject,
            "Variant": arguments.variant,
            "Space": space,
            "Simulated": provenance["simulated"],
            "UntrainedSpaces": list(voxel_map.untrained),
            "OutsideMask": "NaN",
            "Provenance": provenance,
            **{key.capitalize(): value for key, value in described.items()},
        }
        images = map_images(voxel_map.values, voxel_map.voxel, responses.arrays)
        names = map_names(arguments.subject, space, of + voxel_map.entities, len(images) > 1)
        for name, image in zip(names, images, strict=True):
            index[name] = described
            write_map(arguments.out_directory / name, image, sidecar)
    write_json(
        arguments.out_directory / INDEX,
        {
            "subject": arguments.subject,
            "variant": arguments.variant,
            "space": space,
            "maps": index,
            "provenance": provenance,
        },
    )


def _maps(arguments: argparse.Namespace) -> list[VoxelMap]:
    """Maps of all results; a model that several contrasts fitted alike is mapped once."""
    found: dict[str, VoxelMap] = {}
    for path in arguments.encoding:
        _add(found, encoding_maps(read_result(path)))
    for path in arguments.significance:
        _add(found, significance_maps(read_result(path), path.stem))
    for path in arguments.partitions:
        _add(found, partition_maps(read_result(path), path.stem))
    for path in arguments.layers:
        _add(found, layer_maps(read_result(path)))
    return list(found.values())


def _add(found: dict[str, VoxelMap], voxel_maps: Iterable[VoxelMap]) -> None:
    for voxel_map in voxel_maps:
        first = found.setdefault(voxel_map.entities, voxel_map)
        if (first.name, first.contrast) != (voxel_map.name, voxel_map.contrast):
            raise InputError(
                f"{first.contrast or first.name} and {voxel_map.contrast or voxel_map.name}: both "
                f"would be '{voxel_map.entities}' in file names, which hold letters and digits "
                "only; rename one in the configuration"
            )


def _describe(voxel_map: VoxelMap) -> dict[str, object]:
    description, units = DESCRIPTIONS[voxel_map.quantity]
    return {
        "quantity": voxel_map.quantity,
        "name": voxel_map.name,
        "contrast": voxel_map.contrast,
        "description": description,
        "units": units,
    }


if __name__ == "__main__":
    run_stage(main)
