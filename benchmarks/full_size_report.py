"""Time and memory of a full-size subject's maps and pages, and how large the pages are.

    python -m benchmarks.full_size_report FOLDER --models 10 --comparisons 6

The cortical sheet of fsaverage5 in 81 × 104 × 83 voxels (about 110,000), surfaces of 163,842
vertices a hemisphere and NSD's MNI grid are written into FOLDER with made-up scores; then the
stages run, each in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import scipy.ndimage
import yaml
from nilearn.datasets import load_fsaverage, load_fsaverage_data

from encoding.variance_partitioning import (
    joint_gain,
    model_name,
    partition_variance,
    subsets,
)
from pipeline.configuration.reading import parse_configuration
from pipeline.configuration.study import Configuration
from pipeline.fits.described_tests import describe_tests
from pipeline.jobs.frozen_run import RUN, freeze, frozen_text
from pipeline.jobs.job_settings import study_run
from pipeline.nsd.layout import HEMISPHERES, NSDLayout
from pipeline.results.metadata import write_json, write_metadata
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import write_result
from pipeline.results.tables import write_table
from pipeline.stages.label_rois import COLUMNS

GRID, MNI_GRID = (81, 104, 83), (182, 218, 182)
SPACE, SUBJECT = "func1pt8mm", "subj01"
BETAS = "betas_fithrf_GLMdenoise_RR"
# mm; where the brain of fsaverage has its middle
EDGE, CENTRE = 1.8, np.array([0.0, -18.0, 12.0])
# 10,242 vertices become 163,842
DIVISIONS = 2
ROIS = ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4")
TABLES = ("correlations", "partitions", "group", "best_voxels", "models")
DEPTHS = {"layerB1": 0.25, "layerB2": 0.5, "layerB3": 0.75}


@dataclass(frozen=True)
class Side:
    """One hemisphere of fsaverage5, its triangles divided until it has fsaverage's vertices."""

    shapes: dict[str, np.ndarray]
    sulcal_depth: np.ndarray
    faces: np.ndarray


def read_sides() -> dict[str, Side]:
    """Both hemispheres, coarse vertices first as FreeSurfer's; shapes and depth from nilearn."""
    meshes = {
        name: load_fsaverage("fsaverage5")[name] for name in ("pial", "white_matter", "inflated")
    }
    depth = load_fsaverage_data(mesh="fsaverage5", data_type="sulcal")
    return {
        side: _divided(
            {name: mesh.parts[part].coordinates for name, mesh in meshes.items()},
            depth.data.parts[part],
            meshes["pial"].parts[part].faces,
        )
        for side, part in zip(HEMISPHERES, ("left", "right"), strict=True)
    }


def _divided(shapes: dict[str, np.ndarray], depth: np.ndarray, faces: np.ndarray) -> Side:
    columns = [*shapes.values(), depth[:, None]]
    values = np.concatenate(columns, axis=1)
    for _ in range(DIVISIONS):
        values, faces = _divide(values, faces)
    parts = np.split(values, np.cumsum([column.shape[1] for column in columns])[:-1], axis=1)
    return Side(dict(zip(shapes, parts, strict=False)), parts[-1][:, 0], faces)


