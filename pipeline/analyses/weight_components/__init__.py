"""Principal components and groups of voxels by their weights, and the images that these prefer."""
