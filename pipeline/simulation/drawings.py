"""Drawings of COCO categories, each in the unit coordinates of its box, y downwards."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]

BLACK, DARK, GREY, WHITE = (25, 25, 28), (60, 55, 52), (150, 150, 155), (245, 243, 238)
SKIN, WOOD, GLASS, SILVER = (222, 172, 140), (96, 62, 36), (70, 92, 112), (200, 203, 208)
FURS = ((176, 122, 66), (110, 74, 44), (208, 170, 118), (72, 54, 44))
PAINTS = ((188, 30, 36), (30, 74, 150), (205, 208, 212), (34, 110, 72), (226, 160, 40))
CLOTHES = ((176, 40, 52), (38, 80, 160), (236, 236, 230), (60, 120, 80), (222, 172, 52))
PLUMES = ((44, 100, 178), (168, 52, 44), (112, 84, 58), (214, 168, 42))
CLOTHS = ((206, 36, 48), (36, 84, 176), (238, 188, 44), (120, 52, 140))


@dataclass(frozen=True)
class Pen:
    """Drawing in unit coordinates of a box.

    Attributes
    ----------
    size : width and height of the box in pixels
    colour : the object's own, in which shapes are filled unless they have another
    generator : of what differs between objects of one category
    """

    draw: ImageDraw.ImageDraw
    size: tuple[int, int]
    colour: Colour
    generator: np.random.Generator

    def _xy(self, points: Sequence[float]) -> list[float]:
        return [value * self.size[i % 2] for i, value in enumerate(points)]

    def shade(self, factor: float) -> Colour:
        """Return the object's own colour, darker or lighter."""
        red, green, blue = (min(int(value * factor), 255) for value in self.colour)
        return red, green, blue

    def ellipse(self, *points: float, fill: Colour | None = None) -> None:
        """Fill an ellipse in a box."""
        self.draw.ellipse(self._xy(points), fill=fill or self.colour)

    def polygon(self, *points: float, fill: Colour | None = None) -> None:
        """Fill a polygon."""
        self.draw.polygon(self._xy(points), fill=fill or self.colour)

    def rectangle(self, *points: float, fill: Colour | None = None, corner: float = 0) -> None:
        """Fill a rectangle, its corners rounded by a fraction of the box's width."""
        box = self._xy(points)
        self.draw.rounded_rectangle(box, corner * self.size[0], fill=fill or self.colour)

    def line(self, *points: float, width: float, fill: Colour | None = None) -> None:
        """Draw a line, as wide as a fraction of the box's width."""
        pixels = max(round(width * self.size[0]), 1)
        self.draw.line(self._xy(points), fill or self.colour, pixels, joint="curve")

    def shape(self, *points: float, fill: Colour | None = None) -> None:
        """Fill a smooth closed curve through points (a Catmull-Rom spline)."""
        p = np.reshape(points, (-1, 2))
        before, after, next_but_one = (np.roll(p, -shift, axis=0) for shift in (-1, 1, 2))
        t = np.linspace(0, 1, 8, endpoint=False)[:, None, None]
        curve = 0.5 * (
            2 * p
            + (after - before) * t
            + (2 * before - 5 * p + 4 * after - next_but_one) * t**2
            + (3 * p - before - 3 * after + next_but_one) * t**3
        )
        self.polygon(*curve.swapaxes(0, 1).ravel(), fill=fill)


def _person(pen: Pen) -> None:
    trousers = ((44, 52, 84), (58, 56, 54), (112, 94, 70))[pen.generator.integers(3)]
    hair = ((40, 28, 22), (120, 84, 44), (180, 150, 96))[pen.generator.integers(3)]
    pen.shape(0.3, 0.5, 0.52, 0.5, 0.5, 0.75, 0.47, 0.96, 0.34, 0.96, 0.34, 0.75, fill=trousers)
    pen.shape(0.48, 0.5, 0.7, 0.5, 0.68, 0.75, 0.66, 0.96, 0.53, 0.96, 0.52, 0.75, fill=trousers)
    pen.ellipse(0.3, 0.94, 0.48, 1.0, fill=BLACK)
    pen.ellipse(0.53, 0.94, 0.71, 1.0, fill=BLACK)
    pen.line(0.3, 0.24, 0.17, 0.4, 0.2, 0.53, width=0.1, fill=SKIN)
    pen.line(0.7, 0.24, 0.83, 0.4, 0.8, 0.53, width=0.1, fill=SKIN)
    pen.line(0.32, 0.22, 0.2, 0.36, width=0.13)
    pen.line(0.68, 0.22, 0.8, 0.36, width=0.13)
    pen.shape(0.27, 0.19, 0.5, 0.17, 0.73, 0.19, 0.7, 0.35, 0.71, 0.54, 0.29, 0.54, 0.3, 0.35)
    pen.rectangle(0.43, 0.13, 0.57, 0.2, fill=SKIN)
    pen.ellipse(0.35, 0.0, 0.65, 0.14, fill=hair)
    pen.ellipse(0.38, 0.03, 0.62, 0.16, fill=SKIN)
    pen.ellipse(0.43, 0.08, 0.46, 0.095, fill=BLACK)
    pen.ellipse(0.54, 0.08, 0.57, 0.095, fill=BLACK)
    pen.line(0.46, 0.128, 0.54, 0.128, width=0.02, fill=(150, 60, 56))


