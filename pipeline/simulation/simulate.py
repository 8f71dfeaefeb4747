"""Write a simulated NSD, with its known truth in a folder beside it."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pandas as pd
import scipy.io
from tqdm import tqdm

from pipeline.errors import InputError
from pipeline.jobs.code_version import code_version
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
from pipeline.simulation.settings import (
    TEMPLATES,
    Photographs,
    SimulatedSubject,
    SimulationSettings,
)
from pipeline.simulation.spaces import planted_features

MARKER = "SIMULATED.json"
STIMULI = "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
NO_PICTURE = np.empty(0, np.uint8)
# voxels of nsdgeneral that no session covers, and that the last session does not cover
N_NEVER_VALID, N_INVALID_IN_LAST = 2, 4


@dataclass(frozen=True)
class StoredImages:
    """Rows of imgBrick, which are read when they are indexed: (image, 425, 425, 3)."""

    brick: h5py.Dataset
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, images: slice) -> np.ndarray:
        return np.asarray(self.brick[self.rows[images]])


def simulate(settings: SimulationSettings, nsd_root: Path) -> dict[str, object]:
    """Write the tree at `nsd_root` and the truth at `nsd_root`/../truth.

    Both appear only when they are complete. An interrupted simulation with the same settings
    and code goes on: planted features and betas that it wrote are kept.

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
    begun = building / "settings.json"
    wanted = {"code": code_version(__name__), **settings.model_dump(mode="json")}
    if not begun.exists() or json.loads(begun.read_text()) != wanted:
        shutil.rmtree(building, ignore_errors=True)
        write_json(begun, wanted)
    summary = _write_tree(settings, building / "nsd", building / "truth")
    write_json(building / "nsd" / MARKER, summary)
    for source, destination in (("truth", truth_root), ("nsd", nsd_root)):
        shutil.rmtree(destination, ignore_errors=True)
        (building / source).rename(destination)
    shutil.rmtree(building)
    return summary


def _write_tree(settings: SimulationSettings, root: Path, truth: Path) -> dict[str, object]:
    generator = np.random.default_rng(settings.seed)
    plan = make_plan(settings, generator)
    table = coco.coco_table(settings.n_images, plan.shared - 1, generator)
    stimuli = _write_stimuli(root, settings, plan, generator)
    _write_experiment(root, settings, plan, table, stimuli, generator)
    seen = _images_seen(settings, plan)
    features = _features(root, settings, seen, stimuli)
    components = {n: leading_components(f, settings.components) for n, f in features.items()}
    voxels = {}
    for name, subject in settings.subjects.items():
        # each subject has its own generator: another subject does not change the others
        own = np.random.default_rng([settings.seed, subject_number(name)])
        brain = make_brain(subject.grid, settings.groups, settings.seed, subject.voxels)
        _write_anatomy(root, name, settings.volume, brain, own)
        _write_surfaces(root, name, settings, brain)
        signal = plant(brain, components, settings, own)
        sessions = _run_sessions(plan, name, subject, brain, signal, seen, settings, own)
        measured = _write_sessions(root, name, brain, plan, sessions, settings)
        completed = behaviour(plan, name, subject.sessions, own)
        path = root / f"nsddata/ppdata/{name}/behav/responses.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        # twenty digits, and none behind whole numbers, as MATLAB's dlmwrite writes them
        completed.to_csv(path, sep="\t", index=False, na_rep="NaN", float_format="%.20g")
        arrays = _truth(plan, seen, signal, features, components, measured, settings)
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
) -> Iterator[tuple[int, Stimulus]]:
    """Yield the stimuli of subjects with their rows.

    The first shared image has 6 captions, one with a line break. The first image that is a
    subject's own has no objects; every shared image has some.
    """
    special = plan.shared[0] - 1
    subject = subject_number(next(iter(settings.subjects)))
    without_objects = plan.subject_images[subject - 1, len(plan.shared)] - 1
    rows = np.unique(plan.subject_images) - 1
    n_captions = np.where(rows == special, 6, settings.captions_per_image).tolist()
    if isinstance(settings.images, Photographs):
        source = read_photographs(
            settings.images, len(rows), settings.captions_per_image, generator
        )
    else:
        source = (draw_scene(n, generator) for n in n_captions)
    drawn = zip(rows.tolist(), source, strict=True)
    for row, stimulus in tqdm(drawn, "images", len(rows), unit="image"):
        if row == special:
            stimulus.captions[0] = stimulus.captions[0].replace(" ", "\n", 1)
        if row == without_objects:
            stimulus.objects.clear()
        yield row, stimulus


