"""Write all brain maps of a subject."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.errors import InputError, run_stage
from pipeline.maps.quantities import DESCRIPTIONS, VoxelMap, encoding_maps, partition_maps
from pipeline.maps.volume import to_volume, write_map
from pipeline.storage import make_provenance, read_result, write_json

INDEX = "index.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subject", required=True)
    parser.add_argument("--responses", required=True, type=Path)
    parser.add_argument("--encoding", required=True, nargs="+", type=Path)
    parser.add_argument("--partitions", required=True, nargs="*", type=Path)
    parser.add_argument("--out-directory", required=True, type=Path)
    arguments = parser.parse_args()
    names = ["voxel", "grid_shape", "affine"]
    responses = read_result(arguments.responses, names)
    provenance = make_provenance(
        "write_maps",
        {"subject": arguments.subject},
        {"responses": arguments.responses}
        | {f"encoding/{path.stem}": path for path in arguments.encoding}
        | {f"partitions/{path.stem}": path for path in arguments.partitions},
    )
    space = responses.provenance["configuration"]["space"]
    index: dict[str, dict[str, object]] = {}
    for voxel_map in _maps(arguments):
        name = f"{arguments.subject}_space-{space}_{voxel_map.entities}_statmap.nii.gz"
        described = _describe(voxel_map)
        if name in index and index[name] != described:
            raise InputError(
                f"{index[name]['name']} and {voxel_map.name}: rename one; both → {name}"
            )
        index[name] = described
        volume = to_volume(voxel_map.values, responses["voxel"], responses["grid_shape"])
        sidecar = {
            "Subject": arguments.subject,
            "Space": space,
            "OutsideMask": "NaN",
            "Provenance": provenance,
            **{key.capitalize(): value for key, value in described.items()},
        }
        write_map(arguments.out_directory / name, volume, responses["affine"], sidecar)
    write_json(
        arguments.out_directory / INDEX,
        {"subject": arguments.subject, "space": space, "maps": index, "provenance": provenance},
    )


def _maps(arguments: argparse.Namespace) -> list[VoxelMap]:
    """Maps of all results; a model that several contrasts fitted alike is mapped once."""
    found: dict[str, VoxelMap] = {}
    for path in arguments.encoding:
        result = read_result(path)
        ceiling = VoxelMap("ceiling", "noise ceiling", None, result["noise_ceiling"])
        for voxel_map in (ceiling, *encoding_maps(result)):
            found.setdefault(voxel_map.entities, voxel_map)
    for path in arguments.partitions:
        for voxel_map in partition_maps(read_result(path), path.stem):
            found[voxel_map.entities] = voxel_map
    return list(found.values())


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
