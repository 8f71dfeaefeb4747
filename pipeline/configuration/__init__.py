"""What the user declares, checked whole before anything runs.

Each `config/*.yaml` is complete in itself. The pydantic models of this package, and those of the
optional analyses, are the schema: an unknown key, a wrong type or a name that nothing declares ends
in one message that names the key.
"""
