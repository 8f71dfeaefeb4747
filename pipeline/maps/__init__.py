"""Maps of voxelwise quantities: which there are, in which spaces, and their files."""
