"""Downloads of the files that a study needs."""