def _write_stimuli(
    root: Path, settings: SimulationSettings, plan: Plan, generator: np.random.Generator
) -> dict[int, Stimulus]:
    """Write the pictures, and return {row: stimulus without its picture}."""
    stimuli: dict[int, Stimulus] = {}

    def pictures() -> Iterator[tuple[int, np.ndarray]]:
        for row, stimulus in _stimuli(settings, plan, generator):
            stimuli[row] = replace(stimulus, image=NO_PICTURE)
            yield row, stimulus.image

    files.write_stimuli(root / STIMULI, pictures(), settings.n_images)
    return stimuli


def _write_experiment(
    root: Path,
    settings: SimulationSettings,
    plan: Plan,
    table: pd.DataFrame,
    stimuli: Mapping[int, Stimulus],
    generator: np.random.Generator,
) -> None:
    experiments = root / "nsddata/experiments/nsd"
    experiments.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(experiments / "nsd_expdesign.mat", experiment_design(plan), format="5")
    columns = table.drop(columns=["width", "height"])
    image_table(plan, columns, settings, generator).to_csv(experiments / "nsd_stim_info_merged.csv")
    for split in coco.SPLITS:
        captions, instances = coco.annotation_files(split, table, stimuli)
        folder = (root / STIMULI).parent / "annotations"
        files.write_compact_json(folder / f"captions_{split}.json", captions)
        files.write_compact_json(folder / f"instances_{split}.json", instances)


def _images_seen(settings: SimulationSettings, plan: Plan) -> np.ndarray:
    """List the 0-based images that some subject saw, sorted, which are those that need features."""
    presented = [
        plan.images_of_trials(name)[: subject.sessions * TRIALS]
        for name, subject in settings.subjects.items()
    ]
    return np.unique(np.concatenate(presented))


def _features(
    root: Path, settings: SimulationSettings, seen: np.ndarray, stimuli: Mapping[int, Stimulus]
) -> dict[str, np.ndarray]:
    """Compute the planted features, or read those of an interrupted simulation."""
    captions = [stimuli[row].captions for row in seen.tolist()]
    features = {}
    with h5py.File(root / STIMULI) as file:
        images = StoredImages(file["imgBrick"], seen)
        for name, space in settings.planted_spaces.items():
            path = root.with_name(f"{name}.npy")
            if not path.exists():
                writing = path.with_suffix(".writing")
                with open(writing, "wb") as opened:
                    np.save(opened, planted_features(name, space, images, captions))
                writing.rename(path)
            features[name] = np.load(path)
    return features


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
    sizes = TEMPLATES[settings.templates]
    native = surfaces.native_hemispheres(subject_number(name), sizes, brain.radii)
    average = surfaces.fsaverage_hemispheres(sizes, brain.radii)
    for owner, hemispheres in ((name, native), ("fsaverage", average)):
        for side, hemisphere in hemispheres.items():
            surfaces.write_surfaces(freesurfer / owner / "surf", side, hemisphere, half_mm)
            for atlas, volume in roi_volumes(brain).items():
                # ROIs drawn by hand in each subject do not exist on fsaverage
                if owner == name or not atlas.startswith(("prf-", "floc-")):
                    labels = surfaces.labels_on_surface(hemisphere, volume, grid)
                    path = freesurfer / owner / f"label/{side}.{atlas}.mgz"
                    surfaces.write_vertices(path, labels)
    transforms = root / f"nsddata/ppdata/{name}/transforms"
    for file, values in surfaces.surface_transforms(settings.volume, native, average, grid).items():
        surfaces.write_vertices(transforms / file, values)
    source = surfaces.TRANSFORM_NAMES[settings.volume]
    points = surfaces.mni_coordinates(settings.volume, grid, sizes)
    path = transforms / f"{source}-to-MNI.nii.gz"
    files.write_nifti(path, points, f"MNI152 {settings.templates}")
    template = nibabel.Nifti1Image(
        np.zeros(sizes.mni_shape, np.int16), surfaces.mni_affine(sizes), dtype=np.int16
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
) -> Iterator[Session]:
    """Yield the sessions: only one is in memory."""
    uncovered = generator.choice(signal.voxel, N_NEVER_VALID + N_INVALID_IN_LAST, replace=False)
    rows = np.searchsorted(seen, plan.images_of_trials(name)[: subject.sessions * TRIALS])
    for number, trials in enumerate(rows.reshape(-1, TRIALS), start=1):
        last = number == subject.sessions > 1
        invalid = uncovered if last else uncovered[:N_NEVER_VALID]
        yield run_session(brain, signal, trials, invalid, settings, generator)


