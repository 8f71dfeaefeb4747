"""Settings with the hashes of masks and tables that users give as files.

What is made from such a file is made again if its content changes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.configuration.study import Configuration
from pipeline.dataset.split_table import is_table
from pipeline.results.integrity import file_hash


def responses_to_read(study: Configuration, subject: str) -> dict[str, Any]:
    """Section `responses`, with the hashes of the files of the subject's mask.

    A missing file has no hash; the check of inputs reports that it is missing.
    """
    if study.responses is None:
        return {"space": study.space}
    settings = study.responses.model_dump(mode="json")
    if (file := study.responses.mask.file) is not None:
        of_subject = file.replace("{subject}", subject)
        # one path for volumes
        paths = {of_subject.replace("{hemisphere}", side): None for side in ("lh", "rh")}
        settings["mask"]["sha256"] = [file_hash(path) for path in paths if Path(path).is_file()]
    return settings


def split_to_make(study: Configuration, variant: str) -> dict[str, Any]:
    """Section `splits` of a variant, with the hash of a table of the user's."""
    settings = study.split_of(variant).model_dump(mode="json")
    # the only split that depends on how often an image was seen
    of_sessions = study.responses is not None and settings["test"] == "shared515"
    settings["sessions"] = study.of_nsd.sessions if of_sessions else None
    if (path := Path(settings["test"])).is_file():
        settings["sha256"] = file_hash(path)
    return settings


def split_tables(study: Configuration) -> list[dict[str, Any]]:
    """List the splits that are tables of the user's, each once."""
    splits = [split_to_make(study, variant) for variant in study.assessed_variants]
    return list({one["test"]: one for one in splits if is_table(one["test"])}.values())
