"""What differs between the feature spaces of a contrast beside what it is meant to compare."""
