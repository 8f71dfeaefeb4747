"""Unique and shared variance as shares of the noise ceiling, per voxel and region."""
