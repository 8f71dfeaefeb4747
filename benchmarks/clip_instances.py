"""Measure the time to clip as many polygons as NSD's images have in COCO.

    python -m benchmarks.clip_instances [--instances 550000]

Outlines of 30 points on a picture of which the crop leaves three quarters. Prints seconds and
instances per second.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from pipeline.nsd.clipping import clip_polygons

POINTS = 30
PICTURE = np.array([640, 480])
CROP = (80.0, 0.0, 560.0, 480.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=550_000)
    n_instances = parser.parse_args().instances
    outlines = random_outlines(n_instances)
    start = time.perf_counter()
    clipped = clip_polygons(outlines, [CROP] * n_instances)
    seconds = time.perf_counter() - start
    whole = np.isclose(clipped[:, 0], clipped[:, 1]).mean()
    print(
        f"{n_instances} instances in {seconds:.1f} s ({n_instances / seconds:.0f} per second); "
        f"{whole:.0%} wholly visible, {(clipped[:, 1] == 0).mean():.0%} hidden"
    )


def random_outlines(n_instances: int) -> list[list[list[float]]]:
    generator = np.random.default_rng(0)
    angle = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    centre = generator.uniform(0, 1, (n_instances, 1, 2)) * PICTURE
    size = generator.uniform(5, 120, (n_instances, 1, 1))
    radius = size * generator.uniform(0.7, 1.3, (n_instances, POINTS, 1))
    outlines = np.clip(centre + radius * circle, 0, PICTURE)
    return outlines.reshape(n_instances, 1, -1).tolist()


if __name__ == "__main__":
    main()