def _divide(values: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every triangle in four: the new vertices are the edges' middles, behind the old ones."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    unique, inverse = np.unique(edges, axis=0, return_inverse=True)
    ab, bc, ca = np.split(inverse.ravel() + len(values), 3)
    a, b, c = faces.T
    parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    middle = values[unique].mean(axis=1)
    return np.vstack([values, middle]), np.vstack([np.column_stack(part) for part in parts])


def write_tree(layout: NSDLayout) -> np.ndarray:
    """NSD's files that maps and pages read; the cortical sheet's voxels."""
    sides = read_sides()
    sheet = np.zeros(GRID, dtype=bool)
    for side in sides.values():
        for depth in (0, *DEPTHS.values(), 1):
            index = np.floor(_voxel_coordinates(_at(side, depth)) - 0.5).astype(int)
            sheet[tuple(index.T)] = True
    voxel = np.flatnonzero(sheet)
    affine = np.diag([EDGE, EDGE, EDGE, 1.0])
    affine[:3, 3] = -EDGE / 2 * (np.array(GRID) - 1)
    near = scipy.ndimage.gaussian_filter(sheet.astype(np.float32), 3)
    _save(layout.mean_image(SUBJECT, SPACE), (1000 * near / near.max()).astype(np.float32), affine)
    back = np.unravel_index(voxel, GRID)[1] < GRID[1] // 5
    height = np.unravel_index(voxel, GRID)[2]
    labels = np.where(back, 1 + height * len(ROIS) // GRID[2], 0)
    for atlas, values in {"nsdgeneral": np.ones(len(voxel)), "prf-visualrois": labels}.items():
        volume = np.full(np.prod(GRID), -1.0)
        volume[voxel] = values
        _save(layout.roi(SUBJECT, SPACE, atlas), volume.reshape(GRID), affine)
    table = layout.colour_table(SUBJECT, "prf-visualrois")
    table.parent.mkdir(parents=True, exist_ok=True)
    names = ["Unknown", *ROIS]
    table.write_text("".join(f"{number} {name}\n" for number, name in enumerate(names)))
    for name, side in sides.items():
        _write_surface(layout, name, side)
    _write_mni(layout)
    return voxel


def _at(side: Side, depth: float) -> np.ndarray:
    """Coordinates between the pial (0) and the white surface (1), mm."""
    return (1 - depth) * side.shapes["pial"] + depth * side.shapes["white_matter"]


def _voxel_coordinates(world: np.ndarray) -> np.ndarray:
    """1-based, of millimetres around the template's centre."""
    return (world - CENTRE) / EDGE + (np.array(GRID) + 1) / 2


def _save(path: Path, values: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)


def _write_surface(layout: NSDLayout, name: str, side: Side) -> None:
    """fsaverage, and a native surface of the same shape whose vertices are in another order."""
    order = np.random.default_rng(0).permutation(len(side.sulcal_depth))
    place = np.argsort(order)
    everything = np.arange(len(order))
    for owner, vertex, faces in (
        ("fsaverage", everything, side.faces),
        (SUBJECT, order, place[side.faces]),
    ):
        layout.surface(owner, name, "").parent.mkdir(parents=True, exist_ok=True)
        for shape in ("inflated", "pial"):
            path = layout.surface(owner, name, shape)
            nibabel.freesurfer.write_geometry(path, side.shapes[shape][vertex], faces)
        depth = side.sulcal_depth[vertex]
        nibabel.freesurfer.write_morph_data(layout.surface(owner, name, "sulc"), depth)
    for layer, depth in DEPTHS.items():
        points = _voxel_coordinates(_at(side, depth))[order]
        _vertices(layout.surface_transform(SUBJECT, name, "func1pt8", layer), points)
    _vertices(layout.surface_transform(SUBJECT, name, "white", "fsaverage"), place + 1)


def _vertices(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = values.astype(np.float32)
    volume = values.reshape(len(values), 1, 1, *values.shape[1:])
    nibabel.MGHImage(volume, np.eye(4)).to_filename(path)


def _write_mni(layout: NSDLayout) -> None:
    affine = np.array([[-1, 0, 0, 90], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1.0]])
    _save(layout.mni_template, np.zeros(MNI_GRID, np.uint8), affine)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in MNI_GRID), indexing="ij"), axis=-1)
    world = nibabel.affines.apply_affine(affine, index.reshape(-1, 3)).reshape(index.shape)
    points = _voxel_coordinates(world).astype(np.float32)
    # NSD writes transforms with the origin at the centre, whatever their grid
    centred = nibabel.affines.from_matvec(np.eye(3), -(np.array(MNI_GRID) - 1) / 2)
    _save(layout.volume_transform(SUBJECT, "func1pt8", "MNI"), points, centred)


def configuration(n_models: int, n_comparisons: int, tree: Path) -> dict[str, object]:
    """Configure a study with this many single models and pairs."""
    models = [f"model{number}" for number in range(n_models)]
    network = {"library": "torchvision", "architecture": "alexnet", "stimulus": "image"}
    return {
        "study": "full_size",
        "nsd": str(tree),
        "stimulus_set": "nsd",
        "subjects": [SUBJECT],
        "responses": {"space": SPACE, "betas": BETAS, "mask": "cortex"},
        "networks": {"alexnet": network},
        "feature_spaces": {model: {"network": "alexnet", "layer": "fc7"} for model in models},
        "splits": {"folds": 5, "seed": 0},
        "encoding": {
            "alphas": {"minimum": 1e-5, "maximum": 1e5, "number": 21},
            "band_weight_samples": 20,
            "seed": 0,
        },
        "maps": {"spaces": ["nativesurface", "fsaverage", "MNI152"]},
        "models": models,
        "comparisons": {
            f"comparison{number}": [models[number], models[number + 1]]
            for number in range(n_comparisons)
        },
        "rois": ["prf-visualrois"],
    }


