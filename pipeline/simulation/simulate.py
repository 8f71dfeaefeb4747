"""Write a simulated NSD, with its known truth in a folder beside it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import scipy.io
from tqdm import tqdm

from pipeline.errors import InputError
from pipeline.results.metadata import write_json
from pipeline.results.provenance import make_provenance
from pipeline.results.result_file import Arrays
from pipeline.results.storage import write_result
from pipeline.simulation import coco, files, surfaces
from pipeline.simulation.atlases import LABELS, SUBCORTICAL
from pipeline.simulation.brain import (
    Brain,
    make_brain,
    mean_image,
    roi_volumes,
    subcortical_volumes,
)
from pipeline.simulation.design import (
    TRIALS,
    Plan,
    behaviour,
    experiment_design,
    image_table,
    make_plan,
    subject_number,
)
from pipeline.simulation.oracle import oracle_r2, perfect_r2
from pipeline.simulation.photographs import read_photographs
from pipeline.simulation.planting import (
    INT16_PER_PERCENT,
    Session,
    Signal,
    leading_components,
    noise_ceiling_snr,
    plant,
    run_session,
    to_int16,
)
from pipeline.simulation.scenes import Stimulus, draw_scene
from pipeline.simulation.settings import Photographs, SimulatedSubject, SimulationSettings
from pipeline.simulation.spaces import planted_features

MARKER = "SIMULATED.json"
# voxels of nsdgeneral that no session covers, and that the last session does not cover
N_NEVER_VALID, N_INVALID_IN_LAST = 2, 4


def simulate(settings: SimulationSettings, nsd_root: Path) -> dict[str, object]:
    """Write the tree at `nsd_root` and the truth at `nsd_root`/../truth.

    Both appear only when they are complete.

    Returns
    -------
    A summary: number of images, seed, and numbers of voxels.

    Raises
    ------
    InputError
        `nsd_root` exists and is not a simulated NSD.
    """
    truth_root = nsd_root.parent / "truth"
    if nsd_root.exists() and not (nsd_root / MARKER).exists():
        raise InputError(f"{nsd_root}: exists and is not a simulated tree; name another folder.")
    building = nsd_root.with_name(f".{nsd_root.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    summary = _write_tree(settings, building / "nsd", building / "truth")
    write_json(building / "nsd" / MARKER, summary)
    for source, destination in (("truth", truth_root), ("nsd", nsd_root)):
        shutil.rmtree(destination, ignore_errors=True)
        (building / source).rename(destination)
    building.rmdir()
    return summary


def _write_tree(settings: SimulationSettings, root: Path, truth: Path) -> dict[str, object]:
    generator = np.random.default_rng(settings.seed)
    plan = make_plan(settings, generator)
    table = coco.coco_table(settings.n_images, plan.shared - 1, generator)
    stimuli = list(_stimuli(settings, plan, generator))
    _write_experiment(root, settings, plan, table, stimuli, generator)
    seen = _images_seen(settings, plan)
    features = _features(settings, [stimuli[image] for image in seen])
    components = {n: leading_components(f, settings.components) for n, f in features.items()}
    voxels = {}
    for name, subject in settings.subjects.items():
        # each subject has its own generator: another subject does not change the others
        own = np.random.default_rng([settings.seed, subject_number(name)])
        brain = make_brain(subject.grid, settings.groups, settings.seed)
        _write_anatomy(root, name, settings.volume, brain, own)
        _write_surfaces(root, name, settings, brain)
        signal = plant(brain, components, settings, own)
        sessions = _run_sessions(plan, name, subject, brain, signal, seen, settings, own)
        _write_sessions(root, name, subject, brain, plan, sessions, settings)
        completed = behaviour(plan, name, subject.sessions, own)
        path = root / f"nsddata/ppdata/{name}/behav/responses.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        completed.to_csv(path, sep="\t", index=False, na_rep="NaN")
        arrays = _truth(plan, name, seen, signal, features, components, sessions, settings)
        provenance = make_provenance(
            "simulation",
            {"subject": name, **settings.model_dump(mode="json")},
            {},
            seed=settings.seed,
            simulated=True,
        )
        write_result(truth / f"{name}.h5", arrays, provenance)
        voxels[name] = len(signal.voxel)
    return {"images": settings.n_images, "seed": settings.seed, "voxels": voxels}


def _stimuli(
    settings: SimulationSettings, plan: Plan, generator: np.random.Generator
) -> Iterator[Stimulus]:
    """Yield all stimuli; the first shared image has 6 captions, one with a line break."""
    special = plan.shared[0] - 1
    n_captions = [settings.captions_per_image] * settings.n_images
    n_captions[special] = 6
    if isinstance(settings.images, Photographs):
        source = read_photographs(
            settings.images, settings.n_images, settings.captions_per_image, generator
        )
    else:
        source = (draw_scene(n, generator) for n in n_captions)
    for row, stimulus in enumerate(tqdm(source, "images", settings.n_images, unit="image")):
        if row == special:
            stimulus.captions[0] = stimulus.captions[0].replace(" ", "\n", 1)
            # this image has no objects, like some of COCO's
            stimulus.objects.clear()
        yield stimulus


def _write_experiment(
    root: Path,
    settings: SimulationSettings,
    plan: Plan,
    table: pd.DataFrame,
    stimuli: Sequence[Stimulus],
    generator: np.random.Generator,
) -> None:
    experiments = root / "nsddata/experiments/nsd"
    experiments.mkdir(parents=True)
    scipy.io.savemat(experiments / "nsd_expdesign.mat", experiment_design(plan), format="5")
    columns = table.drop(columns=["width", "height"])
    image_table(plan, columns, settings, generator).to_csv(experiments / "nsd_stim_info_merged.csv")
    stimulus_folder = root / "nsddata_stimuli/stimuli/nsd"
    files.write_stimuli(
        stimulus_folder / "nsd_stimuli.hdf5", (s.image for s in stimuli), len(stimuli)
    )
    for split in coco.SPLITS:
        captions, instances = coco.annotation_files(split, table, stimuli)
        folder = stimulus_folder / "annotations"
        files.write_compact_json(folder / f"captions_{split}.json", captions)
        files.write_compact_json(folder / f"instances_{split}.json", instances)


def _images_seen(settings: SimulationSettings, plan: Plan) -> np.ndarray:
    """List the 0-based images that some subject saw, sorted, which are those that need features."""
    presented = [
        plan.images_of_trials(name)[: subject.sessions * TRIALS]
        for name, subject in settings.subjects.items()
    ]
    return np.unique(np.concatenate(presented))


def _features(settings: SimulationSettings, stimuli: Sequence[Stimulus]) -> dict[str, np.ndarray]:
    images = np.stack([stimulus.image for stimulus in stimuli])
    captions = [stimulus.captions for stimulus in stimuli]
    return {
        name: planted_features(name, space, images, captions)
        for name, space in settings.planted_spaces.items()
    }


def _write_anatomy(
    root: Path, subject: str, space: str, brain: Brain, generator: np.random.Generator
) -> None:
    functional = root / f"nsddata/ppdata/{subject}/{space}"
    files.write_nifti(functional / "brainmask.nii.gz", brain.mask.astype(np.int16), space)
    mean = mean_image(brain, generator).astype(np.float32)
    files.write_nifti(functional / "mean.nii.gz", mean, space)
    hemispheres = {"lh.": brain.left, "rh.": ~brain.left, "": np.ones_like(brain.left)}
    for prefix, inside in hemispheres.items():
        for atlas, volume in roi_volumes(brain).items():
            labels = np.where(inside, volume, -1).astype(np.float64)
            files.write_nifti(functional / f"roi/{prefix}{atlas}.nii.gz", labels, space)
        for atlas, volume in subcortical_volumes(brain).items():
            labels = np.where(inside, volume, 0).astype(np.int16)
            files.write_nifti(functional / f"roi/{prefix}{atlas}.nii.gz", labels, space)
    for atlas, names in {"nsdgeneral": ("nsdgeneral",), **LABELS}.items():
        label_folder = root / f"nsddata/freesurfer/{subject}/label"
        files.write_colour_table(label_folder / f"{atlas}.mgz.ctab", names)
    for atlas, names in SUBCORTICAL.items():
        files.write_colour_table(root / f"nsddata/templates/{atlas}.ctab", names)


def _write_surfaces(root: Path, name: str, settings: SimulationSettings, brain: Brain) -> None:
    """Write meshes, labels and transforms of a subject, and of fsaverage."""
    freesurfer, grid = root / "nsddata/freesurfer", brain.brain.shape
    half_mm = (np.array(grid) - 1) / 2 * files.VOXEL_SIZE[settings.volume]
    native = surfaces.native_hemispheres(subject_number(name))
    for owner, hemispheres in ((name, native), ("fsaverage", surfaces.fsaverage_hemispheres())):
        for side, hemisphere in hemispheres.items():
            surfaces.write_surfaces(freesurfer / owner / "surf", side, hemisphere, half_mm)
            for atlas, volume in roi_volumes(brain).items():
                # ROIs drawn by hand in each subject do not exist on fsaverage
                if owner == name or not atlas.startswith(("prf-", "floc-")):
                    labels = surfaces.labels_on_surface(hemisphere, volume, grid)
                    path = freesurfer / owner / f"label/{side}.{atlas}.mgz"
                    surfaces.write_vertices(path, labels)
    transforms = root / f"nsddata/ppdata/{name}/transforms"
    for file, values in surfaces.surface_transforms(settings.volume, native, grid).items():
        surfaces.write_vertices(transforms / file, values)
    source = surfaces.TRANSFORM_NAMES[settings.volume]
    points = surfaces.mni_coordinates(settings.volume, grid)
    files.write_nifti(transforms / f"{source}-to-MNI.nii.gz", points, "MNI152")
    template = nibabel.Nifti1Image(
        np.zeros(surfaces.MNI_SHAPE, np.int16), surfaces.mni_affine(), dtype=np.int16
    )
    nibabel.save(template, root / "nsddata/templates/MNI152_T1_1mm.nii.gz")


def _run_sessions(
    plan: Plan,
    name: str,
    subject: SimulatedSubject,
    brain: Brain,
    signal: Signal,
    seen: np.ndarray,
    settings: SimulationSettings,
    generator: np.random.Generator,
) -> list[Session]:
    uncovered = generator.choice(signal.voxel, N_NEVER_VALID + N_INVALID_IN_LAST, replace=False)
    rows = np.searchsorted(seen, plan.images_of_trials(name)[: subject.sessions * TRIALS])
    sessions = []
    for number, trials in enumerate(rows.reshape(-1, TRIALS), start=1):
        last = number == subject.sessions > 1
        invalid = uncovered if last else uncovered[:N_NEVER_VALID]
        sessions.append(run_session(brain, signal, trials, invalid, settings, generator))
    return sessions


def _write_sessions(
    root: Path,
    name: str,
    subject: SimulatedSubject,
    brain: Brain,
    plan: Plan,
    sessions: Sequence[Session],
    settings: SimulationSettings,
) -> None:
    space = settings.volume
    functional = root / f"nsddata/ppdata/{name}/{space}"
    folder = root / f"nsddata_betas/ppdata/{name}/{space}/{settings.betas}"
    grid = subject.grid
    for number, session in enumerate(tqdm(sessions, f"{name} sessions", unit="session"), start=1):
        files.write_betas(folder, number, session.betas.reshape(-1, *grid), subject.formats, space)
        valid = session.valid.reshape(grid).astype(np.int16)
        files.write_nifti(functional / f"valid_session{number:02d}.nii.gz", valid, space)
    mean_valid = np.mean([session.valid for session in sessions], axis=0, dtype=np.float32)
    files.write_nifti(functional / "valid.nii.gz", mean_valid.reshape(grid), space)
    # ncsnr of the rounded betas in the files
    inside = np.flatnonzero(brain.mask)
    betas = np.stack([session.betas[:, inside] for session in sessions]) / INT16_PER_PERCENT
    images = plan.images_of_trials(name)[: len(sessions) * TRIALS].reshape(len(sessions), -1)
    ncsnr = np.full(brain.brain.size, np.nan, dtype=np.float32)
    ncsnr[inside] = noise_ceiling_snr(betas, images)
    files.write_nifti(folder / "ncsnr.nii.gz", ncsnr.reshape(grid), space)
    if settings.surfaces:
        _write_surface_sessions(root, name, sessions, images, grid, settings)


def _write_surface_sessions(
    root: Path,
    name: str,
    sessions: Sequence[Session],
    images: np.ndarray,
    grid: tuple[int, int, int],
    settings: SimulationSettings,
) -> None:
    """Write betas and ncsnr of surfaces, derived from the volume's betas as in NSD."""
    folders = {
        space: root / f"nsddata_betas/ppdata/{name}/{space}/{settings.betas}"
        for space in settings.surfaces
    }
    average = surfaces.fsaverage_hemispheres()
    for side, hemisphere in surfaces.native_hemispheres(subject_number(name)).items():
        to_average = surfaces.nearest_vertices(hemisphere, average[side])
        stored: dict[str, list[np.ndarray]] = {space: [] for space in folders}
        for number, session in enumerate(sessions, start=1):
            percent = np.where(session.valid, session.betas / INT16_PER_PERCENT, np.nan)
            percent = np.moveaxis(percent.reshape(-1, *grid), 0, -1)
            native = surfaces.surface_percent(hemisphere, percent, grid)
            stem = f"{side}.betas_session{number:02d}"
            if "nativesurface" in folders:
                integers = to_int16(np.nan_to_num(native) * INT16_PER_PERCENT)
                files.write_surface_betas(folders["nativesurface"] / f"{stem}.hdf5", integers)
                uncovered = np.isnan(native).all(axis=1, keepdims=True)
                read = np.where(uncovered, np.nan, integers / INT16_PER_PERCENT)
                stored["nativesurface"].append(read.T)
            if "fsaverage" in folders:
                values = native[to_average].astype(np.float32)
                surfaces.write_vertices(folders["fsaverage"] / f"{stem}.mgh", values)
                stored["fsaverage"].append(values.T)
        for space, folder in folders.items():
            ncsnr = noise_ceiling_snr(np.stack(stored[space]).astype(np.float64), images)
            surfaces.write_vertices(folder / f"{side}.ncsnr.mgh", ncsnr)