def _dog(pen: Pen) -> None:
    dark, light = pen.shade(0.6), pen.shade(1.25)
    pen.shape(0.27, 0.5, 0.37, 0.55, 0.33, 0.76, 0.36, 0.98, 0.28, 0.98, 0.25, 0.75, fill=dark)
    pen.shape(0.58, 0.5, 0.68, 0.5, 0.66, 0.75, 0.66, 0.98, 0.58, 0.98, 0.59, 0.75, fill=dark)
    pen.shape(0.17, 0.45, 0.08, 0.34, 0.02, 0.16, 0.06, 0.13, 0.13, 0.28, 0.22, 0.38)
    pen.shape(
        *(0.14, 0.42, 0.3, 0.36, 0.5, 0.38, 0.68, 0.34, 0.76, 0.44, 0.73, 0.58, 0.6, 0.66),
        *(0.45, 0.62, 0.3, 0.63, 0.17, 0.6),
    )
    pen.shape(
        *(0.14, 0.44, 0.28, 0.5, 0.3, 0.62, 0.23, 0.74, 0.24, 0.92, 0.29, 0.99, 0.18, 0.99),
        *(0.16, 0.76, 0.12, 0.58),
    )
    pen.shape(0.63, 0.5, 0.75, 0.5, 0.73, 0.75, 0.72, 0.92, 0.77, 0.99, 0.66, 0.99, 0.65, 0.75)
    pen.shape(0.6, 0.4, 0.66, 0.24, 0.74, 0.12, 0.86, 0.24, 0.8, 0.42, 0.74, 0.54)
    pen.shape(
        *(0.69, 0.12, 0.76, 0.05, 0.85, 0.07, 0.89, 0.15, 0.98, 0.18, 1.0, 0.24, 0.96, 0.29),
        *(0.86, 0.31, 0.78, 0.32, 0.71, 0.25),
    )
    pen.shape(0.86, 0.25, 0.95, 0.24, 0.97, 0.28, 0.88, 0.31, fill=light)
    pen.shape(0.71, 0.08, 0.77, 0.09, 0.78, 0.2, 0.75, 0.33, 0.69, 0.31, 0.67, 0.18, fill=dark)
    pen.ellipse(0.95, 0.16, 1.0, 0.22, fill=BLACK)
    pen.ellipse(0.83, 0.12, 0.865, 0.16, fill=BLACK)
    pen.line(0.99, 0.25, 0.92, 0.265, 0.88, 0.25, width=0.01, fill=BLACK)
    pen.line(0.66, 0.36, 0.74, 0.46, 0.8, 0.4, width=0.025, fill=(190, 40, 40))


def _horse(pen: Pen) -> None:
    dark, mane = pen.shade(0.6), pen.shade(0.35)
    for x, colour in ((0.27, dark), (0.58, dark), (0.2, pen.colour), (0.65, pen.colour)):
        bend = -0.02 if x < 0.5 else 0.0
        pen.shape(
            *(x - 0.02, 0.46, x + 0.1, 0.48, x + 0.06 + bend, 0.7, x + 0.06, 0.97, x + 0.01, 0.97),
            *(x + 0.01 + bend, 0.7),
            fill=colour,
        )
        pen.polygon(x, 0.95, x + 0.07, 0.95, x + 0.08, 1.0, x, 1.0, fill=BLACK)
    pen.shape(0.19, 0.34, 0.1, 0.4, 0.08, 0.6, 0.04, 0.78, 0.12, 0.74, 0.15, 0.5, fill=mane)
    pen.shape(
        *(0.17, 0.36, 0.28, 0.31, 0.45, 0.35, 0.62, 0.31, 0.74, 0.36, 0.75, 0.48, 0.66, 0.57),
        *(0.48, 0.57, 0.32, 0.57, 0.19, 0.52),
    )
    pen.shape(0.56, 0.35, 0.66, 0.2, 0.75, 0.06, 0.85, 0.08, 0.84, 0.2, 0.79, 0.36, 0.72, 0.46)
    pen.shape(0.57, 0.33, 0.64, 0.17, 0.72, 0.04, 0.77, 0.04, 0.74, 0.14, 0.66, 0.3, fill=mane)
    pen.shape(
        *(0.76, 0.05, 0.84, 0.04, 0.89, 0.1, 0.95, 0.2, 1.0, 0.28, 0.97, 0.34, 0.91, 0.33),
        *(0.86, 0.26, 0.79, 0.22, 0.75, 0.14),
    )
    pen.polygon(0.77, 0.07, 0.78, 0.0, 0.82, 0.05)
    pen.ellipse(0.84, 0.1, 0.87, 0.135, fill=BLACK)
    pen.ellipse(0.96, 0.28, 0.98, 0.305, fill=BLACK)


