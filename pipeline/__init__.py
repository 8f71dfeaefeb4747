"""The workflow: files, datasets, stages and their rules around `features` and `encoding`."""
