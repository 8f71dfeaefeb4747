"""How much figures and pages show; read when the workflow starts, so without heavy imports."""

from __future__ import annotations

# maps of one picture of brains
MOST_ROWS = 5
# components of weights that are drawn, their images on either side, and images of a region
MOST_COMPONENTS, PREFERRED_IMAGES, BEST_IMAGES = 4, 8, 6
# edges of those images, inches
PREFERRED_INCHES, BEST_INCHES = 0.95, 1.1
# of a hemisphere: those of fsaverage5, which begin FreeSurfer's fsaverage and its icosahedron
MOST_VERTICES = 10_242
# of a surface, those that pictures of maps are drawn on
SHAPES = ("inflated", "pial")
