"""Scenes of COCO objects on varied backgrounds, with captions that describe them."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIZE = 425


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
    objects: list[tuple[str, tuple[float, float, float, float]]]
    captions: list[str]


@dataclass(frozen=True)
class Pen:
    """Drawing in the unit coordinates of a box in the picture."""

    draw: ImageDraw.ImageDraw
    box: tuple[float, float, float, float]
    colour: tuple[int, int, int]
    accent: tuple[int, int, int]

    def _xy(self, points: Sequence[float]) -> list[float]:
        x, y, width, height = self.box
        scale, shift = (width, height), (x, y)
        return [value * scale[i % 2] + shift[i % 2] for i, value in enumerate(points)]

    def ellipse(self, *points: float, accent: bool = False) -> None:
        """Fill an ellipse."""
        self.draw.ellipse(self._xy(points), fill=self.accent if accent else self.colour)

    def rectangle(self, *points: float, accent: bool = False) -> None:
        """Fill a rectangle."""
        self.draw.rectangle(self._xy(points), fill=self.accent if accent else self.colour)

    def polygon(self, *points: float, accent: bool = False) -> None:
        """Fill a polygon."""
        self.draw.polygon(self._xy(points), fill=self.accent if accent else self.colour)


def _person(pen: Pen) -> None:
    pen.ellipse(0.35, 0.0, 0.65, 0.25, accent=True)
    pen.polygon(0.25, 0.27, 0.75, 0.27, 0.65, 0.65, 0.35, 0.65)
    pen.rectangle(0.36, 0.65, 0.47, 1.0, accent=True)
    pen.rectangle(0.53, 0.65, 0.64, 1.0, accent=True)
    pen.polygon(0.25, 0.27, 0.05, 0.6, 0.14, 0.64, 0.36, 0.36)
    pen.polygon(0.75, 0.27, 0.95, 0.6, 0.86, 0.64, 0.64, 0.36)


def _quadruped(pen: Pen) -> None:
    pen.ellipse(0.12, 0.3, 0.8, 0.7)
    for left in (0.18, 0.3, 0.6, 0.72):
        pen.rectangle(left, 0.6, left + 0.07, 1.0)
    pen.ellipse(0.68, 0.08, 0.98, 0.42)
    pen.polygon(0.72, 0.15, 0.76, 0.0, 0.82, 0.12, accent=True)
    pen.ellipse(0.84, 0.18, 0.89, 0.23, accent=True)
    pen.polygon(0.15, 0.42, 0.0, 0.2, 0.04, 0.18, 0.2, 0.36)


def _sheep(pen: Pen) -> None:
    for x, y in ((0.1, 0.3), (0.3, 0.22), (0.5, 0.25), (0.2, 0.42), (0.45, 0.42)):
        pen.ellipse(x, y, x + 0.35, y + 0.35)
    for left in (0.25, 0.4, 0.55, 0.68):
        pen.rectangle(left, 0.7, left + 0.05, 1.0, accent=True)
    pen.ellipse(0.74, 0.25, 1.0, 0.55, accent=True)


def _car(pen: Pen) -> None:
    pen.rectangle(0.0, 0.45, 1.0, 0.8)
    pen.polygon(0.2, 0.45, 0.32, 0.15, 0.7, 0.15, 0.82, 0.45)
    pen.polygon(0.3, 0.42, 0.38, 0.22, 0.64, 0.22, 0.72, 0.42, accent=True)
    pen.ellipse(0.12, 0.62, 0.36, 1.0, accent=True)
    pen.ellipse(0.64, 0.62, 0.88, 1.0, accent=True)


def _bus(pen: Pen) -> None:
    pen.rectangle(0.0, 0.05, 1.0, 0.85)
    for left in (0.06, 0.3, 0.54, 0.78):
        pen.rectangle(left, 0.18, left + 0.16, 0.45, accent=True)
    pen.ellipse(0.12, 0.7, 0.3, 1.0, accent=True)
    pen.ellipse(0.7, 0.7, 0.88, 1.0, accent=True)


def _boat(pen: Pen) -> None:
    pen.polygon(0.0, 0.7, 1.0, 0.7, 0.82, 1.0, 0.18, 1.0)
    pen.rectangle(0.48, 0.0, 0.52, 0.7, accent=True)
    pen.polygon(0.54, 0.02, 0.54, 0.62, 0.95, 0.62, accent=True)


def _bird(pen: Pen) -> None:
    pen.ellipse(0.3, 0.4, 0.75, 0.75)
    pen.polygon(0.45, 0.5, 0.1, 0.05, 0.62, 0.45)
    pen.polygon(0.5, 0.5, 0.85, 0.0, 0.68, 0.5)
    pen.ellipse(0.66, 0.3, 0.86, 0.55)
    pen.polygon(0.85, 0.4, 1.0, 0.45, 0.85, 0.5, accent=True)


def _kite(pen: Pen) -> None:
    pen.polygon(0.5, 0.0, 0.9, 0.35, 0.5, 0.75, 0.1, 0.35)
    pen.polygon(0.5, 0.0, 0.9, 0.35, 0.5, 0.35, accent=True)
    pen.polygon(0.48, 0.75, 0.52, 0.75, 0.6, 1.0, 0.57, 1.0, accent=True)


def _umbrella(pen: Pen) -> None:
    pen.draw.pieslice(pen._xy((0.0, 0.0, 1.0, 1.1)), 180, 360, fill=pen.colour)
    pen.rectangle(0.48, 0.5, 0.52, 1.0, accent=True)


def _ball(pen: Pen) -> None:
    pen.ellipse(0.0, 0.0, 1.0, 1.0)
    pen.rectangle(0.02, 0.46, 0.98, 0.54, accent=True)
    pen.rectangle(0.46, 0.02, 0.54, 0.98, accent=True)


def _pizza(pen: Pen) -> None:
    pen.ellipse(0.0, 0.2, 1.0, 0.9, accent=True)
    pen.ellipse(0.07, 0.25, 0.93, 0.85)
    for x, y in ((0.25, 0.4), (0.5, 0.32), (0.68, 0.5), (0.4, 0.62), (0.6, 0.7)):
        pen.ellipse(x, y, x + 0.1, y + 0.08, accent=True)


def _banana(pen: Pen) -> None:
    pen.draw.chord(pen._xy((0.0, -0.5, 1.0, 0.9)), 20, 160, fill=pen.colour)
    pen.ellipse(0.0, 0.35, 0.12, 0.5, accent=True)


def _chair(pen: Pen) -> None:
    pen.rectangle(0.15, 0.0, 0.25, 1.0)
    pen.rectangle(0.15, 0.5, 0.85, 0.6)
    pen.rectangle(0.75, 0.5, 0.85, 1.0)
    pen.rectangle(0.25, 0.08, 0.32, 0.45, accent=True)


def _clock(pen: Pen) -> None:
    pen.ellipse(0.0, 0.0, 1.0, 1.0)
    pen.ellipse(0.1, 0.1, 0.9, 0.9, accent=True)
    pen.rectangle(0.47, 0.18, 0.53, 0.55)
    pen.rectangle(0.47, 0.47, 0.78, 0.53)


def _stop_sign(pen: Pen) -> None:
    pen.rectangle(0.46, 0.5, 0.54, 1.0, accent=True)
    pen.polygon(
        0.3, 0.0, 0.7, 0.0, 0.95, 0.2, 0.95, 0.42, 0.7, 0.62, 0.3, 0.62, 0.05, 0.42, 0.05, 0.2
    )
    pen.rectangle(0.2, 0.26, 0.8, 0.36, accent=True)


def _bottle(pen: Pen) -> None:
    pen.rectangle(0.3, 0.35, 0.7, 1.0)
    pen.rectangle(0.42, 0.05, 0.58, 0.4)
    pen.rectangle(0.3, 0.55, 0.7, 0.8, accent=True)


# {category: (drawing function, usual hue or None for any, width / height, verb)}
DRAWINGS: dict[str, tuple[Callable[[Pen], None], float | None, float, str]] = {
    "person": (_person, None, 0.5, "standing"),
    "dog": (_quadruped, 0.08, 1.3, "waiting"),
    "horse": (_quadruped, 0.05, 1.2, "grazing"),
    "cow": (_quadruped, 0.02, 1.5, "resting"),
    "sheep": (_sheep, 0.15, 1.3, "grazing"),
    "car": (_car, None, 1.9, "parked"),
    "bus": (_bus, None, 1.8, "passing"),
    "boat": (_boat, None, 1.1, "lying"),
    "bird": (_bird, None, 1.2, "flying"),
    "kite": (_kite, None, 0.8, "hanging"),
    "umbrella": (_umbrella, None, 1.0, "open"),
    "sports ball": (_ball, None, 1.0, "lying"),
    "pizza": (_pizza, 0.12, 1.2, "served"),
    "banana": (_banana, 0.15, 1.3, "lying"),
    "chair": (_chair, 0.07, 0.8, "standing"),
    "clock": (_clock, None, 1.0, "hanging"),
    "stop sign": (_stop_sign, 0.0, 0.7, "standing"),
    "bottle": (_bottle, 0.35, 0.5, "standing"),
}
# {scene: (phrase, hue above, hue below, categories of its objects)}
PLACES = {
    "meadow": (
        "in a meadow",
        0.58,
        0.3,
        ("person", "dog", "horse", "cow", "sheep", "kite", "bird"),
    ),
    "beach": (
        "on a beach",
        0.55,
        0.12,
        ("person", "umbrella", "sports ball", "kite", "boat", "dog"),
    ),
    "street": ("in a street", 0.6, 0.65, ("car", "bus", "person", "stop sign", "clock", "dog")),
    "room": ("in a room", 0.1, 0.07, ("chair", "clock", "bottle", "pizza", "banana", "person")),
    "sea": ("at sea", 0.57, 0.6, ("boat", "bird", "person", "kite")),
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
    """Draw one scene of one to five objects."""
    place = list(PLACES)[generator.integers(len(PLACES))]
    phrase, _, _, categories = PLACES[place]
    brightness = generator.uniform(0.25, 1.0)
    picture = _background(place, brightness, generator)
    draw = ImageDraw.Draw(picture)
    chosen = generator.choice(len(categories), size=generator.integers(1, 4), replace=False)
    objects = []
    for index in chosen:
        for _ in range(generator.integers(1, 3)):
            objects.append(_draw_object(draw, categories[index], generator))
    if generator.uniform() < 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(generator.uniform(0.5, 2.5)))
    noise = generator.normal(0, generator.uniform(1, 12), (SIZE, SIZE, 3))
    image = np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)
    captions = describe([name for name, _ in objects], phrase, brightness, n_captions, generator)
    return Stimulus(image, objects, captions)


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
            verb=DRAWINGS[names[order[-1]]][3],
            weather="bright" if brightness > 0.6 else "dark",
        )
        captions.append(text[0].upper() + text[1:])
    return captions


def _count(name: str, number: int) -> str:
    if number == 1:
        return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
    return f"{NUMBERS[number]} {PLURALS.get(name, name + 's')}"


def _background(place: str, brightness: float, generator: np.random.Generator) -> Image.Image:
    _, above, below, _ = PLACES[place]
    horizon = generator.uniform(0.3, 0.7)
    rows = np.linspace(0, 1, SIZE)[:, None]
    upper = np.array(_colour(above + generator.normal(0, 0.03), 0.5, brightness))
    lower = np.array(_colour(below + generator.normal(0, 0.03), 0.6, brightness * 0.8))
    sky = upper * (0.7 + 0.3 * rows / horizon)
    ground = lower * (1.1 - 0.4 * (rows - horizon) / (1 - horizon))
    column = np.where(rows < horizon, sky, ground)
    pixels = np.repeat(column[:, None], SIZE, axis=1)
    wave = np.sin(np.arange(SIZE) / generator.uniform(3, 30) + generator.uniform(0, 6))
    texture = generator.uniform(0, 25) * wave[None, :] * (rows >= horizon)
    return Image.fromarray(np.clip(pixels + texture[..., None], 0, 255).astype(np.uint8))


def _draw_object(
    draw: ImageDraw.ImageDraw, category: str, generator: np.random.Generator
) -> tuple[str, tuple[float, float, float, float]]:
    paint, hue, ratio, _ = DRAWINGS[category]
    height = generator.uniform(0.15, 0.5) * SIZE
    width = min(height * ratio, 0.8 * SIZE)
    x, y = generator.uniform(0, SIZE - width), generator.uniform(0, SIZE - height)
    hue = generator.uniform() if hue is None else hue + generator.normal(0, 0.02)
    value = generator.uniform(0.4, 1.0)
    colour, accent = (
        _colour(hue, generator.uniform(0.4, 0.9), value),
        _colour(hue + 0.5, 0.3, 1 - value / 1.5),
    )
    paint(Pen(draw, (x, y, width, height), colour, accent))
    return category, (x, y, width, height)


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, min(max(value, 0), 1))
    return int(255 * red), int(255 * green), int(255 * blue)
