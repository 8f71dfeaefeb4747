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
from pipeline.simulation import coco, files, human, surfaces, synthetic
from pipeline.simulation.atlases import LABELS, SUBCORTICAL
from pipeline.simulation.brain import Brain, make_ellipsoid, shell_radii
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
    Components,
    Session,
    Signal,
    noise_ceiling_snr,
    plant,
    run_session,
    to_int16,
)
from pipeline.simulation.scenes import Stimulus, draw_scene
from pipeline.simulation.settings import (
    Photographs,
    SimulatedSubject,
    SimulationSettings,
)
from pipeline.simulation.spaces import planted_features

MARKER = "SIMULATED.json"
STIMULI = "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
NO_PICTURE = np.empty(0, np.uint8)
# voxels of each group for which the oracle is computed, which takes long
ORACLE_VOXELS = 60
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
    requested = {"code": code_version(__name__), **settings.model_dump(mode="json")}
    if not begun.exists() or json.loads(begun.read_text()) != requested:
        shutil.rmtree(building, ignore_errors=True)
        write_json(begun, requested)
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
    fitted = {n: Components.fit(f, settings.components) for n, f in features.items()}
    components = {name: one.scores for name, one in fitted.items()}
    other = SyntheticSessions.prepare(root, settings, fitted) if settings.synthetic else None
    voxels = {}
    for name, subject in settings.subjects.items():
        # each subject has its own generator: another subject does not change the others
        own = np.random.default_rng([settings.seed, subject_number(name)])
        brain = _brain(subject, settings)
        _write_anatomy(root, name, settings, brain, own)
        _write_surfaces(root, name, settings, brain)
        signal = plant(brain, components, settings, own)
        sessions = _run_sessions(plan, name, subject, brain, signal, seen, settings, own)
        measured = _write_sessions(root, name, brain, plan, sessions, settings)
        of_synthetic = other.write(root, name, brain, signal) if other else {}
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
        write_result(truth / f"{name}.h5", {**arrays, **of_synthetic}, provenance)
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


def _brain(subject: SimulatedSubject, settings: SimulationSettings) -> Brain:
    if subject.voxel_size is not None:
        return human.make_human_brain(subject.shape, subject.voxel_size, settings.groups)
    return make_ellipsoid(subject.shape, settings.groups, settings.seed, subject.voxels)


def _edge(name: str, settings: SimulationSettings) -> float:
    """Return the edge of a subject's voxels, mm."""
    return settings.subjects[name].voxel_size or files.VOXEL_SIZE[settings.volume]


def _hemispheres(
    name: str, settings: SimulationSettings
) -> tuple[Mapping[str, surfaces.Surface], Mapping[str, surfaces.Surface]]:
    """Make a subject's own hemispheres, and those of fsaverage."""
    subject, number = settings.subjects[name], subject_number(name)
    if subject.voxel_size is not None:
        own = human.human_hemispheres(subject.voxel_size, shift=number)
        return own, human.human_hemispheres(subject.voxel_size)
    radii = shell_radii(subject.shape, subject.voxels)
    return (
        surfaces.native_hemispheres(number, settings.sizes, radii),
        surfaces.fsaverage_hemispheres(settings.sizes, radii),
    )


def _write_anatomy(
    root: Path,
    subject: str,
    settings: SimulationSettings,
    brain: Brain,
    generator: np.random.Generator,
) -> None:
    functional = root / f"nsddata/ppdata/{subject}/{settings.volume}"
    edge = _edge(subject, settings)
    files.write_nifti(functional / "brainmask.nii.gz", brain.mask.astype(np.int16), edge)
    noise = np.where(brain.mean > 0, generator.normal(0, 25, brain.grid), 0)
    mean = (brain.mean + noise).astype(np.float32)
    files.write_nifti(functional / "mean.nii.gz", mean, edge)
    hemispheres = {"lh.": brain.left, "rh.": ~brain.left, "": np.ones_like(brain.left)}
    for prefix, inside in hemispheres.items():
        for atlas, volume in brain.labels.items():
            labels = np.where(inside, volume, -1).astype(np.float64)
            files.write_nifti(functional / f"roi/{prefix}{atlas}.nii.gz", labels, edge)
        for atlas, volume in brain.subcortical.items():
            labels = np.where(inside, volume, 0).astype(np.int16)
            files.write_nifti(functional / f"roi/{prefix}{atlas}.nii.gz", labels, edge)
    for atlas, names in {"nsdgeneral": ("nsdgeneral",), **LABELS}.items():
        label_folder = root / f"nsddata/freesurfer/{subject}/label"
        files.write_colour_table(label_folder / f"{atlas}.mgz.ctab", names)
    for atlas, names in SUBCORTICAL.items():
        files.write_colour_table(root / f"nsddata/templates/{atlas}.ctab", names)