def _cow(pen: Pen) -> None:
    dark, pink = pen.shade(0.75), (222, 160, 150)
    for x, colour in ((0.23, dark), (0.56, dark), (0.16, pen.colour), (0.63, pen.colour)):
        pen.shape(
            *(x - 0.02, 0.5, x + 0.1, 0.52, x + 0.075, 0.75, x + 0.075, 0.97, x + 0.01, 0.97),
            *(x + 0.01, 0.75),
            fill=colour,
        )
        pen.rectangle(x, 0.94, x + 0.08, 1.0, fill=BLACK)
    pen.ellipse(0.27, 0.55, 0.4, 0.72, fill=pink)
    pen.line(0.12, 0.28, 0.07, 0.45, 0.08, 0.66, width=0.015)
    pen.ellipse(0.05, 0.62, 0.11, 0.74, fill=BLACK)
    pen.shape(
        *(0.11, 0.26, 0.25, 0.22, 0.5, 0.24, 0.7, 0.2, 0.78, 0.3, 0.76, 0.55, 0.68, 0.66),
        *(0.45, 0.68, 0.25, 0.64, 0.13, 0.56, 0.1, 0.4),
    )
    patch = BLACK if pen.generator.uniform() < 0.6 else (112, 58, 34)
    pen.shape(0.2, 0.25, 0.36, 0.24, 0.4, 0.4, 0.3, 0.52, 0.18, 0.42, fill=patch)
    pen.shape(0.5, 0.26, 0.66, 0.24, 0.64, 0.44, 0.55, 0.62, 0.48, 0.46, fill=patch)
    pen.shape(
        *(0.72, 0.2, 0.78, 0.1, 0.88, 0.1, 0.94, 0.2, 0.98, 0.38, 0.95, 0.47, 0.88, 0.46),
        *(0.8, 0.36, 0.73, 0.34),
        fill=patch,
    )
    pen.shape(0.87, 0.14, 0.92, 0.2, 0.95, 0.36, 0.89, 0.37, fill=WHITE)
    pen.shape(0.88, 0.36, 0.96, 0.35, 0.99, 0.42, 0.94, 0.48, 0.88, 0.46, fill=pink)
    pen.shape(0.7, 0.12, 0.8, 0.13, 0.78, 0.2, 0.7, 0.19, fill=patch)
    pen.shape(0.8, 0.12, 0.79, 0.03, 0.85, 0.0, 0.83, 0.05, 0.85, 0.11, fill=(226, 214, 180))
    pen.ellipse(0.86, 0.18, 0.89, 0.22, fill=BLACK)
    pen.ellipse(0.95, 0.4, 0.97, 0.43, fill=BLACK)


def _sheep(pen: Pen) -> None:
    face = (64, 56, 52)
    for x in (0.26, 0.36, 0.56, 0.66):
        pen.rectangle(x, 0.65, x + 0.05, 1.0, fill=face)
    for number, (x, y) in enumerate(pen.generator.uniform((0.08, 0.18), (0.62, 0.5), (60, 2))):
        fleece = pen.shade(1.06 - 0.25 * y - 0.04 * (number % 3))
        pen.ellipse(x, y, x + 0.2, y + 0.26, fill=fleece)
    pen.shape(
        *(0.7, 0.24, 0.78, 0.16, 0.88, 0.2, 0.96, 0.38, 0.98, 0.48, 0.91, 0.53, 0.8, 0.46),
        fill=face,
    )
    pen.shape(0.66, 0.22, 0.76, 0.24, 0.75, 0.31, 0.66, 0.3, fill=face)
    for x, y in ((0.68, 0.1), (0.74, 0.07), (0.8, 0.1)):
        pen.ellipse(x, y, x + 0.12, y + 0.16)
    pen.ellipse(0.84, 0.27, 0.875, 0.315, fill=(220, 200, 120))


