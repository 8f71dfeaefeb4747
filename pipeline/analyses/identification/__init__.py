"""Which test images are identified from the patterns that models, and other brains, predict."""
