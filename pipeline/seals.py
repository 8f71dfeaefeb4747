"""Seals: a file that was altered, cut short, moved or mixed with others is refused when it is read.

What a file's content must hash to is written with it: at the end of files whose format ends before
(HDF5, HTML, SVG, PNG, PDF), in the JSON itself, and for all others (tables, maps) in the JSON
beside them. With it stands the number of the format: results of another are refused by it. HDF5
and JSON also say where they belong, and what they were made of: if that is still there, it must be
the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, OtherReleaseError

HASH_BLOCK = 1 << 20
RESULTS = "results"
# of all results: another whenever names, shapes or meanings in them change. Before there were
# numbers it was 0.
FORMAT = 1
# what reads these formats stops before it; a comment in HTML and SVG
BEFORE, AFTER = f"\n<!-- format:{FORMAT} sha256:".encode(), b" -->\n"
DIGITS = 64
OF_ANY_FORMAT = re.compile(rb"\n<!-- (?:format:(\d+) )?sha256:[0-9a-f]{%d} -->\n\Z" % DIGITS)
LENGTH = len(BEFORE) + DIGITS + len(AFTER)
ENDS_WITH_SEAL = frozenset({".h5", ".html", ".svg", ".png", ".pdf"})
NO_DIGEST = "0" * DIGITS
ALTERED = "It was altered, or damaged on disk; delete it and run snakemake again"


# ---- hashes


def file_hash(path: Path | str) -> str:
    """SHA-256 of a file's content, read in blocks, once for as long as it is not changed."""
    return _hashes(Path(path))[1]


def content_hash(path: Path | str) -> str:
    """What others record of a file they are made of: of HDF5 results what their seal says."""
    path = Path(path)
    if path.suffix != ".h5":
        return file_hash(path)
    verify_end(path)
    return _hashes(path)[0]


def _hashes(path: Path) -> tuple[str, str]:
    state = path.stat()
    return _read_hashes(path, state.st_size, state.st_mtime_ns, state.st_ino)


@lru_cache(maxsize=4096)
def _read_hashes(path: Path, size: int, *state: int) -> tuple[str, str]:
    """SHA-256 of all but what a seal takes, and of all; `state` tells an altered file apart."""
    digest, left = hashlib.sha256(), max(size - LENGTH, 0)
    with open(path, "rb") as file:
        while left and (block := file.read(min(HASH_BLOCK, left))):
            digest.update(block)
            left -= len(block)
        before = digest.hexdigest()
        digest.update(file.read())
    return before, digest.hexdigest()


# ---- seals at the end


def seal_end(path: Path) -> None:
    """Append the hash of a file's content to it."""
    digest = file_hash(path)
    with open(path, "ab") as file:
        file.write(BEFORE + digest.encode() + AFTER)


def verify_end(path: Path) -> None:
    """Raise if a file does not end with the hash of what comes before.

    Raises
    ------
    InputError
        Truncated, altered, or not written by this pipeline.
    """
    told = _told_at_end(require_there(path))
    if told is None:
        raise InputError(
            f"{path}: not a whole result of this pipeline: it does not end with its seal. It was "
            "cut short or altered, or a release without seals or another program made it; "
            "delete it and run snakemake again."
        )
    if told != _hashes(path)[0]:
        raise InputError(f"{path}: its content is not what its seal says. {ALTERED}.")


def verify_format(path: Path, told: int) -> None:
    """Raise if a result is of another format than this release reads.

    Raises
    ------
    OtherReleaseError
    """
    if told != FORMAT:
        raise OtherReleaseError(
            f"{path}: made by {'an earlier' if told < FORMAT else 'a later'} release, in format "
            f"{told} of results, of which this one reads {FORMAT}; read the study with the release "
            "that made it, or delete this file and run snakemake again, which makes it anew."
        )


def _told_at_end(path: Path) -> str | None:
    with open(path, "rb") as file:
        # one of another format may be longer
        file.seek(max(path.stat().st_size - 2 * LENGTH, 0))
        end = file.read()
    if seal := OF_ANY_FORMAT.search(end):
        verify_format(path, int(seal[1] or 0))
    end = end[-LENGTH:]
    if len(end) != LENGTH or not end.startswith(BEFORE) or not end.endswith(AFTER):
        return None
    return end[len(BEFORE) : -len(AFTER)].decode("ascii", "replace")


# ---- accounts in JSON, which also vouch for files beside them


def sealed_text(
    path: Path,
    account: Mapping[str, Any],
    files: Iterable[Path] = (),
    made: Mapping[str, Any] | None = None,
) -> str:
    """JSON of an account, with its own hash, those of the files it describes, and who made it."""
    hashes = {file.name: file_hash(file) for file in files}
    seal = {"file": label(path), "files": hashes, "format": FORMAT, "sha256": NO_DIGEST}
    seal["made"] = made or {}
    text = json.dumps({**account, "seal": seal}, indent=2, sort_keys=True) + "\n"
    return text.replace(NO_DIGEST, hashlib.sha256(text.encode()).hexdigest())