def _wheel(pen: Pen, x: float, y: float, radius: float) -> None:
    down = radius * pen.size[0] / pen.size[1]
    for share, colour in ((1.0, BLACK), (0.62, SILVER), (0.5, GREY), (0.16, DARK)):
        box = x - radius * share, y - down * share, x + radius * share, y + down * share
        pen.ellipse(*box, fill=colour)


def _car(pen: Pen) -> None:
    dark = pen.shade(0.7)
    pen.shape(0.2, 0.45, 0.32, 0.14, 0.45, 0.08, 0.62, 0.1, 0.72, 0.22, 0.84, 0.45, fill=dark)
    pen.polygon(0.27, 0.43, 0.35, 0.19, 0.5, 0.15, 0.5, 0.43, fill=GLASS)
    pen.polygon(0.53, 0.43, 0.53, 0.15, 0.64, 0.18, 0.76, 0.43, fill=GLASS)
    pen.shape(
        *(0.01, 0.5, 0.06, 0.42, 0.3, 0.41, 0.6, 0.41, 0.85, 0.45, 0.98, 0.54, 1.0, 0.72),
        *(0.95, 0.82, 0.5, 0.83, 0.05, 0.82, 0.0, 0.7),
    )
    pen.rectangle(0.03, 0.76, 0.97, 0.82, fill=DARK)
    pen.line(0.51, 0.44, 0.51, 0.76, width=0.006, fill=dark)
    pen.line(0.05, 0.55, 0.95, 0.57, width=0.008, fill=pen.shade(1.3))
    pen.rectangle(0.44, 0.5, 0.49, 0.53, fill=dark)
    pen.ellipse(0.91, 0.53, 0.985, 0.63, fill=(250, 240, 200))
    pen.rectangle(0.01, 0.53, 0.05, 0.63, fill=(190, 20, 20))
    _wheel(pen, 0.22, 0.81, 0.105)
    _wheel(pen, 0.78, 0.81, 0.105)


def _bus(pen: Pen) -> None:
    pen.rectangle(0.0, 0.04, 1.0, 0.86, corner=0.04)
    pen.rectangle(0.0, 0.04, 1.0, 0.1, corner=0.03, fill=pen.shade(0.8))
    for left in np.arange(0.03, 0.8, 0.125):
        pen.rectangle(left, 0.16, left + 0.105, 0.44, fill=GLASS, corner=0.01)
        pen.polygon(
            left, 0.3, left + 0.05, 0.16, left + 0.09, 0.16, left, 0.42, fill=(130, 150, 164)
        )
    pen.rectangle(0.93, 0.16, 1.0, 0.48, fill=GLASS)
    pen.rectangle(0.8, 0.18, 0.9, 0.82, fill=pen.shade(0.65))
    pen.rectangle(0.815, 0.21, 0.885, 0.55, fill=GLASS)
    pen.rectangle(0.0, 0.5, 0.79, 0.53, fill=BLACK)
    pen.rectangle(0.0, 0.66, 0.79, 0.69, fill=BLACK)
    pen.rectangle(0.0, 0.8, 1.0, 0.86, fill=DARK)
    pen.ellipse(0.95, 0.62, 1.0, 0.72, fill=(250, 240, 200))
    _wheel(pen, 0.2, 0.85, 0.075)
    _wheel(pen, 0.7, 0.85, 0.075)


def _boat(pen: Pen) -> None:
    pen.line(0.47, 0.0, 0.47, 0.8, width=0.02, fill=WOOD)
    pen.shape(0.5, 0.04, 0.56, 0.25, 0.7, 0.5, 0.88, 0.68, 0.7, 0.69, 0.5, 0.7, fill=WHITE)
    pen.shape(0.44, 0.08, 0.44, 0.4, 0.44, 0.68, 0.28, 0.68, 0.08, 0.67, 0.28, 0.45, fill=WHITE)
    for y in (0.2, 0.36, 0.52):
        pen.line(0.5, y, 0.5 + 0.5 * (y - 0.04), y + 0.02, width=0.005, fill=GREY)
        pen.line(0.44, y + 0.04, 0.44 - 0.42 * (y - 0.1), y + 0.04, width=0.005, fill=GREY)
    pen.line(0.1, 0.7, 0.5, 0.7, width=0.015, fill=WOOD)
    pen.polygon(0.02, 0.76, 1.0, 0.74, 0.9, 0.9, 0.84, 1.0, 0.12, 1.0, 0.06, 0.9)
    pen.polygon(0.02, 0.76, 1.0, 0.74, 0.97, 0.8, 0.03, 0.81, fill=WHITE)
    pen.rectangle(0.24, 0.7, 0.44, 0.77, fill=SILVER)


