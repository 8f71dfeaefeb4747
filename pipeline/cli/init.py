"""A new configuration: a few questions, or options in their place, and a commented file."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from features.feature_files import FeatureFile, FeatureFileError
from pipeline.cli.commented_settings import commented
from pipeline.cli.names import PROGRAM, command_on
from pipeline.configuration.catalogue import read_catalogue
from pipeline.configuration.names import declared
from pipeline.configuration.reading import parse_configuration
from pipeline.configuration.settings import NSD_SUBJECTS
from pipeline.configuration.settings_files import read_settings
from pipeline.configuration.study import Configuration
from pipeline.errors import InputError
from pipeline.jobs.code_version import ROOT
from pipeline.nsd.fetch.plan import bytes_to_come
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.manifest import (
    Manifest,
    read_manifest,
    required_checkpoints,
    required_files,
    required_weights,
)

Answer = TypeVar("Answer")
# the study that new ones are made of
FIRST = ROOT / "config/nsd_first.yaml"
DEFAULT_FILE = Path("my_study.yaml")
ALL_SUBJECTS = [f"subj{number:02d}" for number in range(1, 9)]
NUMBERINGS = ("nsd_id", "73KID", "coco_id")


@dataclass(frozen=True)
class Options:
    """Answers that the command line gives; None is asked, or takes its default."""

    file: Path | None = None
    nsd: str | None = None
    subjects: list[str] | None = None
    mask: str | None = None
    models: list[str] | None = None
    features: str | None = None
    ids: str | None = None
    image_ids: str | None = None


def init(options: Options) -> None:
    """Write a configuration for the data and models that are asked for, and what to do next.

    Raises
    ------
    InputError
        An answer is wrong, or the file exists.
    """
    manifest = read_manifest(ROOT / "data_manifest.yaml")
    file = _answer(options.file, "File to write", str(DEFAULT_FILE), _new_file)
    values = {**_values(options, manifest), "study": file.stem}
    study = parse_configuration(values, str(file))
    comments = {"models": list(_of_models(study, manifest))}
    text = "\n".join([*_head(file), *commented(values, Configuration, comments)])
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "x", encoding="utf-8") as opened:
            opened.write(f"{text}\n")
    except OSError as error:
        raise InputError(
            f"{file}: cannot be written ({error.strerror}: {error.filename}). Name "
            "a file elsewhere."
        ) from error
    print("\n".join(_next_steps(file, study, manifest)))


def _values(options: Options, manifest: Manifest) -> dict[str, Any]:
    """Ask for what differs from the first study, and return the content of a configuration."""
    first = read_settings(FIRST)
    nsd = _answer(options.nsd, "Folder of NSD, or where it will be downloaded", first["nsd"], _nsd)
    subjects = _answer(
        options.subjects, "Subjects (1 to 8, or all)", " ".join(first["subjects"]), _subjects
    )
    mask = _answer(
        options.mask,
        "Voxels: nsdgeneral (visual cortex, hours) or cortex (all of it, days)",
        first["responses"]["mask"],
        _mask,
    )
    if options.models is None and _is_asked():
        _show_models(manifest)
    models = _answer(options.models, "Models, of this list", " ".join(first["models"]), _models)
    own = _own_features(options)
    return {
        **first,
        "nsd": nsd,
        "subjects": subjects,
        "responses": {**first["responses"], "mask": mask},
        **(own.declared() if own else {}),
        "models": [*models, *([own.name] if own else [])],
        "comparisons": _comparisons(models, own.name if own else None),
    }


# ---- questions


def _is_asked() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _answer(given: Any, question: str, default: str, read: Callable[[str], Answer]) -> Answer:
    """Return what an option says, or else ask until an answer can be read.

    Without a terminal the answer is the default.
    """
    if given is not None:
        return read(" ".join(given) if isinstance(given, list) else str(given))
    while _is_asked():
        try:
            said = input(f"{question} [{default}]: ").strip()
            return read(said or default)
        except EOFError:
            raise InputError("no answer; nothing was written. Type the command again.") from None
        except InputError as error:
            print(f"  {error}")
    return read(default)


def _new_file(text: str) -> Path:
    file = Path(text)
    if file.suffix not in (".yaml", ".yml"):
        raise InputError(f"{file}: a configuration ends with .yaml; name one, such as my.yaml")
    if file.exists():
        raise InputError(f"{file}: exists, and is not overwritten. Name another file.")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", file.stem) or file.stem == "features":
        raise InputError(
            f"{file}: its name becomes that of the study and of its folder in results/. Use "
            "letters, digits, - and _, and not `features`."
        )
    return file


def _nsd(text: str) -> str:
    return text if text.startswith("s3://") else str(Path(text).expanduser())


def _subjects(text: str) -> list[str]:
    if text == "all":
        return ALL_SUBJECTS
    words = text.replace(",", " ").split()
    names = [f"subj{int(word):02d}" if word.isdecimal() else word for word in words]
    for name in names:
        if not re.fullmatch(NSD_SUBJECTS, name):
            raise InputError(f"subjects: NSD has no {name}; write numbers from 1 to 8, or all")
    return list(dict.fromkeys(names))


def _mask(text: str) -> str:
    if text not in ("nsdgeneral", "cortex"):
        raise InputError(f"mask: {text} is neither `nsdgeneral` nor `cortex`; write one of them")
    return text


def _models(text: str) -> list[str]:
    names = list(dict.fromkeys(text.replace(",", " ").split()))
    spaces = read_catalogue()["feature_spaces"]
    try:
        # `clip_rn50_pca64` is 64 components of clip_rn50
        declared("models", (re.sub(r"_pca\d+$", "", name) for name in names), spaces)
    except ValueError as error:
        raise InputError(f"{error}") from None
    return names


# ---- models of the catalogue


def _show_models(manifest: Manifest) -> None:
    """Print the networks of the catalogue with their training and where weights come from."""
    catalogue = read_catalogue()
    names = [name for name in catalogue["feature_spaces"] if name in catalogue["networks"]]
    weights = _weights(names, manifest)
    table = Table("model", "architecture", "trained for", "on", "weights", box=None)
    for name in names:
        facts = catalogue["networks"][name]["facts"]
        about = (facts[key] for key in ("family", "objective", "training_data"))
        table.add_row(name, *about, weights[name])
    Console(width=150).print(table)


def _weights(names: list[str], manifest: Manifest) -> dict[str, str]:
    """Return where each network's weights come from, by the manifest."""
    values = {**read_settings(FIRST), "models": names, "comparisons": {}}
    return weights_in_words(parse_configuration(values), manifest)