def write_results(study: Configuration, root: Path, voxel: np.ndarray, affine: np.ndarray) -> None:
    """Responses, fits, tests and partitions with made-up scores."""
    generator = np.random.default_rng(0)
    identity = {"subject": SUBJECT, "variant": "all", "space": SPACE, "betas": BETAS}

    def provenance(spaces: Sequence[str] = (), **of: str) -> dict[str, object]:
        made = {**identity, **of, "spaces": list(spaces), "tests": tested_by}
        recorded = {space: {"state": "pretrained", "label": "pretrained"} for space in spaces}
        return make_provenance("benchmark", made, {}, simulated=True, weights=recorded)

    chosen = study.significance
    tested_by = describe_tests(chosen.test, chosen.resample, chosen.draws)

    geometry = {"voxel": ("voxel", voxel), "grid_shape": ("axis", np.array(GRID))}
    placed = {**geometry, "affine": (("affine_row", "affine_column"), affine)}
    write_result(root / "responses/subj01.h5", placed, provenance())
    smooth = np.sin(np.column_stack(np.unravel_index(voxel, GRID)) / 9).prod(axis=1)
    noise = {model: 0.05 * generator.normal(size=len(voxel)) for model in study.models}
    base = {model: 0.2 * smooth + values for model, values in noise.items()}
    ceiling = (0.3 + 0.2 * smooth).astype(np.float32)
    r2 = {model: sum(base[space] for space in spaces) for model, spaces in study.fits().items()}
    tests = {}
    for model, values in r2.items():
        values = values.astype(np.float32)
        arrays = {"r": np.sign(values) * np.sqrt(np.abs(values)), "r2": values}
        arrays |= {"cv_score": values, "alpha": np.ones(len(voxel), np.float32)}
        tests[model] = {key: np.where(values > 0.1, 0.01, 0.5) for key in "pq"}
        for score in ("r", "r2"):
            tests[model][f"{score}_lower"] = arrays[score] - np.float32(0.05)
            tests[model][f"{score}_upper"] = arrays[score] + np.float32(0.05)
        spaces = study.fits()[model]
        arrays |= {"reliability": ceiling}
        arrays |= {"noise_ceiling": ceiling, "noise_ceiling_error": 0.1 * ceiling}
        arrays |= {"searched_exactly": np.zeros(len(voxel), bool)}
        fitted = {name: ("voxel", array) for name, array in arrays.items()}
        fitted["space"] = "space", spaces
        fitted["band_weights"] = ("space", "voxel"), np.ones((len(spaces), len(voxel)), np.float32)
        recorded = provenance(spaces, model=model)
        write_result(root / f"encoding/subj01/all/{model}.h5", {**geometry, **fitted}, recorded)
        tested = {name: ("voxel", array) for name, array in tests[model].items()}
        tested["voxel"] = "voxel", voxel
        write_result(root / f"significance/subj01/all/{model}.h5", tested, recorded)
    for comparison, spaces in study.comparisons.items():
        models = [model_name(subset) for subset in subsets(spaces)]
        fitted = dict(zip(models, study.models_of(comparison), strict=True))
        own = {model: r2[name] for model, name in fitted.items()}
        components = partition_variance(own, spaces)
        labels = {"voxel": ("voxel", voxel), "component": ("component", [*components])}
        tested = {
            key: (("component", "voxel"), np.stack([tests[name][of] for name in fitted.values()]))
            for key, of in (
                *(("p", "p"), ("q", "q")),
                *((f"variance_{side}", f"r2_{side}") for side in ("lower", "upper")),
            )
        }
        partition = {
            "variance": (("component", "voxel"), np.stack([*components.values()])),
            "model": ("model", [*own]),
            "r2": (("model", "voxel"), np.stack([*own.values()])),
            "part": ("part", []),
            "product_measure": (("part", "voxel"), np.empty((0, len(voxel)), np.float32)),
            "noise_ceiling": ("voxel", ceiling),
            "joint_gain": ("voxel", joint_gain(own, spaces)),
        }
        recorded = provenance(spaces, comparison=comparison)
        write_result(
            root / f"partitions/subj01/all/{comparison}.h5", {**labels, **partition}, recorded
        )
        write_result(
            root / f"significance/subj01/all/{comparison}.h5", {**labels, **tested}, recorded
        )
    rois = pd.DataFrame({"voxel": voxel[::20], "atlas": "prf-visualrois", "roi": "V1v"})
    rois["hemisphere"], rois["place"] = "lh", 0
    write_table(root / "rois/subj01.tsv", rois, COLUMNS, provenance())
    write_metadata(root / "checked/audit.json", {"audited_fits": {SUBJECT: len(study.fits())}})


