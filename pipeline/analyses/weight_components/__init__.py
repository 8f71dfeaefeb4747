"""Principal components of encoding weights, groups of voxels, and the images they prefer."""
