"""Make a feature space from a network's layers: join shards, and reduce as configured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import h5py
import numpy as np

from features.layers import Layer
from pipeline.errors import InputError, run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.feature_store import layer_array, layer_of
from pipeline.results.provenance import make_provenance, read_provenance
from pipeline.results.references import Rows, refer_to_rows
from pipeline.results.result_file import ResultFile
from pipeline.results.storage import create_result, open_result, positions
from pipeline.results.tables import read_table

if TYPE_CHECKING:
    from features.reduction import Reduction

ROWS_PER_BLOCK = 4096
# properties of the network that all shards must have in common
IDENTITY = ("architecture", "weights_label", "weights_sha256", "preprocessing")


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    space: given.Wildcard
    settings: Annotated[dict[str, Any], given.Setting("space_specification.{space}")]
    images: given.OptionalInput  # of a subject
    split: given.OptionalInput  # of a subject, whose training images decide
    shards: given.InputFiles
    out: given.OutputFile

    @property
    def list_of_images(self) -> Path:
        """File that lists the images of the space: `images` or `split`, one of which is given."""
        (path,) = [path for path in (self.images, self.split) if path is not None]
        return path


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    settings, reduction = arguments.settings, arguments.settings.get("reduction")
    images = read_table(arguments.list_of_images)["nsd_id"].to_numpy()
    with ExitStack() as files:
        shards = [files.enter_context(open_result(path)) for path in arguments.shards]
        _require_one_network(arguments.shards)
        rows = StackedRows.of(shards, Layer(settings["layer"], settings.get("pooling")), arguments)
        try:
            fitted = None if reduction is None else _fit(reduction, rows, arguments)
        except ValueError as error:
            raise InputError(f"feature_spaces.{arguments.space}.reduction: {error}") from None
        rows = rows.of_images(images, arguments)
        with create_result(arguments.out, _provenance(arguments, rows)) as file:
            file.add("image", "image", rows.nsd_id)
            if fitted is None:
                rows.refer(file, arguments)
            blocks = _reduced(file, rows, fitted) if fitted else _blocks(rows)
            _report(arguments.space, rows, _varying(blocks))


def _require_one_network(shards: list[Path]) -> None:
    """Raise if shards are of networks that differ in weights or preprocessing."""
    found = [read_provenance(path)["configuration"] for path in shards]
    for path, network in zip(shards, found, strict=True):
        for key in IDENTITY:
            if network[key] != found[0][key]:
                raise InputError(
                    f"{path}: its network's {key} is {network[key]}, that of {shards[0]} is "
                    f"{found[0][key]}: the checkpoint was replaced between them. Delete both and "
                    "run snakemake again"
                )


def _blocks(rows: StackedRows) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield ranges of images and their features."""
    for start in range(0, len(rows), ROWS_PER_BLOCK):
        here = slice(start, min(start + ROWS_PER_BLOCK, len(rows)))
        yield here, rows[here]


def _reduced(
    file: ResultFile, rows: StackedRows, reduction: Reduction
) -> Iterator[tuple[slice, np.ndarray]]:
    """Write and yield reduced features as `_blocks` does, then write the reduction itself."""
    shape = len(rows), reduction.components.shape[1]
    features = file.add("features", ("image", "feature"), shape=shape, dtype=np.float32)
    for here, block in _blocks(rows):
        features[here] = reduced = reduction.transform(block)
        yield here, reduced
    _store(file, reduction)


def _varying(blocks: Iterator[tuple[slice, np.ndarray]]) -> np.ndarray:
    """Return (feature,) bool, whether a feature differs between images."""
    _, first = next(blocks)
    varies = (first != first[0]).any(axis=0)
    for _, block in blocks:
        varies |= (block != first[0]).any(axis=0)
    return varies


def _fit(settings: dict[str, Any], rows: StackedRows, arguments: Arguments) -> Reduction:
    # here, as importing scikit-learn takes a second, and most spaces are not reduced
    from features.reduction import fit_principal_components, fit_random_projection

    if settings["method"] == "random_projection" or arguments.split is None:
        return fit_random_projection(rows.shape[1], settings["components"], settings["seed"])
    split = read_table(arguments.split)
    training = split.loc[split["set"] == "train", "nsd_id"].to_numpy()
    return fit_principal_components(
        rows.of_images(training, arguments),
        *(settings["components"], settings["whiten"], settings["seed"]),
    )


def _report(space: str, rows: StackedRows, varies: np.ndarray) -> None:
    if not varies.any():
        raise InputError(
            f"feature_spaces.{space}: no feature varies over the images. Choose another layer or "
            "network."
        )
    constant = np.count_nonzero(~varies)
    print(
        f"{space}: {len(rows)} images, {len(varies)} features of {rows.shape[1]}"
        + (f", {constant} of them the same for every image" if constant else "")
    )