def _bird(pen: Pen) -> None:
    belly, dark = (236, 214, 176), pen.shade(0.55)
    pen.line(0.5, 0.74, 0.48, 0.97, width=0.02, fill=DARK)
    pen.line(0.58, 0.74, 0.58, 0.97, width=0.02, fill=DARK)
    pen.line(0.42, 0.98, 0.64, 0.98, width=0.02, fill=DARK)
    pen.polygon(0.3, 0.52, 0.0, 0.86, 0.08, 0.94, 0.38, 0.68, fill=dark)
    pen.shape(
        *(0.24, 0.58, 0.36, 0.42, 0.54, 0.28, 0.6, 0.12, 0.74, 0.05, 0.86, 0.13, 0.86, 0.28),
        *(0.84, 0.48, 0.74, 0.68, 0.56, 0.78, 0.38, 0.74),
    )
    pen.shape(0.84, 0.3, 0.82, 0.5, 0.72, 0.68, 0.56, 0.76, 0.56, 0.6, 0.68, 0.4, fill=belly)
    pen.shape(0.14, 0.74, 0.3, 0.52, 0.48, 0.36, 0.6, 0.4, 0.6, 0.54, 0.46, 0.66, fill=dark)
    for shift in (0.0, 0.07, 0.14):
        pen.line(0.5, 0.42 + shift, 0.24, 0.66 + shift / 3, width=0.01, fill=pen.shade(0.9))
    pen.polygon(0.85, 0.16, 1.0, 0.22, 0.85, 0.26, fill=(236, 160, 40))
    pen.ellipse(0.74, 0.13, 0.8, 0.2, fill=BLACK)
    pen.ellipse(0.76, 0.14, 0.78, 0.165, fill=WHITE)


def _kite(pen: Pen) -> None:
    second = CLOTHS[pen.generator.integers(len(CLOTHS))]
    pen.line(0.5, 0.66, 0.56, 0.78, 0.44, 0.88, 0.52, 1.0, width=0.015, fill=DARK)
    for x, y in ((0.54, 0.76), (0.46, 0.87), (0.52, 0.97)):
        pen.polygon(x, y, x - 0.08, y - 0.03, x - 0.08, y + 0.03, fill=second)
        pen.polygon(x, y, x + 0.08, y - 0.03, x + 0.08, y + 0.03, fill=second)
    pen.polygon(0.5, 0.0, 0.95, 0.26, 0.5, 0.7, 0.05, 0.26)
    pen.polygon(0.5, 0.0, 0.95, 0.26, 0.5, 0.26, fill=second)
    pen.polygon(0.5, 0.7, 0.05, 0.26, 0.5, 0.26, fill=second)
    pen.line(0.5, 0.0, 0.5, 0.7, width=0.015, fill=DARK)
    pen.line(0.05, 0.26, 0.95, 0.26, width=0.015, fill=DARK)


def _umbrella(pen: Pen) -> None:
    pen.line(0.5, 0.05, 0.5, 0.9, width=0.025, fill=WOOD)
    pen.line(0.5, 0.9, 0.52, 0.97, 0.58, 0.97, 0.6, 0.9, width=0.03, fill=WOOD)
    stripes = pen.generator.uniform() < 0.5
    ribs = np.linspace(0.0, 1.0, 7)
    for number, (left, right) in enumerate(itertools.pairwise(ribs)):
        t = np.linspace(0, 1, 9)
        # ribs are ellipses that meet at the tip, and the cloth hangs in arcs between them
        sides = [
            (0.5 + (x - 0.5) * np.sin(t * np.pi / 2), 0.06 + 0.44 * (1 - np.cos(t * np.pi / 2)))
            for x in (left, right)
        ]
        arc = left + (right - left) * t, 0.5 - 0.06 * np.sin(t * np.pi)
        outline = [
            np.column_stack(sides[0]),
            np.column_stack(arc),
            np.column_stack(sides[1])[::-1],
        ]
        plain = pen.shade(1.0 if number % 2 else 0.8)
        fill = WHITE if stripes and number % 2 else plain
        pen.polygon(*np.concatenate(outline).ravel(), fill=fill)
    pen.line(0.5, 0.0, 0.5, 0.07, width=0.02, fill=WOOD)


