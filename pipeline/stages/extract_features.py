"""Extract one feature space for the listed images."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from features.extraction import caption_features, image_features
from features.networks import choose_device, load_network, weights_label
from pipeline.errors import InputError, run_stage
from pipeline.nsd.coco import read_captions
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.stimuli import read_images
from pipeline.storage import create_result, make_provenance, read_table

# on CPU small batches stay in the cache; a GPU wants large ones
BATCH_SIZES = {"cpu": 8, "mps": 32, "cuda": 128}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nsd", required=True, type=Path)
    parser.add_argument("--images", required=True, type=Path)
    parser.add_argument("--space", required=True)
    parser.add_argument("--specification", required=True, type=json.loads)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    layout, specification = NSDLayout(arguments.nsd), arguments.specification
    network = specification["network"]
    nsd_id = read_table(arguments.images)["nsd_id"].to_numpy()
    batch_size = BATCH_SIZES[choose_device().type]
    untrained = [network["name"]] if network["weights"] == "untrained" else []
    provenance = make_provenance(
        "extract_features",
        {**specification, "weights_label": weights_label(network), "batch_size": batch_size},
        {"images": arguments.images},
        seed=network.get("seed"),
        simulated=layout.is_simulated,
        untrained=untrained,
    )
    try:
        with create_result(arguments.out, provenance) as file:
            file["nsd_id"] = nsd_id
            start = 0
            for batch in _batches(layout, nsd_id, specification, batch_size):
                if start == 0:
                    shape = (len(nsd_id), batch.shape[1])
                    file.create_dataset("features", shape, np.float32, chunks=(1, shape[1]))
                file["features"][start : start + len(batch)] = batch
                start += len(batch)
    except ValueError as error:
        raise InputError(f"feature space {arguments.space}: {error}") from error


def _batches(
    layout: NSDLayout, nsd_id: np.ndarray, specification: dict[str, Any], batch_size: int
) -> Iterator[np.ndarray]:
    network = load_network(specification["network"])
    layer, pooling = specification["layer"], specification.get("pooling")
    if network.stimulus == "image":
        images = read_images(layout, nsd_id, batch_size)
        batches = image_features(network, images, layer, pooling)
    else:
        texts = read_captions(layout, nsd_id)
        groups = (texts[i : i + batch_size] for i in range(0, len(texts), batch_size))
        batches = caption_features(network, groups, layer, pooling)
    with tqdm(total=len(nsd_id), desc=network.name, unit="image", mininterval=1) as progress:
        for batch in batches:
            progress.update(len(batch))
            yield batch


if __name__ == "__main__":
    run_stage(main)
