"""Run one network on one shard of the images, and store the requested layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from features.checkpoints import UNTRAINED
from features.extraction import (
    caption_features,
    fitting_batch_size,
    image_features,
    vector_features,
)
from features.layers import Layer
from features.networks import Network, choose_device, load_network
from pipeline.configuration.settings import SHARED
from pipeline.dataset.images import Images as DatasetImages
from pipeline.dataset.images import open_images
from pipeline.dataset.stimulus_readers import TEXTS, VECTORS, read_stimuli, stimulus_hashes
from pipeline.errors import InputError, run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.jobs.code_version import code_version, file_version
from pipeline.results.feature_store import (
    FeatureStore,
    Images,
    add_layer,
    layer_array,
    write_features,
)
from pipeline.results.integrity import file_hash
from pipeline.results.provenance import make_provenance
from pipeline.results.result_file import ResultFile
from pipeline.results.storage import create_result
from pipeline.results.tables import read_table

# small batches fit the cache of a CPU; on a GPU, batches that do not fit are halved
BATCH_SIZES = {"cpu": 8, "mps": 32, "cuda": 256}
TEXTS_PER_IMAGE = 8
VECTORS_PER_BATCH = 256
# keys of a network's settings and identity that do not affect features
WITHOUT_EFFECT = {"name", "batch_size", "layers", "weights", "checkpoint_sha256", "facts"}
# texts are identified by what each image has
WITHOUT_EFFECT |= {"texts", "texts_sha256"}
LABELS = {"weights_label", "checkpoint"}
# code that determines features
EXTRACTION = ("features.extraction", "features.networks", "pipeline.dataset.stimulus_readers")


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    images: given.InputFile
    part: given.Wildcard
    network: Annotated[dict[str, Any], given.Setting("network_specification.{network}")]
    # such as "fc7", "block_*:cls"
    layers: Annotated[list[str], given.Setting("network_layers.{network}")]
    shard: given.Wildcard  # e.g. 1of4
    weights: given.PathParameter  # folder of downloaded weights
    store: given.PathParameter  # folder that studies share
    study: Annotated[str, given.Setting("study")]
    out: given.OutputFile
    threads: given.Threads = 1


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    torch.set_num_threads(arguments.threads)
    dataset, settings = open_images(arguments.nsd), arguments.network
    try:
        network = load_network(settings, choose_device().type, arguments.weights)
        nsd_id = _images(arguments, dataset, network)
        images = Images(
            nsd_id, stimulus_hashes(dataset, nsd_id, settings["stimulus"], _texts(settings))
        )
        names = [str(layer) for layer in network.expand(map(Layer.parse, arguments.layers))]
        identity = network.identity()
        store = FeatureStore(arguments.store, _store_identity(settings, identity, dataset))
        missing = store.missing(images, names)
        if not missing:
            print(f"{settings['name']}: {len(images)} images were extracted before")
        for lacking, layers in missing:
            _add(store, network, settings, dataset, lacking, layers, arguments.study)
    except ValueError as error:
        raise InputError(f"networks.{settings['name']}: {error}") from error
    parts = {path.stem: path for path in store.sources(images, names)}
    provenance = make_provenance(
        "extract_features",
        {"network": settings, "layers": names, **identity},
        {"images": arguments.images, **parts},
        seed=settings.get("seed"),
        untrained=[settings["name"]] if identity["weights"] == UNTRAINED else [],
    )
    with create_result(arguments.out, provenance) as file:
        file.add("image", "image", nsd_id)
        store.refer(file, arguments.out, images, names)


def _images(arguments: Arguments, dataset: DatasetImages, network: Network) -> np.ndarray:
    """List the images of a shard, of the shared images or of those that only a subject saw.

    Features that were given may lack shared images that no subject of the study saw.
    """
    images = read_table(arguments.images)
    chosen = images.loc[images["shared"] == (arguments.part == SHARED), "nsd_id"].to_numpy()
    if network.known_stimuli is not None:
        ids = dataset.ids(arguments.network["stimulus"])[chosen]
        chosen = chosen[np.isin(ids, network.known_stimuli)]
    number, n_shards = map(int, arguments.shard.split("of"))
    return np.array_split(chosen, n_shards)[number - 1]


def _store_identity(
    settings: dict[str, Any], identity: dict[str, Any], dataset: DatasetImages
) -> dict[str, Any]:
    """Return everything besides image and layer that determines features, as key of the store.

    Names, batch sizes and paths have no effect; weights are identified by their content.
    """
    loaded = {key: value for key, value in identity.items() if key not in LABELS}
    checkpoint = identity["checkpoint"] or {}
    return {
        **{f"asked_{key}": value for key, value in settings.items() if key not in WITHOUT_EFFECT},
        **loaded,
        "checkpoint": {key: checkpoint.get(key) for key in ("tag", "sha256")},
        "simulated": dataset.simulated,
        "code": [file_version(Path(__file__)), *(code_version(name) for name in EXTRACTION)],
    }


def _add(
    store: FeatureStore,
    network: Network,
    settings: dict[str, Any],
    dataset: DatasetImages,
    images: Images,
    names: list[str],
    study: str,
) -> None:
    """Run the network on images, and add the features of its layers to the store."""
    layers = [Layer.parse(name) for name in names]
    batch_size = _batch_size(network, settings, layers, dataset)
    configuration = {
        **network.identity(),
        "batch_size": batch_size,
        "device": network.device.type,
        "layers": names,
    }
    provenance = make_provenance("extract_features", configuration, {}, simulated=dataset.simulated)
    with store.add(study, images, names, provenance) as file:
        batches = _features(network, dataset, images.nsd_id, settings, layers, batch_size)
        description = f"{settings['name']}, {len(images)} images"
        with tqdm(desc=description, total=len(images), unit="image", mininterval=1) as progress:
            _write(file, batches, len(images), progress)


def _batch_size(
    network: Network, settings: dict[str, Any], layers: list[Layer], dataset: DatasetImages
) -> int:
    """Return the batch size: as configured, or as large as fits the memory of the device."""
    vectors, usual = settings["stimulus"] in VECTORS, BATCH_SIZES[network.device.type]
    requested = settings.get("batch_size") or (VECTORS_PER_BATCH if vectors else usual)
    if network.device.type == "cpu" or settings["stimulus"] != "image":
        return requested
    image = Image.fromarray(np.zeros((*dataset.size, 3), dtype=np.uint8))
    return fitting_batch_size(network, image, layers, requested)


def _features(
    network: Network,
    dataset: DatasetImages,
    nsd_id: np.ndarray,
    settings: dict[str, Any],
    layers: list[Layer],
    batch_size: int,
) -> Iterator[dict[Layer, np.ndarray]]:
    kind = settings["stimulus"]
    if kind in TEXTS:
        number = batch_size * TEXTS_PER_IMAGE
        texts = read_stimuli(dataset, nsd_id, kind, number, _texts(settings))
        return caption_features(network, texts, layers, number)
    stimuli = read_stimuli(dataset, nsd_id, kind, batch_size)
    if kind in VECTORS:
        return vector_features(network, stimuli, layers)
    # on a CPU the network itself uses the threads
    preparing = 1 if network.device.type == "cpu" else torch.get_num_threads()
    return image_features(network, stimuli, layers, preparing)


def _texts(settings: dict[str, Any]) -> Path | None:
    """Return the user's table of texts, if the network reads one.

    Raises
    ------
    ValueError
        The table is not the one that this run began with.
    """
    if "texts" not in settings:
        return None
    path = Path(settings["texts"])
    if path.is_file() and file_hash(path) != settings.get("texts_sha256"):
        raise ValueError(f"{path} was replaced since this run began. Run snakemake again")
    return path


def _write(
    file: ResultFile, batches: Iterator[dict[Layer, np.ndarray]], n_images: int, progress: tqdm
) -> None:
    start = 0
    for batch in batches:
        for layer, features in batch.items():
            if start == 0:
                add_layer(file, layer, n_images, features)
            write_features(file[layer_array(layer)], start, features)
        start += len(features)
        progress.update(len(features))


if __name__ == "__main__":
    run_stage(main)