def _write_sessions(
    root: Path,
    name: str,
    brain: Brain,
    plan: Plan,
    sessions: Iterable[Session],
    settings: SimulationSettings,
) -> Measured:
    """Write betas, masks and ncsnr; betas of an interrupted simulation are kept."""
    space, subject = settings.volume, settings.subjects[name]
    functional = root / f"nsddata/ppdata/{name}/{space}"
    folder = root / f"nsddata_betas/ppdata/{name}/{space}/{settings.betas}"
    grid, stored = subject.grid, brain.stored
    images = plan.images_of_trials(name)[: subject.sessions * TRIALS].reshape(-1, TRIALS)
    measured = Measured(images, brain.nsdgeneral, settings.oracle)
    on_surfaces = SurfaceSessions(root, name, brain, settings) if settings.surfaces else None
    valid_sessions, paths = [], []
    bar = tqdm(sessions, f"{name} sessions", subject.sessions, unit="session")
    for number, session in enumerate(bar, start=1):
        path = folder / f"betas_session{number:02d}.hdf5"
        if "hdf5" in subject.formats and not path.exists():
            files.write_betas(path, TRIALS, grid, stored, session.betas)
        if "nifti" in subject.formats:
            path = folder / f"betas_session{number:02d}.nii.gz"
            files.write_beta_series(path, TRIALS, grid, stored, session.betas, space)
        paths.append(path)
        valid = np.zeros(brain.brain.size, bool)
        valid[stored] = session.valid
        volume = valid.reshape(grid).astype(np.int16)
        files.write_nifti(functional / f"valid_session{number:02d}.nii.gz", volume, space)
        valid_sessions.append(valid)
        measured.add(number - 1, session)
        if on_surfaces:
            on_surfaces.write(number, session, valid)
    mean_valid = np.mean(valid_sessions, axis=0, dtype=np.float32)
    files.write_nifti(functional / "valid.nii.gz", mean_valid.reshape(grid), space)
    measured.finish()
    ncsnr = np.full(brain.brain.size, np.nan, dtype=np.float32)
    # of the rounded betas in the files
    for block in tqdm(files.voxel_slices(len(stored)), f"{name} ncsnr", unit="block"):
        read = [files.read_betas(path, grid, stored[block]).T for path in paths]
        ncsnr[stored[block]] = noise_ceiling_snr(np.stack(read) / INT16_PER_PERCENT, images)
    files.write_nifti(folder / "ncsnr.nii.gz", ncsnr.reshape(grid), space)
    if on_surfaces:
        on_surfaces.write_ncsnr(images)
    return measured


class Measured:
    """Averages over the repeats of each image in nsdgeneral, and the noise, session by session.

    Attributes
    ----------
    images : (image,) sorted
    counts : (image,) presentations
    noisy, noiseless : (image, voxel) float64, averages, NaN where a trial is invalid; `noisy` is
        empty unless requested
    noise_variance : (voxel,) of single trials
    """

    def __init__(self, presented: np.ndarray, voxel: np.ndarray, noisy: bool) -> None:
        self.images, rows, self.counts = np.unique(
            presented, return_inverse=True, return_counts=True
        )
        self._rows = rows.reshape(presented.shape)
        self.noiseless = np.zeros((len(self.images), len(voxel)))
        self.noisy = np.zeros((len(self.images) if noisy else 0, len(voxel)))
        self.noise_variance = np.zeros(len(voxel))
        self._noise = np.zeros(len(voxel))

    def add(self, session: int, trials: Session) -> None:
        """Add the trials of a session, 0-based."""
        noise = (trials.noisy - trials.noiseless).astype(np.float64)
        self._noise += noise.sum(axis=0)
        self.noise_variance += (noise**2).sum(axis=0)
        for total, values in ((self.noisy, trials.noisy), (self.noiseless, trials.noiseless)):
            if len(total):
                for row, trial in zip(self._rows[session], values, strict=True):
                    total[row] += trial

    def finish(self) -> None:
        """Divide the sums by the numbers of trials."""
        self.noisy /= self.counts[: len(self.noisy), None]
        self.noiseless /= self.counts[:, None]
        self.noise_variance /= self._rows.size
        self.noise_variance -= (self._noise / self._rows.size) ** 2