def _store(file: ResultFile, reduction: Reduction) -> None:
    """Write the complete reduction, so that it can be applied to new images."""
    file.add("reduction_mean", "unreduced_feature", reduction.mean)
    file.add("reduction_explained_variance", "feature", reduction.explained_variance)
    components = reduction.components
    if isinstance(components, np.ndarray):
        file.add("reduction_components", ("unreduced_feature", "feature"), components)
        return
    # as scipy's `csr_array` takes them
    for part, dimension in (("data", "entry"), ("indices", "entry"), ("indptr", "row_end")):
        file.add(f"reduction_components_{part}", dimension, getattr(components, part))
    file.add("reduction_components_shape", "axis", components.shape)


def _provenance(arguments: Arguments, rows: StackedRows) -> dict[str, Any]:
    settings = arguments.settings
    inputs = {path.stem: path for path in arguments.shards}
    for name in ("images", "split"):
        if path := getattr(arguments, name):
            inputs[name] = path
    extraction = read_provenance(arguments.shards[0])["configuration"]
    weights = {"state": extraction["weights"], "label": extraction["weights_label"]}
    return make_provenance(
        "reduce_features",
        {
            "space": arguments.space,
            **settings,
            "layers": [layer_of(dataset) for dataset in rows.datasets[0]],
            "extraction": extraction,
        },
        inputs,
        seed=(settings.get("reduction") or {}).get("seed"),
        weights={arguments.space: weights},
    )


@dataclass(frozen=True)
class StackedRows:
    """Layers concatenated by columns and shards by rows, as one array that is read lazily.

    Attributes
    ----------
    datasets : for each shard, its layers
    nsd_id : (row,) images
    rows : (row,) indices into the stacked rows
    starts : (shard + 1,) first stacked row of each shard
    """

    datasets: tuple[tuple[h5py.Dataset, ...], ...]
    nsd_id: np.ndarray
    rows: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, shards: list[h5py.File], layer: Layer, arguments: Arguments) -> StackedRows:
        """Stack the layer, or all layers that match its pattern, of shards in their order."""
        nsd_id = np.concatenate([file["image"][()] for file in shards])
        datasets = []
        for file, path in zip(shards, arguments.shards, strict=True):
            # in the network's order
            known = read_provenance(path)["configuration"]["layers"]
            taken = layer.matching(map(Layer.parse, known))
            if not taken:
                raise InputError(
                    f"feature_spaces.{arguments.space}.layer: {path} lacks {layer}; "
                    f"it has {', '.join(known)}"
                )
            datasets.append(tuple(file[layer_array(name)] for name in taken))
        starts = np.cumsum([0, *(len(layers[0]) for layers in datasets)])
        return cls(tuple(datasets), nsd_id, np.arange(len(nsd_id)), starts)

    def of_images(self, nsd_id: np.ndarray, arguments: Arguments) -> StackedRows:
        """Select images."""
        source, requested_by = arguments.shards[0].parent, arguments.list_of_images
        rows = positions(self.nsd_id, nsd_id, source, requested_by)
        return StackedRows(self.datasets, nsd_id, self.rows[rows], self.starts)

    def refer(self, file: ResultFile, arguments: Arguments) -> None:
        """Add `features` to a file as references to these rows in the shards."""
        blocks = []
        shards = zip(arguments.shards, self.datasets, self.starts[:-1], strict=True)
        for path, layers, start in shards:
            (here,) = np.nonzero((self.rows >= start) & (self.rows < start + len(layers[0])))
            column = 0
            for dataset in layers:
                own = self.rows[here] - start
                blocks.append(Rows(path, dataset.name, dataset.shape, own, here, column))
                column += dataset.shape[1]
        names = "image", "feature"
        refer_to_rows(file, arguments.out, "features", names, self.shape, blocks)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and features."""
        return len(self.rows), sum(dataset.shape[1] for dataset in self.datasets[0])

    def __len__(self) -> int:
        return len(self.rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or np.float32, copy=False)

    def __getitem__(self, requested: slice) -> np.ndarray:
        rows = self.rows[requested]
        result = np.empty((len(rows), self.shape[1]), np.float32)
        for layers, start in zip(self.datasets, self.starts[:-1], strict=True):
            (here,) = np.nonzero((rows >= start) & (rows < start + len(layers[0])))
            if not len(here):
                continue
            own, left = rows[here] - start, 0
            first, last = own.min(), own.max() + 1
            for dataset in layers:
                right = left + dataset.shape[1]
                result[here, left:right] = dataset[first:last][own - first]
                left = right
        return result


if __name__ == "__main__":
    run_stage(main)
