"""Features of images and texts from networks, and their reduction."""