class SurfaceSessions:
    """Betas and ncsnr of surfaces, derived from the volume's betas as in NSD."""

    def __init__(self, root: Path, name: str, brain: Brain, settings: SimulationSettings) -> None:
        self._brain = brain
        self._folders = {
            space: root / f"nsddata_betas/ppdata/{name}/{space}/{settings.betas}"
            for space in settings.surfaces
        }
        sizes = TEMPLATES[settings.templates]
        self._native = surfaces.native_hemispheres(subject_number(name), sizes, brain.radii)
        average = surfaces.fsaverage_hemispheres(sizes, brain.radii)
        self._to_average = {
            side: surfaces.nearest_vertices(hemisphere, average[side])
            for side, hemisphere in self._native.items()
        }
        self._read: dict[tuple[str, str], list[np.ndarray]] = defaultdict(list)

    def write(self, number: int, session: Session, valid: np.ndarray) -> None:
        """Write the betas of a session; `valid` is of the whole grid."""
        grid, stored = self._brain.brain.shape, self._brain.stored
        percent = np.zeros((len(valid), TRIALS))
        percent[stored] = session.betas(slice(0, len(stored))) / INT16_PER_PERCENT
        percent[~valid] = np.nan
        for side, hemisphere in self._native.items():
            native = surfaces.surface_percent(hemisphere, percent.reshape(*grid, -1), grid)
            stem = f"{side}.betas_session{number:02d}"
            if folder := self._folders.get("nativesurface"):
                integers = to_int16(np.nan_to_num(native) * INT16_PER_PERCENT)
                files.write_surface_betas(folder / f"{stem}.hdf5", integers)
                uncovered = np.isnan(native).all(axis=1, keepdims=True)
                read = np.where(uncovered, np.nan, integers / INT16_PER_PERCENT)
                self._read["nativesurface", side].append(read.T)
            if folder := self._folders.get("fsaverage"):
                values = native[self._to_average[side]].astype(np.float32)
                surfaces.write_vertices(folder / f"{stem}.mgh", values)
                self._read["fsaverage", side].append(values.T)

    def write_ncsnr(self, images: np.ndarray) -> None:
        """Write ncsnr of the betas that were written, whose `images` are (session, trial)."""
        for (space, side), read in self._read.items():
            ncsnr = noise_ceiling_snr(np.stack(read).astype(np.float64), images)
            surfaces.write_vertices(self._folders[space] / f"{side}.ncsnr.mgh", ncsnr)


def _truth(
    plan: Plan,
    seen: np.ndarray,
    signal: Signal,
    features: dict[str, np.ndarray],
    components: dict[str, np.ndarray],
    measured: Measured,
    settings: SimulationSettings,
) -> Arrays:
    test = np.isin(measured.images, plan.shared - 1)
    noise = measured.noise_variance * (1 / measured.counts[test]).mean()
    rows = np.searchsorted(seen, measured.images)
    own_components = {space: values[rows] for space, values in components.items()}
    blocks = [
        perfect_r2(own_components, measured.noiseless[:, block], test, noise[block])
        for block in files.voxel_slices(len(noise))
    ]
    perfect = {model: np.concatenate([block[model] for block in blocks]) for model in blocks[0]}
    if settings.oracle:
        own_features = {space: values[rows] for space, values in features.items()}
        clean = measured.noiseless
        oracle = oracle_r2(own_features, measured.noisy, clean, test, noise, settings.seed)
    else:
        oracle = {model: np.full(len(noise), np.nan) for model in perfect}
    driven = signal.values.std(axis=0) > 0
    return {
        "voxel": ("voxel", signal.voxel),
        "group": ("voxel", list(signal.group)),
        "image": ("image", measured.images),
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