def stages(study: Configuration, root: Path) -> Iterator[list[str]]:
    """Return the command of every stage, in order, and the run with their settings."""
    os.environ[RUN] = str(freeze(root / "runs", frozen_text(study_run(study, {}))))
    fits = {
        kind: [str(path) for path in sorted((root / kind / SUBJECT / "all").glob("*.h5"))]
        for kind in ("encoding", "significance", "partitions")
    }
    of_fits = [argument for kind, paths in fits.items() for argument in (f"--{kind}", *paths)]
    maps, tables = f"{root}/maps/{SUBJECT}/all", f"{root}/tables"
    named = [f"{tables}/{name}.tsv" for name in TABLES]
    rois, voxels = f"{root}/rois/{SUBJECT}.tsv", f"{tables}/voxels/{SUBJECT}.parquet"
    limits = f"{root}/maps/colour_limits.json"
    yield [
        *("write_maps", "--nsd", str(study.nsd), "--subject", SUBJECT, "--variant", "all"),
        *("--responses", f"{root}/responses/{SUBJECT}.h5", *of_fits, "--models", "models"),
        *("--atlases", "rois", "--spaces", "map_spaces", "--out-directory", maps),
        *("--quantities", "mapped_quantities"),
    ]
    yield [
        *("write_tables", "--models", "models", "--rois", rois, *of_fits),
        *("--out", *named),
    ]
    yield [
        *("write_voxel_tables", "--subject", SUBJECT, "--rois", rois, *of_fits),
        *("--models", voxels, "--components", f"{tables}/voxel_components/{SUBJECT}.parquet"),
    ]
    yield ["choose_colour_limits", "--maps", maps, "--out", limits]
    whole = ("--configuration", "configuration", "--nsd", str(study.nsd))
    yield [
        *("write_figures", *whole, "--tables", *named, "--voxels", voxels),
        *("--out-directory", f"{root}/figures"),
    ]
    yield [
        *("write_subject_page", *whole, "--maps", maps, "--limits", limits),
        *("--tables", *named, "--figures", f"{root}/figures"),
        *("--out-directory", f"{root}/report"),
    ]
    yield [
        *("write_study_pages", *whole, "--tables", *named, "--maps", maps),
        *("--audit", f"{root}/checked/audit.json"),
        *("--limits", limits, "--figures", f"{root}/figures", "--benchmarks", f"{root}/benchmarks"),
        *("--out-directory", f"{root}/report"),
    ]


def run(command: list[str]) -> tuple[float, float]:
    """Seconds and largest resident megabytes of a stage in a process of its own."""
    start = time.perf_counter()
    arguments = [sys.executable, "-m", f"pipeline.stages.{command[0]}", *command[1:]]
    _, status, usage = os.wait4(os.spawnv(os.P_NOWAIT, sys.executable, arguments), 0)
    if status:
        raise SystemExit(f"{command[0]} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--comparisons", type=int, default=6)
    arguments = parser.parse_args()
    root = arguments.folder.resolve()
    layout = NSDLayout(root / "nsd")
    voxel = write_tree(layout)
    affine = nibabel.load(layout.mean_image(SUBJECT, SPACE)).affine
    study = parse_configuration(configuration(arguments.models, arguments.comparisons, layout.root))
    (root / "study.yaml").write_text(yaml.safe_dump(study.model_dump(mode="json")))
    write_results(study, root, voxel, affine)
    measured = {}
    for command in stages(study, root):
        measured[command[0]] = dict(zip(("seconds", "megabytes"), run(command), strict=True))
        print(command[0], measured[command[0]], flush=True)
    sizes = {
        str(path.relative_to(root)): path.stat().st_size / 1e6
        for path in sorted((root / "report").rglob("*.html"))
    }
    print(f"{len(voxel)} voxels; largest page {max(sizes.values()):.1f} MB")
    write_json(root / "measured.json", {"stages": measured, "pages_mb": sizes})


if __name__ == "__main__":
    main()