def read_account(path: Path | str) -> dict[str, Any]:
    """An account as it was given to be sealed.

    Raises
    ------
    InputError
        Missing, altered, or of another place or run.
    """
    return {key: value for key, value in _read_sealed(Path(path)).items() if key != "seal"}


def read_made(path: Path) -> dict[str, Any] | None:
    """What an account says of the stage that made it, in its provenance or in its seal."""
    account = _read_sealed(path)
    return provenance_of(account) or account["seal"].get("made") or None


def provenance_of(account: Mapping[str, Any]) -> dict[str, Any]:
    """The provenance in an account; empty if it has none. BIDS's keys are capitalised."""
    return account.get("provenance") or account.get("Provenance") or {}


def _read_sealed(path: Path) -> dict[str, Any]:
    content = require_there(path).read_bytes()
    try:
        account = json.loads(content)
        seal = account["seal"]
        told, place = seal["sha256"].encode(), seal["file"]
        named, number = dict(seal["files"]), int(seal.get("format", 0))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: not JSON that this pipeline sealed ({type(error).__name__}: {error}). "
            f"{ALTERED}."
        ) from None
    unsealed = content.replace(told, NO_DIGEST.encode()) if len(told) == DIGITS else b""
    if hashlib.sha256(unsealed).hexdigest().encode() != told:
        raise InputError(f"{path}: its content is not what its seal says. {ALTERED}.")
    verify_format(path, number)
    verify_place(path, place)
    verify_inputs(path, provenance_of(account).get("inputs", {}))
    return {**account, "seal": {**seal, "files": named}}


def account_path(path: Path) -> Path:
    """The JSON that vouches for a table or a map.

    A folder of Parquet is one table to pandas and R, which pass over names with an underscore.
    """
    before = "_" if path.suffix == ".parquet" else ""
    return path.with_name(before + path.name.split(".")[0] + ".json")


def verify_beside(path: Path) -> dict[str, Any]:
    """The account of a table or a map, if that is what it describes.

    Raises
    ------
    InputError
        One of them is missing or altered, or they are of different places or runs.
    """
    require_there(path)
    account = account_path(path)
    if not account.exists():
        raise InputError(
            f"{path}: {account.name}, which tells what it must contain, is not beside it. Delete "
            "the file and run snakemake again."
        )
    content = _read_sealed(account)
    if content["seal"]["files"].get(path.name) != file_hash(path):
        raise InputError(
            f"{path}: its content is not what {account.name} says. It was altered or edited by "
            "hand, or is of another run; delete it and run snakemake again (what it should "
            "contain is said in the configuration)."
        )
    return content


def require_there(path: Path) -> Path:
    """The path, if there is such a file."""
    if not path.is_file():
        raise InputError(f"{path}: not found. Run the stage that makes it: snakemake {path}")
    return path


# ---- where a file belongs, and what it was made of


def label(path: Path | str) -> str:
    """A file's place below the folder of all results; its name if it lies elsewhere."""
    parts = Path(path).parts
    if RESULTS not in parts:
        return parts[-1]
    return "/".join(parts[len(parts) - parts[::-1].index(RESULTS) :])


def verify_place(path: Path, told: str) -> None:
    """Raise if a result was made as another file than it lies as, whatever the study's name."""
    made, here = (place.split("/")[1:] for place in (str(told), label(path)))
    if made and here and made != here:
        raise InputError(
            f"{path}: was made as {told}. It was copied over the file that belongs there; "
            "delete it and run snakemake again."
        )


def verify_inputs(path: Path, inputs: Mapping[str, Mapping[str, str]]) -> None:
    """Raise if something that a result was made of is there, but another now.

    Parameters
    ----------
    inputs : as `make_provenance` records them
    """
    parts = path.absolute().parts
    if RESULTS not in parts:
        return
    root = Path(*parts[: len(parts) - parts[::-1].index(RESULTS)])
    for recorded in inputs.values():
        source = root / recorded["file"]
        # one without a folder is not a result
        if "/" in recorded["file"] and source.is_file() and _told(source) != recorded["sha256"]:
            raise InputError(
                f"{path}: was made from another {source} than the one that is there. They come "
                "from different runs, or one was altered; delete the older one and run snakemake "
                "again."
            )


def _told(path: Path) -> str | None:
    """The hash of a file's content; of a large one what its seal says, without reading it."""
    return _told_at_end(path) if path.suffix == ".h5" else file_hash(path)
