"""NSD-synthetic, simulated: its files in the form of NSD's, and responses with a planted drop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import scipy.io
from PIL import Image

from pipeline.simulation import files
from pipeline.simulation.planting import Signal
from pipeline.simulation.scenes import draw_scene

EXPERIMENT = "nsdsynthetic"
TRIALS = 744
N_RUNS, N_IMAGES, N_SHARED = 8, 284, 220
FRAME = (714, 1360)
SQUARE = slice((FRAME[1] - FRAME[0]) // 2, (FRAME[1] + FRAME[0]) // 2)
# images with 8 regular trials, of which one half has one-back trials too, and images with two
# regular and two one-back trials; all others have two trials
N_OFTEN, N_TWICE_BACK = 16, 32
# slots of 4 s in a run, without stimuli at its beginning and end and at times between
SLOTS, BLANK_SLOTS = 107, (0, 1, 2, 15, 28, 41, 54, 67, 80, 93, 103, 104, 105, 106)
GREY = 127
# whole values of a display of what is stored, linear in light
SHOWN = np.floor(255 * np.sqrt(np.arange(256) / 255)).astype(np.uint8)
# an image is drawn on a grid this much coarser, as pictures of 284 images are a gigabyte
COARSER = 2


@dataclass(frozen=True)
class Subclass:
    """Four images of one kind, which are named as it is, and numbered."""

    image_class: str
    name: str


def _subclasses() -> list[Subclass]:
    """List the 71 subclasses in the order of the images."""
    words = [f"word{length}_pos{place}" for length in (4, 6) for place in range(1, 6)]
    spirals = [f"spiral_{kind}_sf{frequency}" for kind in "ABCDEFG" for frequency in range(1, 5)]
    named = {
        "Noise": ["whitenoise", "pinknoise", "brownnoise"],
        "Natural scenes": ["natscene"],
        "Manipulated scenes": ["upsidedown", "mooney", "linedrawing"],
        "Contrast modulation": [f"contrast{level}" for level in range(1, 6)],
        "Phase-coherence modulation": [f"coherence{level}" for level in range(1, 5)],
        "Single words": words,
        "Spiral gratings": spirals,
        "Chromatic noise": [f"chromanoise{hue}" for hue in range(1, 18)],
    }
    return [Subclass(kind, name) for kind, names in named.items() for name in names]


SUBCLASSES = _subclasses()


def image_table() -> pd.DataFrame:
    """Make nsdsyntheticimageinformation: a row for each image, in the order of their numbers."""
    classes = list(dict.fromkeys(one.image_class for one in SUBCLASSES))
    rows = [
        {
            "Image": f"{one.name}_{number}",
            "Image number": 4 * row + number,
            "Image subclass": one.name,
            "Image subclass number": row + 1,
            "Image class": one.image_class,
            "Image class number": classes.index(one.image_class) + 1,
        }
        for row, one in enumerate(SUBCLASSES)
        for number in range(1, 5)
    ]
    return pd.DataFrame(rows)


def ordering(generator: np.random.Generator) -> np.ndarray:
    """Draw the image (1…284) of each trial: 83 regular and 10 one-back trials in each of 8 runs."""
    images = generator.permutation(N_IMAGES) + 1
    often, twice_back = images[:N_OFTEN], images[N_OFTEN : N_OFTEN + N_TWICE_BACK]
    twice = images[N_OFTEN:]
    runs: list[list[int]] = [[*often] for _ in range(N_RUNS)]
    # the two regular trials of an image are in the first and second half of the session
    for half in (0, 1):
        for chosen in (twice_back, twice[N_TWICE_BACK:]):
            parts = np.array_split(generator.permutation(chosen), N_RUNS // 2)
            for place, part in enumerate(parts):
                runs[half * N_RUNS // 2 + place] += part.tolist()
    trials: list[int] = []
    for number, run in enumerate(runs):
        again = {often[number], often[(number + 1) % N_RUNS], *twice_back}
        for image in generator.permutation(run).tolist():
            trials += [image] * (1 + (image in again))
    return np.array(trials)


def stimulus_pattern() -> np.ndarray:
    """Return which slots of the runs have a stimulus: (1, run, slot) uint8."""
    pattern = np.ones((1, N_RUNS, SLOTS), np.uint8)
    pattern[..., list(BLANK_SLOTS)] = 0
    return pattern


def linear_in_light(values: np.ndarray) -> np.ndarray:
    """Convert values of a display, 0 to 255, to those that are stored, uint8."""
    return np.rint((values / 255) ** 2 * 255).astype(np.uint8)


def draw_frame(image: int, generator: np.random.Generator) -> np.ndarray:
    """Draw the frame (714, 1360, RGB) uint8 of an image, 0-based; linear in light."""
    one, number = SUBCLASSES[image // 4], image % 4
    if one.image_class in ("Natural scenes", "Manipulated scenes"):
        return linear_in_light(_scene(one.name, generator))
    shape = (FRAME[0] // COARSER, FRAME[1] // COARSER)
    if one.image_class == "Single words":
        grey = _word(shape, int(one.name[4]), int(one.name[-1]), generator)
    elif one.image_class == "Spiral gratings":
        grey = _spiral(shape, "ABCDEFG".index(one.name[7]), int(one.name[-1]), number)
    elif one.image_class in ("Noise", "Chromatic noise"):
        grey = _noise(shape, len(one.name) % 3 / 2, generator)
    else:
        level = int(one.name[-1]) / 5
        grey = level * _spiral(shape, number, 2, number) + 0.1 * _noise(shape, 1.0, generator)
    colour = np.ones(3)
    if one.image_class == "Chromatic noise":
        colour = generator.uniform(-1, 1, 3)
    values = np.clip(GREY + 120 * grey[..., None] * colour, 0, 255)
    stored = linear_in_light(values)
    return stored.repeat(COARSER, axis=0).repeat(COARSER, axis=1)


def _scene(kind: str, generator: np.random.Generator) -> np.ndarray:
    scene = Image.fromarray(draw_scene(1, generator).image).resize((FRAME[0], FRAME[0]))
    values = np.asarray(scene, np.float64)
    if kind == "upsidedown":
        values = values[::-1]
    elif kind != "natscene":
        light = values.mean(axis=2, keepdims=True)
        # half black and half white, however light the scene is
        values = np.where(light > np.median(light), 255.0, 0.0).repeat(3, axis=2)
    frame = np.full((*FRAME, 3), float(GREY))
    frame[:, SQUARE] = values
    return frame


def _word(
    shape: tuple[int, int], length: int, place: int, generator: np.random.Generator
) -> np.ndarray:
    """Draw dark letters at one of five places; the outer two are outside the central square."""
    grey = np.zeros(shape)
    edge = 10
    width = length * (edge + 3)
    centre = {1: 75, 2: 230, 3: 340, 4: 450, 5: 605}[place]
    top, left = shape[0] // 2 - edge, centre - width // 2
    for letter in range(length):
        strokes = generator.uniform(size=(4, 2)) < 0.6
        here = slice(left + letter * (edge + 3), left + letter * (edge + 3) + edge)
        grey[top : top + 2 * edge, here] = -np.kron(strokes, np.ones((edge // 2, edge // 2)))
    return grey


def _spiral(shape: tuple[int, int], kind: int, frequency: int, phase: int) -> np.ndarray:
    y, x = (np.arange(n) - (n - 1) / 2 for n in shape)
    radius = np.log2(np.hypot(x[None], y[:, None]) + 1)
    angle = np.arctan2(y[:, None], x[None])
    radial, angular = (kind - 3) * frequency, (3 - abs(kind - 3)) * 2 * frequency
    return np.cos(radial * radius * 2 + angular * angle + phase * np.pi / 2)


def _noise(shape: tuple[int, int], exponent: float, generator: np.random.Generator) -> np.ndarray:
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in shape[::-1])))
    spectrum = np.fft.fft2(generator.standard_normal(shape))
    filtered = np.fft.ifft2(spectrum / np.maximum(frequency, 1 / shape[1]) ** exponent).real
    return filtered / (3 * filtered.std())


def drawn_frames(images: range, seeds: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Draw 0-based images: yield their rows in a file that begins with the first, and frames.

    Parameters
    ----------
    seeds : seeds of these pictures, besides the number of the image
    """
    for row, image in enumerate(images):
        yield row, draw_frame(image, np.random.default_rng([*seeds, image]))


