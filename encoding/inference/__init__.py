"""Intervals and tests: of voxels by images drawn or flipped, of effects over subjects."""