def _truth(
    plan: Plan,
    name: str,
    seen: np.ndarray,
    signal: Signal,
    features: dict[str, np.ndarray],
    components: dict[str, np.ndarray],
    sessions: Sequence[Session],
    settings: SimulationSettings,
) -> Arrays:
    presented = plan.images_of_trials(name)[: len(sessions) * TRIALS]
    images, counts = np.unique(presented, return_counts=True)
    noisy = np.concatenate([session.noisy for session in sessions])
    noiseless = np.concatenate([session.noiseless for session in sessions])
    measured, clean = _average(noisy, presented, images), _average(noiseless, presented, images)
    test = np.isin(images, plan.shared - 1)
    single_trial_noise = (noisy - noiseless).var(axis=0)
    noise = single_trial_noise * (1 / counts[test]).mean()
    rows = np.searchsorted(seen, images)
    own_features = {space: values[rows] for space, values in features.items()}
    own_components = {space: values[rows] for space, values in components.items()}
    perfect = perfect_r2(own_components, clean, test, noise)
    oracle = oracle_r2(own_features, measured, clean, test, noise, settings.seed)
    driven = signal.values.std(axis=0) > 0
    return {
        "voxel": ("voxel", signal.voxel),
        "group": ("voxel", list(signal.group)),
        "image": ("image", images),
        "signal": (("image", "voxel"), signal.values[rows].astype(np.float32)),
        "ncsnr": ("voxel", np.where(driven, settings.ncsnr, 0.0)),
        "noise_variance": ("voxel", np.full(len(driven), settings.ncsnr**-2)),
        "model": ("model", list(perfect)),
        "perfect_r2": (("model", "voxel"), np.stack([*perfect.values()])),
        "oracle_r2": (("model", "voxel"), np.stack([oracle[model] for model in perfect])),
        **{
            f"weights_{space}": ((f"component_{space}", "voxel"), weights)
            for space, weights in signal.weights.items()
        },
    }


def _average(trials: np.ndarray, presented: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Average over each image's trials, NaN where one of them is invalid."""
    row = np.searchsorted(images, presented)
    total = np.zeros((len(images), trials.shape[1]))
    np.add.at(total, row, trials)
    return total / np.bincount(row)[:, None]
