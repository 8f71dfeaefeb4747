"""Code that fits and tests share: inputs, voxel parts, families of tests."""
