"""Programs that the jobs of the workflow run, except those of optional analyses."""