def _write_surfaces(root: Path, name: str, settings: SimulationSettings, brain: Brain) -> None:
    """Write meshes, labels and transforms of a subject, and of fsaverage."""
    freesurfer, grid = root / "nsddata/freesurfer", brain.grid
    edge, sizes = _edge(name, settings), settings.sizes
    native, average = _hemispheres(name, settings)
    for owner, hemispheres in ((name, native), ("fsaverage", average)):
        for side, hemisphere in hemispheres.items():
            geometry = hemisphere.geometry(side, grid, edge)
            surfaces.write_surfaces(freesurfer / owner / "surf", side, geometry)
            for atlas, volume in brain.labels.items():
                # ROIs drawn by hand in each subject do not exist on fsaverage
                if owner == name or not atlas.startswith(("prf-", "floc-")):
                    labels = surfaces.labels_on_surface(hemisphere, volume, grid)
                    path = freesurfer / owner / f"label/{side}.{atlas}.mgz"
                    surfaces.write_vertices(path, labels)
    transforms = root / f"nsddata/ppdata/{name}/transforms"
    for file, values in surfaces.surface_transforms(settings.volume, native, average, grid).items():
        surfaces.write_vertices(transforms / file, values)
    source = surfaces.TRANSFORM_NAMES[settings.volume]
    if settings.is_human:
        points = human.mni_coordinates(settings.volume, grid, edge, sizes)
        affine = human.mni_affine(sizes)
    else:
        points = surfaces.mni_coordinates(settings.volume, grid, sizes)
        affine = surfaces.mni_affine(sizes)
    files.write_nifti(transforms / f"{source}-to-MNI.nii.gz", points, sizes.mni_edge)
    template = nibabel.Nifti1Image(np.zeros(sizes.mni_shape, np.int16), affine, dtype=np.int16)
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
    grid, stored, edge = brain.grid, brain.stored, _edge(name, settings)
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
            files.write_beta_series(path, TRIALS, grid, stored, session.betas, space, edge)
        paths.append(path)
        valid = np.zeros(brain.mask.size, bool)
        valid[stored] = session.valid
        volume = valid.reshape(grid).astype(np.int16)
        files.write_nifti(functional / f"valid_session{number:02d}.nii.gz", volume, edge)
        valid_sessions.append(valid)
        measured.add(number - 1, session)
        if on_surfaces:
            on_surfaces.write(f"session{number:02d}", session, valid)
    mean_valid = np.mean(valid_sessions, axis=0, dtype=np.float32)
    files.write_nifti(functional / "valid.nii.gz", mean_valid.reshape(grid), edge)
    measured.finish()
    ncsnr = np.full(brain.mask.size, np.nan, dtype=np.float32)
    # of the rounded betas in the files
    for block in tqdm(files.voxel_slices(len(stored)), f"{name} ncsnr", unit="block"):
        read = [files.read_betas(path, grid, stored[block]).T for path in paths]
        ncsnr[stored[block]] = noise_ceiling_snr(np.stack(read) / INT16_PER_PERCENT, images)
    files.write_nifti(folder / "ncsnr.nii.gz", ncsnr.reshape(grid), edge)
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

    def __init__(
        self,
        root: Path,
        name: str,
        brain: Brain,
        settings: SimulationSettings,
        experiment: str = "",
    ) -> None:
        self._brain = brain
        self._folders = {
            space: root / f"nsddata_betas/ppdata/{name}/{space}/{experiment}{settings.betas}"
            for space in settings.surfaces
        }
        self._native, average = _hemispheres(name, settings)
        self._to_average = {
            side: surfaces.nearest_vertices(hemisphere, average[side])
            for side, hemisphere in self._native.items()
        }
        self._read: dict[tuple[str, str], list[np.ndarray]] = defaultdict(list)

    def write(self, name: str, session: Session, valid: np.ndarray) -> None:
        """Write the betas of a session; `valid` is of the whole grid."""
        grid, stored = self._brain.grid, self._brain.stored
        percent = np.zeros((len(valid), len(session.trials)))
        percent[stored] = session.betas(slice(0, len(stored))) / INT16_PER_PERCENT
        percent[~valid] = np.nan
        for side, hemisphere in self._native.items():
            native = surfaces.surface_percent(hemisphere, percent.reshape(*grid, -1), grid)
            stem = f"{side}.betas_{name}"
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


