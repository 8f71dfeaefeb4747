"""Banded ridge for every voxel: `solver.py` describes the mathematics and calls the rest.

To read in this order: the problem (`problem.py`, `candidates.py`), the features' components
(`design.py`), their decompositions (`decomposition.py`, `decompose.py`, `fold_deletion.py`), those
of all candidates (`grid.py`), responses of some voxels (`responses.py`, `block.py`), errors of
held-out images (`validation_loss.py`, `generalised_cross_validation.py`), the search (`search.py`,
`windowed.py`, `block_search.py`, within what `memory.py` plans) and the final model (`refit.py`).
Built on these: `weights.py`, `stacking.py`, `estimator.py`. `himalaya_solver.py` is another solver,
`backend.py` numpy and torch alike.
"""