def _ball(pen: Pen) -> None:
    pen.ellipse(0.0, 0.0, 1.0, 1.0, fill=WHITE)
    turn = pen.generator.uniform(0, 2 * np.pi)
    angles = turn + np.arange(5) * 2 * np.pi / 5

    def pentagon(x: float, y: float, radius: float, first: float) -> None:
        corners = first + np.arange(5) * 2 * np.pi / 5
        points = np.column_stack([x + radius * np.cos(corners), y + radius * np.sin(corners)])
        pen.polygon(*points.ravel(), fill=BLACK)

    pentagon(0.5, 0.5, 0.17, turn)
    for angle in angles:
        x, y = np.cos(angle), np.sin(angle)
        pen.line(
            *(0.5 + 0.17 * x, 0.5 + 0.17 * y, 0.5 + 0.3 * x, 0.5 + 0.3 * y),
            width=0.015,
            fill=DARK,
        )
        side = angle + np.pi / 5
        pentagon(0.5 + 0.4 * np.cos(side), 0.5 + 0.4 * np.sin(side), 0.1, side)
        for end in (side, side - 2 * np.pi / 5):
            pen.line(
                *(0.5 + 0.3 * x, 0.5 + 0.3 * y),
                *(0.5 + 0.36 * np.cos(end), 0.5 + 0.36 * np.sin(end)),
                width=0.015,
                fill=DARK,
            )


def _pizza(pen: Pen) -> None:
    pen.ellipse(0.0, 0.0, 1.0, 1.0, fill=(184, 128, 66))
    pen.ellipse(0.03, 0.02, 0.97, 0.95, fill=(212, 158, 92))
    pen.ellipse(0.08, 0.08, 0.92, 0.9, fill=(176, 52, 30))
    pen.ellipse(0.1, 0.1, 0.9, 0.88)
    for _ in range(14):
        x, y = _in_disc(pen.generator, 0.33)
        pen.ellipse(x - 0.07, y - 0.05, x + 0.07, y + 0.05, fill=(238, 198, 108))
    for x, y in _spread(pen.generator, 9, 0.32):
        pen.ellipse(x - 0.085, y - 0.08, x + 0.085, y + 0.08, fill=(140, 34, 24))
        pen.ellipse(x - 0.07, y - 0.066, x + 0.07, y + 0.066, fill=(188, 58, 40))
    for _ in range(9):
        x, y = _in_disc(pen.generator, 0.34)
        pen.ellipse(x - 0.04, y - 0.015, x + 0.03, y + 0.02, fill=(52, 104, 44))


def _in_disc(generator: np.random.Generator, radius: float) -> tuple[float, float]:
    angle, out = generator.uniform(0, 2 * np.pi), radius * np.sqrt(generator.uniform())
    return 0.5 + out * np.cos(angle), 0.49 + out * np.sin(angle)


def _spread(
    generator: np.random.Generator, number: int, radius: float
) -> list[tuple[float, float]]:
    """Spread points over a disc: one in its centre, the others around it."""
    angles = generator.uniform(0, 2 * np.pi) + np.arange(number - 1) * 2 * np.pi / (number - 1)
    out = radius * generator.uniform(0.7, 1.0, number - 1)
    around = zip(0.5 + out * np.cos(angles), 0.49 + out * np.sin(angles), strict=True)
    return [(0.5, 0.49), *around]


def _banana(pen: Pen) -> None:
    for shift, factor in ((0.1, 0.8), (0.0, 1.0)):
        pen.shape(
            *(0.06, 0.3 - shift, 0.12, 0.26 - shift, 0.2, 0.42 - shift, 0.36, 0.58 - shift),
            *(0.56, 0.62 - shift, 0.76, 0.5 - shift, 0.9, 0.3 - shift, 0.96, 0.32 - shift),
            *(0.92, 0.55 - shift, 0.76, 0.8 - shift, 0.52, 0.92 - shift, 0.28, 0.84 - shift),
            *(0.12, 0.62 - shift),
            fill=pen.shade(factor),
        )
        pen.shape(
            *(0.1, 0.5 - shift, 0.26, 0.7 - shift, 0.5, 0.78 - shift, 0.74, 0.67 - shift),
            *(0.9, 0.46 - shift, 0.74, 0.71 - shift, 0.5, 0.82 - shift, 0.25, 0.73 - shift),
            fill=pen.shade(factor * 0.82),
        )
    pen.polygon(0.04, 0.14, 0.11, 0.12, 0.14, 0.3, 0.06, 0.32, fill=(120, 110, 40))
    pen.ellipse(0.89, 0.17, 0.97, 0.3, fill=(74, 54, 30))


