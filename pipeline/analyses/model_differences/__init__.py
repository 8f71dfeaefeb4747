"""R² of one model less that of another, tested voxel by voxel."""
