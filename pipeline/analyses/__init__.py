"""Optional analyses, each in a folder of its own (see `pipeline.analyses.analysis`)."""