def _chair(pen: Pen) -> None:
    dark, light = pen.shade(0.65), pen.shade(1.2)
    pen.polygon(0.26, 0.5, 0.33, 0.5, 0.31, 0.92, 0.26, 0.92, fill=dark)
    pen.polygon(0.76, 0.5, 0.83, 0.5, 0.84, 0.92, 0.79, 0.92, fill=dark)
    pen.polygon(0.2, 0.0, 0.28, 0.0, 0.32, 0.55, 0.24, 0.55)
    pen.polygon(0.76, 0.0, 0.84, 0.0, 0.84, 0.55, 0.76, 0.55)
    pen.rectangle(0.2, 0.0, 0.84, 0.1, corner=0.03)
    for x in (0.36, 0.48, 0.6, 0.7):
        pen.rectangle(x, 0.08, x + 0.035, 0.5, fill=dark)
    pen.rectangle(0.25, 0.32, 0.8, 0.37)
    pen.polygon(0.24, 0.48, 0.82, 0.48, 0.94, 0.62, 0.06, 0.62, fill=light)
    pen.rectangle(0.06, 0.62, 0.94, 0.67)
    pen.polygon(0.07, 0.66, 0.16, 0.66, 0.14, 1.0, 0.07, 1.0)
    pen.polygon(0.84, 0.66, 0.93, 0.66, 0.93, 1.0, 0.86, 1.0)
    pen.rectangle(0.12, 0.8, 0.88, 0.84, fill=dark)


def _clock(pen: Pen) -> None:
    pen.ellipse(0.0, 0.0, 1.0, 1.0, fill=DARK)
    pen.ellipse(0.02, 0.02, 0.98, 0.98)
    pen.ellipse(0.09, 0.09, 0.91, 0.91, fill=WHITE)

    def ray(turn: float, inner: float, outer: float, width: float, fill: Colour) -> None:
        x, y = np.sin(turn * 2 * np.pi), -np.cos(turn * 2 * np.pi)
        ends = 0.5 + inner * x, 0.5 + inner * y, 0.5 + outer * x, 0.5 + outer * y
        pen.line(*ends, width=width, fill=fill)

    for minute in range(60):
        long = minute % 5 == 0
        ray(minute / 60, 0.3 if long else 0.355, 0.375, 0.024 if long else 0.006, BLACK)
    time = pen.generator.uniform(0, 12)
    ray(time / 12, -0.05, 0.22, 0.04, BLACK)
    ray(time % 1, -0.06, 0.33, 0.026, BLACK)
    ray(pen.generator.uniform(), -0.08, 0.34, 0.01, (190, 30, 30))
    pen.ellipse(0.465, 0.465, 0.535, 0.535, fill=BLACK)


# strokes of letters in a unit square: no font is the same everywhere
LETTERS = {
    "S": ((1, 0.1, 0.1, 0.1, 0.1, 0.5, 0.9, 0.5, 0.9, 0.9, 0, 0.9),),
    "T": ((0, 0.08, 1, 0.08), (0.5, 0.08, 0.5, 1)),
    "O": ((0.1, 0.1, 0.9, 0.1, 0.9, 0.9, 0.1, 0.9, 0.1, 0.0),),
    "P": ((0.1, 1, 0.1, 0.1, 0.9, 0.1, 0.9, 0.55, 0.1, 0.55),),
}


def _stop_sign(pen: Pen) -> None:
    pen.rectangle(0.47, 0.5, 0.53, 1.0, fill=GREY)
    down = pen.size[0] / pen.size[1]
    for radius, fill in ((0.5, DARK), (0.49, WHITE), (0.45, pen.colour)):
        angles = np.pi / 8 + np.arange(8) * np.pi / 4
        # an octagon whose sides, not corners, are at the distance
        out = radius / np.cos(np.pi / 8)
        across = 0.5 + out * np.cos(angles), down * (0.5 + out * np.sin(angles))
        pen.polygon(*np.column_stack(across).ravel(), fill=fill)
    for number, strokes in enumerate(LETTERS.values()):
        for stroke in strokes:
            points = np.reshape(stroke, (-1, 2)) * (0.15, 0.26 * down)
            points += (0.14 + 0.19 * number, 0.37 * down)
            pen.line(*points.ravel(), width=0.04, fill=WHITE)


