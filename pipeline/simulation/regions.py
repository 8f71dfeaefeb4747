"""ROIs of the human brain at typical places.

They are approximations: early areas are bands at distances from the calcarine sulcus, the others
discs around coordinates from the literature, both along the folded surface. Nobody's retinotopy or
localiser was used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from pipeline.simulation.atlases import LABELS

Place = tuple[float, float, float]
# MNI152 coordinates, mm, of the right hemisphere; the left one mirrors them
CALCARINE: Sequence[Place] = ((12, -97, -3), (12, -88, 0), (14, -76, 6), (16, -70, 7))
DORSAL: Sequence[Place] = ((10, -90, 20), (14, -78, 24), (24, -92, 14))
VENTRAL: Sequence[Place] = ((10, -82, -8), (18, -68, -6), (26, -90, -14))
# where the band of an early area ends, mm from the calcarine sulcus; none reaches further forward
BANDS = {"V1": 11.0, "V2": 18.0, "V3": 24.0, "V4": 33.0}
EARLY_END = -72.0
# {atlas: {label: (centre, radius along the surface, mm)}}
DISCS: Mapping[str, Mapping[str, tuple[Place, float]]] = {
    "floc-faces": {
        "OFA": ((41, -79, -12), 8),
        "FFA-1": ((40, -64, -16), 8),
        "FFA-2": ((41, -50, -20), 8),
    },
    "floc-words": {
        "OWFA": ((40, -76, -14), 7),
        "VWFA-1": ((45, -63, -14), 7),
        "VWFA-2": ((46, -52, -17), 7),
        "mfs-words": ((37, -43, -20), 6),
    },
    "floc-places": {
        "OPA": ((34, -82, 22), 11),
        "PPA": ((28, -46, -11), 11),
        "RSC": ((17, -57, 13), 10),
    },
    "floc-bodies": {
        "EBA": ((48, -72, 4), 13),
        "FBA-1": ((46, -60, -10), 7),
        "FBA-2": ((44, -45, -20), 7),
    },
    "HCP_MMP1": {
        "MST": ((46, -66, 6), 6),
        "V6": ((14, -80, 30), 8),
        "V8": ((30, -68, -12), 7),
        "4": ((34, -24, 58), 15),
        "3b": ((42, -28, 54), 10),
    },
}
LEFT_ONLY = "mfs-words"
# nsdgeneral is what lies within the first distance of all the visual areas above, without what lies
# within the second of its edge, mm: so it has no gaps
REACH, EDGE = 18.0, 9.0
# the middle streams end this far from V3 and hV4, mm
MIDDLE = 10.0
# where ventral and lateral streams end upwards, and what is medial, mm
VENTRAL_TOP, LATERAL_TOP, MEDIAL, MEDIAL_TOP = -6.0, 14.0, 34.0, 8.0
HIPPOCAMPUS: tuple[Place, Place] = ((26, -34, -6), (32, -10, -22))


class FoldedSurface(Protocol):
    """One hemisphere; see `human.HumanHemisphere`."""

    @property
    def medial_wall(self) -> np.ndarray:
        """Vertices of the medial wall, (vertex,) bool."""

    @property
    def side(self) -> float:
        """-1 left, 1 right."""

    def millimetres(self, depth: float, /) -> np.ndarray:
        """Compute positions (vertex, 3) in MNI152."""

    def away_from(self, vertices: Sequence[int], /) -> np.ndarray:
        """Compute distances (vertex,) along the surface."""

    def path(self, places: Sequence[int], /) -> list[int]:
        """List the vertices of the shortest way."""

    def nearest(self, place: Sequence[float], /) -> int:
        """Find the vertex nearest to coordinates."""


def regions(surface: FoldedSurface) -> dict[str, np.ndarray]:
    """Label the vertices of a hemisphere as {atlas: (vertex,)}: 0 without label, 1…N."""
    names = {atlas: np.full(len(surface.medial_wall), "", dtype="U12") for atlas in LABELS}
    early = _early(surface)
    visual, hcp = names["prf-visualrois"], names["HCP_MMP1"]
    for area, (band, dorsal) in early.items():
        hcp[band] = area
        if area == "V4":
            visual[band & ~dorsal] = "hV4"
        else:
            visual[band & dorsal], visual[band & ~dorsal] = f"{area}d", f"{area}v"
    hcp[hcp == "V4"] = np.where(visual[hcp == "V4"] == "hV4", "V4", "")
    for atlas, discs in DISCS.items():
        for label, (centre, radius) in discs.items():
            if label == LEFT_ONLY and surface.side > 0:
                continue
            inside = surface.away_from([surface.nearest(centre)]) < radius
            names[atlas][inside & (names[atlas] == "")] = label
    known = [*(names[atlas] != "" for atlas in names if atlas.startswith(("prf-", "floc-")))]
    wide = _away(surface, np.any(known, axis=0)) < REACH
    general = (_away(surface, ~wide) > EDGE) & ~surface.medial_wall
    names["streams"][general] = _streams(surface, visual)[general]
    labels = {
        atlas: sum(number * (names[atlas] == label) for number, label in enumerate(every, start=1))
        for atlas, every in LABELS.items()
    }
    return {
        "nsdgeneral": general.astype(int),
        **{atlas: np.where(surface.medial_wall, 0, values) for atlas, values in labels.items()},
    }


def _early(surface: FoldedSurface) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """{area: whether vertices are in its band, and on its dorsal side}."""
    sulcus = surface.path([surface.nearest(place) for place in CALCARINE])
    away = surface.away_from(sulcus)
    above, below = (
        surface.away_from([surface.nearest(place) for place in places])
        for places in (DORSAL, VENTRAL)
    )
    behind = surface.millimetres(0.5)[:, 1] < EARLY_END
    found, start = {}, -1.0
    for area, end in BANDS.items():
        found[area] = ((away > start) & (away <= end) & behind, above < below)
        start = end
    return found


def _streams(surface: FoldedSurface, visual: np.ndarray) -> np.ndarray:
    """Name the stream of every vertex: by distance from early areas, and by height."""
    early = np.isin(visual, ["V1v", "V1d", "V2v", "V2d", "V3v", "V3d"])
    away = _away(surface, visual != "")
    place = surface.millimetres(0.5)
    medial, height = np.abs(place[:, 0]) < MEDIAL, place[:, 2]
    sector = np.select(
        [height < np.where(medial, MEDIAL_TOP, VENTRAL_TOP), ~medial & (height < LATERAL_TOP)],
        ["ventral", "lateral"],
        "parietal",
    )
    middle = np.char.add("mid", sector)
    sector = np.where(away < MIDDLE, middle, sector)
    return np.where(early, "early", np.where(visual == "hV4", "midventral", sector))


def _away(surface: FoldedSurface, member: np.ndarray) -> np.ndarray:
    return surface.away_from(np.flatnonzero(member).tolist())
