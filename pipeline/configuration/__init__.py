"""The configuration of a study, checked completely before anything runs.

Each `config/*.yaml` is complete in itself. The pydantic models of this package, and those of the
optional analyses, are the schema: an unknown key, a wrong type or an undeclared name is reported in
one message that names the key.
"""
