"""What fits and tests have in common: their inputs, parts of voxels, families of tests."""