def write_experiment(root: Path, seed: int, subjects: Mapping[str, int]) -> np.ndarray:
    """Write the design, the table of images and all pictures; return (trial,) 0-based images.

    Parameters
    ----------
    subjects : {subject: its number}
    """
    folder = root / f"nsddata/experiments/{EXPERIMENT}"
    folder.mkdir(parents=True, exist_ok=True)
    trials = ordering(np.random.default_rng([seed, N_IMAGES]))
    design = {"masterordering": trials.astype(np.uint16)[None], "stimpattern": stimulus_pattern()}
    scipy.io.savemat(folder / f"{EXPERIMENT}_expdesign.mat", design, format="5")
    image_table().to_csv(folder / f"{EXPERIMENT}imageinformation.csv", index=False)
    frames = drawn_frames(range(N_SHARED), [seed, N_IMAGES])
    files.write_stimuli(stimuli_path(root), frames, N_SHARED, FRAME)
    for subject, number in subjects.items():
        coloured = range(N_SHARED, N_IMAGES)
        frames = drawn_frames(coloured, [seed, N_IMAGES, number])
        files.write_stimuli(stimuli_path(root, subject), frames, len(coloured), FRAME)
    return trials - 1


def stimuli_path(root: Path, subject: str | None = None) -> Path:
    """Path of the pictures of all subjects, or of those coloured for one."""
    kind = "stimuli" if subject is None else f"colorstimuli_{subject}"
    return root / f"nsddata_stimuli/stimuli/{EXPERIMENT}/{EXPERIMENT}_{kind}.hdf5"


class Squares:
    """Pictures of a file as they were drawn: the central squares, as values of a display."""

    def __init__(self, brick: h5py.Dataset) -> None:
        self.brick = brick

    def __len__(self) -> int:
        return len(self.brick)

    def __getitem__(self, images: slice) -> np.ndarray:
        return SHOWN[self.brick[images, :, SQUARE]]


def synthetic_signal(
    signal: Signal,
    components: Mapping[str, np.ndarray],
    changed: Sequence[str],
    generator: np.random.Generator,
) -> tuple[Signal, np.ndarray]:
    """Return noiseless responses to the images, and those by the core experiment's weights.

    Both are in units of the core's signal. They differ in the voxels of `changed` groups, which
    other directions of the same lengths drive: what a model learnt does not hold there.

    Parameters
    ----------
    components : {space: (image, component)}
    """
    kept = sum_of(components, signal.weights)
    new = {}
    is_changed = np.isin(signal.group, changed)
    for space, weights in signal.weights.items():
        drawn = generator.normal(size=weights.shape)
        length = np.linalg.norm(weights, axis=0) / np.linalg.norm(drawn, axis=0)
        new[space] = np.where(is_changed, drawn * length, weights)
    values = sum_of(components, new)
    return Signal(signal.voxel, signal.group, values, new), kept


def sum_of(components: Mapping[str, np.ndarray], weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """Responses (image, voxel) that components of all spaces drive."""
    return np.sum([components[space] @ weights[space] for space in weights], axis=0)
