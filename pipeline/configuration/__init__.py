"""What the user declares, checked whole before anything runs.

Each `config/*.yaml` is complete in itself. The pydantic models of this package are the schema: an
unknown key, a wrong type or a name that nothing declares ends in one message that names the key.
"""

from pipeline.configuration.features import (
    NetworkSettings,
    PrincipalComponents,
    RandomProjection,
)
from pipeline.configuration.fits import AlphaGrid
from pipeline.configuration.reading import parse_configuration, read_configuration
from pipeline.configuration.study import Configuration

__all__ = [
    "AlphaGrid",
    "Configuration",
    "NetworkSettings",
    "PrincipalComponents",
    "RandomProjection",
    "parse_configuration",
    "read_configuration",
]
