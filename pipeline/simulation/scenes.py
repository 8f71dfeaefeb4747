"""Scenes of COCO objects on varied backgrounds, with captions that describe them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from pipeline.simulation.drawings import DRAWINGS, draw_object

SIZE = 425
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Stimulus:
    """A picture with its objects and captions.

    Attributes
    ----------
    image : (425, 425, 3) uint8
    objects : (COCO category, box x, y, width, height in pixels of the picture)
    captions : sentences that describe the picture
    """

    image: np.ndarray
    objects: list[tuple[str, Box]]
    captions: list[str]


# ---- backgrounds: (425, 425, 3), 0 to 255


def _noise(generator: np.random.Generator, across: int, down: int) -> np.ndarray:
    """Return smooth noise (425, 425) of mean 0, finest at `across` × `down` grains."""
    total = np.zeros((SIZE, SIZE))
    for octave in range(3):
        grains = max(across >> octave, 2), max(down >> octave, 2)
        coarse = generator.normal(size=grains[::-1]).astype(np.float32)
        fine = Image.fromarray(coarse).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        total += np.asarray(fine) * (0.5 + 0.5 * octave)
    return total / 2


def _sky(generator: np.random.Generator) -> np.ndarray:
    rows = np.linspace(0, 1, SIZE)[:, None, None]
    sky = np.array([92, 148, 214]) * (1 - rows) + np.array([196, 218, 236]) * rows
    clouds = np.clip(_noise(generator, 16, 24) - generator.uniform(0, 1), 0, 1)[..., None]
    return sky + (244 - sky) * clouds


def _ground(
    generator: np.random.Generator, colour: Sequence[int], grains: tuple[int, int], depth: float
) -> np.ndarray:
    texture = 1 + depth * _noise(generator, *grains)
    near = np.linspace(0.75, 1.15, SIZE)[:, None]
    return np.array(colour) * (texture * near)[..., None]


def _below(upper: np.ndarray, lower: np.ndarray, horizon: np.ndarray | float) -> np.ndarray:
    rows = np.arange(SIZE)[:, None]
    return np.where((rows < horizon)[..., None], upper, lower)


def _meadow(generator: np.random.Generator, horizon: float) -> np.ndarray:
    hills = horizon - 18 * np.abs(_noise(generator, 8, 2)[0])
    far = _below(_sky(generator), _ground(generator, (58, 96, 60), (120, 60), 0.15), hills)
    return _below(far, _ground(generator, (98, 140, 56), (200, 100), 0.22), horizon)


def _beach(generator: np.random.Generator, horizon: float) -> np.ndarray:
    sea = _ground(generator, (44, 120, 158), (12, 160), 0.18)
    shore = horizon + 40 + 8 * _noise(generator, 6, 2)[0]
    wet = _below(sea, _ground(generator, (218, 192, 142), (260, 130), 0.09), shore)
    return _below(_sky(generator), wet, horizon)


def _street(generator: np.random.Generator, horizon: float) -> np.ndarray:
    picture = _sky(generator)
    left = 0
    while left < SIZE:
        width, top = int(generator.uniform(60, 150)), int(generator.uniform(0, horizon * 0.6))
        wall = generator.uniform((110, 90, 80), (200, 170, 150))
        picture[top:, left : left + width] = wall
        for y in range(top + 12, int(horizon) - 20, 36):
            for x in range(left + 10, left + width - 20, 30):
                picture[y : y + 20, x : x + 14] = (64, 76, 92)
        left += width
    road = _ground(generator, (104, 104, 108), (260, 160), 0.08)
    line = int(horizon + 0.55 * (SIZE - horizon))
    for x in range(int(generator.uniform(0, 60)), SIZE, 110):
        road[line : line + 7, x : x + 60] = 226
    pavement = _ground(generator, (168, 164, 156), (100, 60), 0.06)
    return _below(picture, _below(pavement, road, horizon + 22), horizon)


def _room(generator: np.random.Generator, horizon: float) -> np.ndarray:
    wall = _ground(generator, (222, 210, 186), (60, 60), 0.02) * generator.uniform(0.8, 1.05, 3)
    floor = _ground(generator, (158, 112, 70), (24, 200), 0.12)
    for y in range(int(horizon), SIZE, 26):
        floor[y : y + 2] *= 0.7
    picture = _below(wall, floor, horizon)
    picture[int(horizon) - 10 : int(horizon)] = 238
    return picture


def _sea(generator: np.random.Generator, horizon: float) -> np.ndarray:
    water = _ground(generator, (36, 92, 132), (24, 200), 0.25)
    return _below(_sky(generator), water, horizon)


# {scene: (phrase, its background, categories of its objects)}
Background = Callable[[np.random.Generator, float], np.ndarray]
PLACES: dict[str, tuple[str, Background, tuple[str, ...]]] = {
    "meadow": (
        "in a meadow",
        _meadow,
        ("person", "dog", "horse", "cow", "sheep", "kite", "bird"),
    ),
    "beach": (
        "on a beach",
        _beach,
        ("person", "umbrella", "sports ball", "kite", "boat", "dog"),
    ),
    "street": ("in a street", _street, ("car", "bus", "person", "stop sign", "clock", "dog")),
    "room": ("in a room", _room, ("chair", "clock", "bottle", "pizza", "banana", "person")),
    "sea": ("at sea", _sea, ("boat", "bird", "person", "kite")),
}
NUMBERS = {1: "a", 2: "two", 3: "three", 4: "four"}
PLURALS = {"person": "people", "sheep": "sheep", "bus": "buses"}
SENTENCES = (
    "{objects} {place}.",
    "There are {objects} {place}.",
    "A picture of {objects} {place}.",
    "{objects} can be seen {place}.",
    "{objects}, {verb} {place}.",
    "A view of {objects} {place}, with a {weather} background.",
)


def draw_scene(n_captions: int, generator: np.random.Generator) -> Stimulus:
    """Draw one scene of one to six objects."""
    place = list(PLACES)[generator.integers(len(PLACES))]
    phrase, _, categories = PLACES[place]
    chosen = generator.choice(len(categories), size=generator.integers(1, 4), replace=False)
    named = [categories[index] for index in chosen for _ in range(generator.integers(1, 3))]
    brightness = generator.uniform(0.35, 1.0)
    image, objects = draw_picture(place, named, brightness, generator)
    captions = describe(named, phrase, brightness, n_captions, generator)
    return Stimulus(image, objects, captions)


def draw_picture(
    place: str, categories: Sequence[str], brightness: float, generator: np.random.Generator
) -> tuple[np.ndarray, list[tuple[str, Box]]]:
    """Draw objects at a place: a picture (425, 425, 3) uint8, and each object with its box."""
    horizon = generator.uniform(0.35, 0.6) * SIZE
    pixels = np.clip(PLACES[place][1](generator, horizon), 0, 255)
    picture = Image.fromarray(pixels.astype(np.uint8))
    boxes: list[tuple[str, Box]] = []
    for category in categories:
        box = _free_box(category, len(categories), horizon, [b for _, b in boxes], generator)
        boxes.append((category, box))
    # what is nearer hides what is farther
    for category, (x, y, _, height) in sorted(boxes, key=lambda named: named[1][1] + named[1][3]):
        drawn = draw_object(category, round(height), generator)
        picture.paste(drawn, (round(x), round(y)), drawn)
    if generator.uniform() < 0.2:
        picture = picture.filter(ImageFilter.GaussianBlur(generator.uniform(0.5, 1.5)))
    noise = generator.normal(0, generator.uniform(1, 6), (SIZE, SIZE, 3))
    image = np.clip(np.asarray(picture) * brightness + noise, 0, 255).astype(np.uint8)
    return image, boxes


def _free_box(
    category: str,
    n_objects: int,
    horizon: float,
    others: Sequence[Box],
    generator: np.random.Generator,
) -> Box:
    """Draw where an object is: of several boxes that with the least overlap with the others."""
    tried = [_box(category, n_objects, horizon, generator) for _ in range(12)]
    return min(tried, key=lambda box: sum(_overlap(box, other) for other in others))


def _box(category: str, n_objects: int, horizon: float, generator: np.random.Generator) -> Box:
    drawing = DRAWINGS[category]
    # pictures of one object show it large
    share = generator.uniform(0.3, 0.75) / n_objects**0.4
    # wide and narrow objects have the same area
    height = min(share / drawing.ratio**0.5, 0.85, 0.95 / drawing.ratio) * SIZE
    width = height * drawing.ratio
    lowest = SIZE - height
    if drawing.place == "ground":
        bottom = generator.uniform(max(horizon + 15, height), SIZE)
        y = bottom - height
    else:
        y = generator.uniform(0, min(max(horizon - 0.6 * height, 1), lowest))
    return float(generator.uniform(0, SIZE - width)), float(y), float(width), float(height)


def _overlap(one: Box, other: Box) -> float:
    """Compute the area that two boxes share, as a fraction of the smaller."""
    sides = [
        max(min(one[i] + one[i + 2], other[i] + other[i + 2]) - max(one[i], other[i]), 0)
        for i in (0, 1)
    ]
    return sides[0] * sides[1] / min(one[2] * one[3], other[2] * other[3])


def describe(
    categories: Sequence[str],
    place: str,
    brightness: float,
    n_captions: int,
    generator: np.random.Generator,
) -> list[str]:
    """Write true sentences about the objects, in different words."""
    names = list(dict.fromkeys(categories))
    counted = [_count(name, list(categories).count(name)) for name in names]
    captions = []
    for number in generator.choice(len(SENTENCES), n_captions, replace=n_captions > len(SENTENCES)):
        order = generator.permutation(len(counted))
        text = SENTENCES[number].format(
            objects=" and ".join(counted[i] for i in order),
            place=place,
            verb=DRAWINGS[names[order[-1]]].verb,
            weather="bright" if brightness > 0.6 else "dark",
        )
        captions.append(text[0].upper() + text[1:])
    return captions


def _count(name: str, number: int) -> str:
    if number == 1:
        return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
    return f"{NUMBERS[number]} {PLURALS.get(name, name + 's')}"