def weights_in_words(study: Configuration, manifest: Manifest) -> dict[str, str]:
    """Return {network: where its weights come from, or that it needs none} of a study."""
    entries = {**required_weights(manifest, study), **required_checkpoints(manifest, study)}
    described = dict.fromkeys(study.used_networks, "none needed")
    for name, entry in entries.items():
        if entry is None:
            described[name] = "downloaded by its library"
        elif entry.path and Path(entry.path).exists():
            described[name] = f"there ({entry.path})"
        else:
            described[name] = f"{entry.bytes / 1e6:,.0f} MB, {entry.library}"
    return described


def _of_models(study: Configuration, manifest: Manifest) -> Iterator[str]:
    """Yield a comment on each model of a study."""
    networks, described = read_catalogue()["networks"], weights_in_words(study, manifest)
    for name in study.models:
        network = study.feature_spaces[name].network
        if network in networks:
            facts = networks[network]["facts"]
            weights = f"weights: {described[network]}"
            yield f"{name}: {facts['family']}, {facts['objective']}; {weights}"
        else:
            yield f"{name}: your own features"


# ---- own features


@dataclass(frozen=True)
class OwnFeatures:
    """Features of the user's, in a file."""

    name: str
    path: str
    layer: str
    ids: str
    image_ids: str | None

    def declared(self) -> dict[str, Any]:
        """Return the sections of a configuration that declare them."""
        network = {"library": "file", "path": self.path, "ids": self.ids}
        if self.image_ids:
            network["image_ids"] = self.image_ids
        space = {"network": self.name, "layer": self.layer}
        return {"networks": {self.name: network}, "feature_spaces": {self.name: space}}


