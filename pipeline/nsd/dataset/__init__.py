"""NSD as `pipeline.dataset` describes a dataset."""
