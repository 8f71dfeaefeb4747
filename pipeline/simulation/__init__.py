"""A simulated NSD with known truth, in NSD's own files and formats."""