def _own_features(options: Options) -> OwnFeatures | None:
    """Ask for features of the user's own."""
    path = _answer(
        options.features, "Features of your own: .npz, .npy, .h5, .parquet or .csv", "none", _file
    )
    if path is None:
        return None
    ids = _answer(
        options.ids,
        "How it numbers images: nsd_id (from 0), 73KID (from 1) or coco_id",
        NUMBERINGS[0],
        _numbering,
    )
    image_ids = options.image_ids
    if path.suffix == ".npy" and image_ids is None:
        image_ids = _answer(None, ".npy file with the images' numbers", "", _ids_file)
    try:
        file = FeatureFile(path, image_ids or ids)
        arrays, _ = list(file.arrays), file.ids
    except FeatureFileError as error:
        raise InputError(f"{error}. docs/own_features.md describes the formats.") from None
    if len(arrays) != 1:
        raise InputError(
            f"{path}: has {len(arrays)} arrays ({', '.join(arrays)}). Write one matrix (image, "
            "feature), or declare them in the configuration (docs/own_features.md)."
        )
    name = re.sub(r"\W", "_", path.stem)
    if not name[0].isalpha() or name in read_catalogue()["feature_spaces"]:
        name = f"own_{name}"
    return OwnFeatures(name, str(path), arrays[0], ids, image_ids)


def _file(text: str) -> Path | None:
    if text == "none":
        return None
    path = Path(text).expanduser()
    if not path.is_file():
        raise InputError(f"{path}: not found. Name the file of your features, or none.")
    return path


def _ids_file(text: str) -> str:
    if not text:
        raise InputError(
            "an .npy file holds no numbers of images; name the file that does (--image-ids)"
        )
    return text


def _numbering(text: str) -> str:
    if text not in NUMBERINGS:
        raise InputError(f"ids: {text} is none of {', '.join(NUMBERINGS)}; write one of them")
    return text


def _comparisons(models: list[str], own: str | None) -> dict[str, list[str] | None]:
    """Choose comparisons: those of the catalogue of these models, and own features with each.

    Where there is neither, the first two models are compared.
    """
    known = read_catalogue()["comparisons"]
    found: dict[str, list[str] | None] = {
        name: None for name, spaces in known.items() if set(spaces) <= set(models)
    }
    if own is not None:
        found |= {f"{own}_vs_{name}": [own, name] for name in models}
    if not found and len(models) > 1:
        found = {"_vs_".join(models[:2]): models[:2]}
    return found


# ---- the file, and what comes next


def _head(file: Path) -> Iterator[str]:
    schema = os.path.relpath(ROOT / "config/schema.json", file.parent)
    yield f"# yaml-language-server: $schema={schema}"
    yield f"# A study of the Natural Scenes Dataset, begun with `{PROGRAM} init {file.name}`."
    yield "# docs/real_data.md explains the choices, the page Configuration of the site all keys."
    yield ""


def _next_steps(file: Path, study: Configuration, manifest: Manifest) -> Iterator[str]:
    yield f"{file}: written. Look it over; then type, one after the other:"
    steps = {
        "preflight": "is all there? how much memory, disk and time will it take?",
        "run": "the study; the same command continues it after a stop",
        "status": "how far it is, from another terminal",
        "open": "the report",
    }
    # files of a bucket are copied when the study starts
    if not study.nsd_bucket and not NSDLayout(study.nsd).experiment_design.exists():
        size = bytes_to_come(required_files(manifest, study), study.nsd, manifest) / 1e9
        steps = {"fetch": f"downloads about {size:.0f} GB", **steps}
        terms = next(iter(manifest.sources.values())).terms_url
        yield f"  (first read NSD's terms at {terms}, and set `nsd_terms_accepted: true`)"
    commands = {command_on(name, file): meaning for name, meaning in steps.items()}
    width = max(map(len, commands))
    for command, meaning in commands.items():
        yield f"  {command:{width}}   # {meaning}"