@dataclass(frozen=True)
class SyntheticSessions:
    """The session of NSD-synthetic of each subject.

    Attributes
    ----------
    trials : (trial,) 0-based image of each trial
    fitted : {space: components of the core experiment's features}
    shared : {space: components (image, component) of the images that all subjects saw}
    """

    settings: SimulationSettings
    trials: np.ndarray
    fitted: Mapping[str, Components]
    shared: Mapping[str, np.ndarray]

    @classmethod
    def prepare(
        cls, root: Path, settings: SimulationSettings, fitted: Mapping[str, Components]
    ) -> SyntheticSessions:
        """Write what all subjects share, and all pictures."""
        numbers = {name: subject_number(name) for name in settings.subjects}
        trials = synthetic.write_experiment(root, settings.seed, numbers)
        return cls(settings, trials, fitted, _planted(root, None, settings, fitted))

    def write(self, root: Path, name: str, brain: Brain, signal: Signal) -> Arrays:
        """Write a subject's session; return its truth."""
        settings = self.settings
        # its own generator: with NSD-synthetic, the core experiment is the same as without
        generator = np.random.default_rng([settings.seed, subject_number(name), synthetic.TRIALS])
        coloured = _planted(root, name, settings, self.fitted)
        components = {s: np.vstack([self.shared[s], coloured[s]]) for s in self.shared}
        changed = settings.synthetic.changed if settings.synthetic else []
        driven, kept = synthetic.synthetic_signal(signal, components, changed, generator)
        invalid = generator.choice(signal.voxel, N_NEVER_VALID, replace=False)
        session = run_session(brain, driven, self.trials, invalid, settings, generator)
        self._write_files(root, name, brain, session)
        shape = ("synthetic_image", "voxel")
        return {
            "synthetic_signal": (shape, driven.values.astype(np.float32)),
            "synthetic_signal_unchanged": (shape, kept.astype(np.float32)),
        }

    def _write_files(self, root: Path, name: str, brain: Brain, session: Session) -> None:
        settings, space, experiment = self.settings, self.settings.volume, synthetic.EXPERIMENT
        subject, stored, edge = settings.subjects[name], brain.stored, _edge(name, settings)
        folder = root / f"nsddata_betas/ppdata/{name}/{space}/{experiment}{settings.betas}"
        given = (synthetic.TRIALS, brain.grid, stored, session.betas)
        if "hdf5" in subject.formats:
            files.write_betas(folder / f"betas_{experiment}.hdf5", *given)
        if "nifti" in subject.formats:
            files.write_beta_series(folder / f"betas_{experiment}.nii.gz", *given, space, edge)
        valid = np.zeros(brain.mask.size, bool)
        valid[stored] = session.valid
        path = root / f"nsddata/ppdata/{name}/{space}/valid_{experiment}.nii.gz"
        files.write_nifti(path, valid.reshape(brain.grid).astype(np.int16), edge)
        if settings.surfaces:
            on_surfaces = SurfaceSessions(root, name, brain, settings, experiment)
            on_surfaces.write(experiment, session, valid)


def _planted(
    root: Path,
    subject: str | None,
    settings: SimulationSettings,
    fitted: Mapping[str, Components],
) -> dict[str, np.ndarray]:
    """Compute components of pictures of NSD-synthetic: of all subjects, or coloured for one.

    Those of spaces of captions are 0, as these pictures have none.
    """
    with h5py.File(synthetic.stimuli_path(root, subject)) as file:
        images = synthetic.Squares(file["imgBrick"])
        return {
            name: fitted[name].of(planted_features(name, space, images, []))
            if space.stimulus == "image"
            else np.zeros((len(images), settings.components))
            for name, space in settings.planted_spaces.items()
        }


def _some_of_each(group: np.ndarray, most: int) -> np.ndarray:
    """Choose voxels (chosen,) evenly from each group (voxel,), at most so many."""
    members = [np.flatnonzero(group == name) for name in np.unique(group)]
    evenly = [np.linspace(0, len(one) - 1, min(most, len(one))).astype(int) for one in members]
    return np.sort(np.concatenate([one[at] for one, at in zip(members, evenly, strict=True)]))


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
    oracle = {model: np.full(len(noise), np.nan) for model in perfect}
    if settings.oracle:
        own_features = {space: values[rows] for space, values in features.items()}
        clean = measured.noiseless
        chosen = _some_of_each(np.array(signal.group), ORACLE_VOXELS)
        found = oracle_r2(
            *(own_features, measured.noisy[:, chosen], clean[:, chosen]),
            *(test, noise[chosen], settings.seed),
        )
        for model, r2 in found.items():
            oracle[model][chosen] = r2
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
