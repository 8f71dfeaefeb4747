"""What differs between the feature spaces of a comparison beside what it is meant to compare."""