def _bottle(pen: Pen) -> None:
    pen.shape(
        *(0.36, 0.06, 0.64, 0.06, 0.64, 0.26, 0.72, 0.36, 0.86, 0.46, 0.88, 0.7, 0.87, 0.98),
        *(0.5, 1.0, 0.13, 0.98, 0.12, 0.7, 0.14, 0.46, 0.28, 0.36, 0.36, 0.26),
    )
    pen.rectangle(0.34, 0.0, 0.66, 0.12, fill=(150, 30, 36))
    pen.rectangle(0.12, 0.56, 0.88, 0.84, fill=(238, 228, 200))
    pen.rectangle(0.12, 0.6, 0.88, 0.62, fill=(150, 30, 36))
    for y in (0.67, 0.71, 0.75):
        pen.line(0.26, y, 0.74, y, width=0.04, fill=DARK)
    pen.line(0.22, 0.48, 0.22, 0.55, width=0.07, fill=pen.shade(2.2))
    pen.line(0.42, 0.16, 0.42, 0.3, width=0.05, fill=pen.shade(2.2))


@dataclass(frozen=True)
class Drawing:
    """Way of drawing a category.

    Attributes
    ----------
    paint : draws it in a box
    colours : that it may have
    ratio : width / height
    verb : what it does, for captions
    place : where it is: on the "ground", in the "air", or on the "wall"
    """

    paint: Callable[[Pen], None]
    colours: tuple[Colour, ...]
    ratio: float
    verb: str
    place: str = "ground"


DRAWINGS = {
    "person": Drawing(_person, CLOTHES, 0.42, "standing"),
    "dog": Drawing(_dog, FURS, 1.15, "waiting"),
    "horse": Drawing(_horse, FURS[:2] + FURS[3:], 1.1, "grazing"),
    "cow": Drawing(_cow, (WHITE,), 1.4, "resting"),
    "sheep": Drawing(_sheep, ((236, 230, 214), (214, 204, 184)), 1.2, "grazing"),
    "car": Drawing(_car, PAINTS, 2.2, "parked"),
    "bus": Drawing(_bus, ((240, 180, 30), (240, 180, 30), (188, 40, 40)), 2.0, "passing"),
    "boat": Drawing(_boat, PAINTS, 0.95, "lying"),
    "bird": Drawing(_bird, PLUMES, 1.1, "sitting"),
    "kite": Drawing(_kite, CLOTHS, 0.7, "flying", "air"),
    "umbrella": Drawing(_umbrella, CLOTHS, 1.1, "open"),
    "sports ball": Drawing(_ball, (WHITE,), 1.0, "lying"),
    "pizza": Drawing(_pizza, ((242, 210, 130),), 1.25, "served"),
    "banana": Drawing(_banana, ((244, 208, 62), (226, 200, 70)), 1.5, "lying"),
    "chair": Drawing(_chair, ((150, 96, 54), (110, 70, 40), (190, 140, 90)), 0.72, "standing"),
    "clock": Drawing(_clock, (DARK, (150, 40, 40), SILVER), 1.0, "hanging", "wall"),
    "stop sign": Drawing(_stop_sign, ((196, 24, 32),), 0.55, "standing"),
    "bottle": Drawing(_bottle, ((40, 92, 52), (80, 52, 28), (44, 76, 110)), 0.34, "standing"),
}
# drawn larger and then reduced, for smooth edges
FINER = 2


def draw_object(category: str, height: int, generator: np.random.Generator) -> Image.Image:
    """Draw an object as RGBA, facing either side, lit from above and darker towards its edge."""
    drawing = DRAWINGS[category]
    size = max(round(height * drawing.ratio), 4), height
    large = FINER * size[0], FINER * size[1]
    layer = Image.new("RGBA", large)
    base = np.array(drawing.colours[generator.integers(len(drawing.colours))])
    tint = generator.uniform(0.9, 1.1) * generator.uniform(0.97, 1.03, 3)
    red, green, blue = np.clip(base * tint, 0, 255).astype(int).tolist()
    drawing.paint(Pen(ImageDraw.Draw(layer), large, (red, green, blue), generator))
    layer = layer.resize(size, Image.Resampling.BOX)
    if drawing.paint not in (_clock, _stop_sign) and generator.uniform() < 0.5:
        layer = layer.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    alpha = layer.getchannel("A")
    inside = np.asarray(alpha.filter(ImageFilter.GaussianBlur(0.05 * height))) / 255
    light = np.linspace(1.12, 0.82, height)[:, None] * (0.62 + 0.38 * inside)
    light = light * generator.normal(1, 0.03, light.shape)
    pixels = np.asarray(layer).astype(float)
    pixels[..., :3] *= light[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
