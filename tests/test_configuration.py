"""A wrong configuration ends in one message that names the key, before anything runs."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import yaml
from conftest import ROOT, TINY

from pipeline.configuration.catalogue import read_catalogue
from pipeline.configuration.checkpoints import features_to_expect, network_to_load
from pipeline.configuration.reading import (
    parse_configuration,
    read_configuration,
    read_settings,
)
from pipeline.errors import InputError


def put(path, value):
    """A change that sets the key at a dotted path."""

    def change(values):
        *parents, last = path.split(".")
        for key in parents:
            values = values[key]
        values[last] = value

    return change


def remove(key):
    return lambda values: values.pop(key)


def test_the_first_sessions_may_be_a_range(tiny_values):
    tiny_values["responses"]["sessions"] = "1-2"
    assert parse_configuration(tiny_values).responses.sessions == 2


BAD = {
    "unknown key": (put("subject", ["subj01"]), "subject: unknown key"),
    "permutations, which are no longer drawn": (
        put("significance", {"permutations": 1000}),
        "significance.permutations: remove it; permutations are no longer drawn",
    ),
    "longest time of a fit, which no longer decides the number of chunks": (
        put("scatter", {"voxel_chunks": "auto", "longest_hours": 3}),
        "scatter.longest_hours: remove it, and set `voxel_chunks` to a number",
    ),
    "chunks that are no whole number": (
        put("scatter", {"voxel_chunks": 1.5}),
        "scatter.voxel_chunks: Input should be a valid integer",
    ),
    "more chunks than allowed": (
        put("scatter", {"voxel_chunks": 1001}),
        "scatter.voxel_chunks: Input should be less than or equal to 1000",
    ),
    "a name with a space": (put("study", "my study"), "study: use letters, digits, _ and - only"),
    "sessions that are not the first ones": (
        put("responses.sessions", "3-5"),
        "responses.sessions: 3-5 is no range from the first session on",
    ),
    "missing key": (remove("splits"), "splits: this key is missing"),
    "unknown subject": (put("subjects", ["subj09"]), "subjects: NSD has no subj09"),
    "subject listed twice": (
        put("subjects", ["subj01", "subj01"]),
        "subjects: subj01 is listed twice",
    ),
    "subject that is not simulated": (
        put("subjects", ["subj02"]),
        "subjects: unknown name 'subj02'; did you mean",
    ),
    "unknown library": (put("networks.alexnet.library", "torchvison"), "networks.alexnet.library"),
    "space of an unknown network": (
        put("feature_spaces.alexnet.network", "alexnett"),
        "feature_spaces.alexnet.network: unknown name 'alexnett'; did you mean alexnet",
    ),
    "model that is no space": (
        put("models", ["alexnet", "brt"]),
        "models: unknown name 'brt'; did you mean bert",
    ),
    "comparison of an unknown space": (
        put("comparisons.alexnet_vs_bert", ["alexnet", "resnet"]),
        "comparisons.alexnet_vs_bert: unknown name 'resnet'",
    ),
    "comparison of one": (put("comparisons.alexnet_vs_bert", ["bert"]), "2 to 4 feature spaces"),
    "layers of two networks": (
        put("layerwise.alexnet", ["alexnet_conv3", "bert"]),
        "layerwise.alexnet: list two or more layers of one network, first layer first; this lists "
        "2 of alexnet and bert",
    ),
    "a single layer": (put("layerwise.alexnet", ["alexnet"]), "this lists 1 of alexnet"),
    "layer that is no space": (
        put("layerwise.alexnet", ["alexnet_conv3", "alexnett"]),
        "layerwise.alexnet: unknown name 'alexnett'; did you mean alexnet",
    ),
    "share of no layer": (put("preferred_layer", {"fraction": 0}), "preferred_layer.fraction"),
    "identification by what is no model": (
        put("error_consistency.models", ["resnet"]),
        "error_consistency.models: unknown name 'resnet'",
    ),
    "identification in an atlas that is not labelled": (
        put("error_consistency.atlases", ["streams"]),
        "error_consistency.atlases: unknown name 'streams'",
    ),
    "curve of one model": (put("learning_curves.models", ["bert"]), "learning_curves.models"),
    "curve of what is no model": (
        put("learning_curves.models", ["bert", "resnet"]),
        "learning_curves.models: unknown name 'resnet'",
    ),
    "numbers of images that do not ascend": (
        put("learning_curves.training_images", [200, 100]),
        "learning_curves.training_images: list the numbers once each, in ascending order",
    ),
    "variant of a curve's name": (
        put("variants", {"images60_draw0": {"training_images": 60}}),
        "variants.images60_draw0: the learning curves use this name",
    ),
    "untrained without seed": (put("networks.alexnet.seed", None), "`seed` is needed"),
    "pretrained with seed": (put("networks.alexnet.weights", "pretrained"), "only there"),
    "clusters drawn that were not made": (
        lambda values: values.update(significance={"resample": "clusters"}),
        "compared; name one in `splits.space`",
    ),
    "clusters of no space": (put("splits.test", "clusters"), "`space` is needed"),
    "clusters of an unknown space": (
        put("splits", {"test": "clusters", "space": "brt", "folds": 4, "seed": 0}),
        "splits.space: unknown name 'brt'; did you mean bert",
    ),
    "clusters of a space that the split decides": (
        put("splits", {"test": "clusters", "space": "alexnet_conv3", "folds": 4, "seed": 0}),
        "splits.space: this space chooses the training images",
    ),
    "scaling by training trials of a split that is not known yet": (
        lambda values: (
            values["splits"].update(test="random"),
            values["responses"].update(zscore_trials="training"),
        ),
        "responses.zscore_trials: `training` needs shared test images",
    ),
    "space that the simulator does not write": (
        put("responses.space", "func1mm"),
        "responses.space: unknown name 'func1mm'; did you mean func1pt8mm",
    ),
    "beta version that does not exist": (put("responses.betas", "betas_b4"), "responses.betas"),
    "unknown mask": (put("responses.mask", "v1"), "responses.mask"),
    "subset of a category that COCO lacks": (
        put("variants", {"people": {"subset": {"category": "persn"}}}),
        "variants.people.subset.category: category: unknown name 'persn'; did you mean person",
    ),
    "variant with the name of the whole study": (
        put("variants", {"all": {"training_images": 100}}),
        "variants.all: this name stands for all images",
    ),
    "variant of an unknown comparison": (
        put("variants", {"few": {"training_images": 100, "comparisons": ["alexnet_vs_brt"]}}),
        "variants.few.comparisons: unknown name 'alexnet_vs_brt'; did you mean alexnet_vs_bert",
    ),
    "variant of an unknown model": (
        put("variants", {"few": {"training_images": 100, "models": ["brt"]}}),
        "variants.few.models: unknown name 'brt'; did you mean bert",
    ),
    "sizes matched of what is no subset": (
        lambda values: values.update(
            variants={"few": {"training_images": 100}}, matched_variants=[["few"]]
        ),
        "matched_variants: few has no `subset`",
    ),
    "sizes matched twice": (
        lambda values: values.update(
            variants={"people": {"subset": {"category": "person"}}},
            matched_variants=[["people"], ["people"]],
        ),
        "matched_variants: people is listed twice",
    ),
    "one penalty by a solver that has none": (
        lambda values: (
            values["encoding"].update(solver="himalaya", search="exact"),
            values.update(variants={"one": {"penalty": "single"}}),
        ),
        "`penalty: single` goes with `solver: native`",
    ),
    "folds that would split clusters": (
        put(
            "splits",
            {"test": "clusters", "space": "bert", "folds": 4, "fold_order": "listed", "seed": 0},
        ),
        "`fold_order: listed` would split clusters",
    ),
    "maps in another volume": (
        put("maps", {"spaces": ["func1mm"]}),
        "maps.spaces: no transform of NSD leads from func1pt8mm (`responses.space`) to func1mm; "
        "choose among func1pt8mm, nativesurface, fsaverage, MNI152",
    ),
    "maps in a space listed twice": (
        put("maps", {"spaces": ["MNI152", "MNI152"]}),
        "maps.spaces: MNI152 is listed twice",
    ),
    "maps in an unknown space": (put("maps", {"spaces": ["MNI305"]}), "maps.spaces.0"),
    "penalties reversed": (put("encoding.alphas.minimum", 1e9), "`maximum` is below `minimum`"),
    "grid with equal axes": (
        put("simulation.subjects.subj01.grid", [15, 15, 14]),
        "must all differ",
    ),
    "proportions that do not sum to 1": (
        put(
            "simulation.groups",
            [{"atlas": "floc-faces", "roi": "OFA", "proportions": {"bert": 0.5}}],
        ),
        "do not sum to 1",
    ),
    "planted space that is not declared": (
        put(
            "simulation.groups",
            [{"atlas": "floc-faces", "roi": "OFA", "proportions": {"clip": 1.0}}],
        ),
        "unknown planted space clip",
    ),
    "more sessions than planned": (
        put("simulation.subjects.subj01.sessions", 3),
        "exceeds `planned_sessions`",
    ),
}


@pytest.mark.parametrize(
    ("section", "old", "message"),
    [
        (None, {"contrasts": {}}, "contrasts: this key is called `comparisons` now"),
        ("splits", {"share": 0.2}, "splits.share: this key is called `test_fraction` now"),
        (
            "encoding",
            {"solver": "own"},
            "encoding.solver: this project's solver is called `native`",
        ),
        (
            "interpretation",
            {"least_ceiling": 0.1},
            "interpretation.least_ceiling: this key is called `min_reliability` now",
        ),
        (
            "preferred_layer",
            {"min_noise_ceiling": 0.1},
            "preferred_layer.min_noise_ceiling: this key is called `min_reliability` now",
        ),
        (
            "interpretation",
            {"least_voxels": 5},
            "interpretation.least_voxels: this key is called `min_voxels` now",
        ),
        (
            "representational_similarity",
            {"comparison": "pearson"},
            "representational_similarity.comparison: this key is called `measure` now",
        ),
        (
            "variants",
            {"few": {"contrasts": []}},
            "variants.few.contrasts: this key is called `comparisons` now",
        ),
    ],
)
def test_a_key_of_an_earlier_release_names_the_present_one(tiny_values, section, old, message):
    values = copy.deepcopy(tiny_values)
    if section is None:
        del values["comparisons"]
    (values.setdefault(section, {}) if section else values).update(old)
    with pytest.raises(InputError) as error:
        parse_configuration(values)
    (line,) = [line for line in str(error.value).splitlines() if "is called" in line]
    assert message in line
    assert "missing" not in str(error.value)


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD.keys())
def test_a_wrong_configuration_names_the_key(tiny_values, change, message):
    values = copy.deepcopy(tiny_values)
    change(values)
    with pytest.raises(InputError) as error:
        parse_configuration(values, "study.yaml")
    assert "study.yaml" in str(error.value)
    assert message in str(error.value)


def test_a_missing_or_damaged_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no\.yaml: not found"):
        read_configuration(tmp_path / "no.yaml")
    damaged = tmp_path / "damaged.yaml"
    damaged.write_text("study: [")
    with pytest.raises(InputError, match="not valid YAML"):
        read_configuration(damaged)


@pytest.mark.parametrize(
    "path", [*sorted((ROOT / "config").glob("*.yaml")), TINY], ids=lambda p: p.name
)
def test_shipped_configurations_are_whole(path):
    study = read_configuration(path)
    assert set(study.used_spaces) <= set(study.feature_spaces)


def test_the_study_of_real_data_has_the_studys_comparisons_and_subjects():
    study = read_configuration(ROOT / "config/nsd.yaml")
    assert study.simulation is None
    assert len(study.subjects) == 8
    whole = {
        name: [space.removesuffix("_pca1000") for space in spaces]
        for name, spaces in study.comparisons.items()
    }
    assert whole == read_catalogue()["comparisons"]
    reduced = {space for spaces in study.comparisons.values() for space in spaces}
    reduced = {space for space in reduced if space.endswith("_pca1000")}
    assert reduced == {f"{n}_pca1000" for n in ("alexnet", "untrained_alexnet", "gabor_energy")}
    assert all(
        network.weights.startswith(("pretrained", "data/weights"))
        for name, network in study.networks.items()
        if not name.startswith("untrained") and network.library not in ("vectors", "low_level")
    )


def test_the_published_preset_is_the_papers_and_uses_the_same_networks_and_data():
    paper, study = (read_configuration(ROOT / f"config/{name}.yaml") for name in ("paper", "nsd"))
    alphas = paper.encoding.alphas.values()
    assert np.allclose(alphas, np.logspace(-8, 10, 100))
    assert (paper.encoding.penalty, paper.encoding.scaling) == ("single", "center")
    assert (paper.splits.test, paper.splits.test_fraction, paper.splits.folds) == ("random", 0.2, 7)
    assert (paper.significance.test, paper.significance.draws) == ("bootstrap", 2000)
    assert len(paper.models) == 10
    for name, network in paper.networks.items():
        assert study.networks[name] == network
    for name, spaces in paper.comparisons.items():
        assert study.comparisons[name] == spaces
    assert (paper.nsd, paper.subjects) == (study.nsd, study.subjects)


def test_what_a_space_depends_on_is_its_own_slice(tiny_values):
    study = parse_configuration(tiny_values)
    before = study.space_specification("alexnet"), study.space_specification("bert")
    values = copy.deepcopy(tiny_values)
    values["feature_spaces"]["bert"]["pooling"] = "cls"
    after = parse_configuration(values)
    assert after.space_specification("alexnet") == before[0]
    assert after.space_specification("bert") != before[1]
    assert yaml.safe_dump(before[0])


@pytest.mark.parametrize(
    ("own", "others"),
    [
        ("func1pt8mm", ["nativesurface", "fsaverage", "MNI152"]),
        ("func1mm", ["nativesurface", "fsaverage", "MNI152"]),
        ("nativesurface", ["fsaverage"]),
        ("fsaverage", []),
    ],
)
def test_maps_are_in_the_space_of_the_responses_and_where_transforms_lead_from_it(own, others):
    values = yaml.safe_load((ROOT / "config/nsd.yaml").read_text())
    values["responses"]["space"] = own
    assert parse_configuration(values).map_spaces == [own]
    listed = {"maps": {"spaces": [*others, own]}}
    assert parse_configuration({**values, **listed}).map_spaces == [own, *others]
    for space in {"func1pt8mm", "func1mm", "nativesurface", "MNI152"} - {own, *others}:
        with pytest.raises(InputError, match=f"leads from {own} .* to {space}; choose among"):
            parse_configuration({**values, "maps": {"spaces": [space]}})


def test_a_subset_needs_cocos_objects_and_knows_what_it_is_matched_with(tiny_values):
    people, nobody = ({"category": "person", "present": present} for present in (True, False))
    variants = {
        "people": {"subset": people},
        "nobody": {"subset": nobody, "models": ["bert"]},
        "few": {"training_images": 50, "penalty": "single", "scaling": "center"},
    }
    study = parse_configuration(
        {**tiny_values, "variants": variants, "matched_variants": [["people", "nobody"]]}
    )
    assert study.annotations == ["captions", "instances"]
    assert study.image_selection("people")["matched"] == [people, nobody]
    assert study.image_selection("few")["matched"] == study.image_selection("all")["matched"] == []
    # images alone decide about a split: another model, or penalty, makes no other
    assert set(study.image_selection("few")) == {"subset", "training_images", "draw", "matched"}
    assert study.comparisons_of("people") == study.comparisons
    assert study.fits("people") == {
        "alexnet": ["alexnet"],
        "bert": ["bert"],
        "alexnet+bert": ["alexnet", "bert"],
    }
    assert study.comparisons_of("nobody") == {}
    assert study.fits("nobody") == {"bert": ["bert"]}
    assert study.encoding_of("few").penalty == "single"
    assert study.encoding_of("people") == study.encoding


def test_a_checkpoint_is_an_input_of_its_network_by_its_content(tmp_path):
    """So that features are extracted anew, and those of another content are refused."""
    path = tmp_path / "mine.pt"
    values = yaml.safe_load(TINY.read_text())
    values["networks"]["alexnet"] = {
        **{"library": "torchvision", "architecture": "alexnet", "stimulus": "image"},
        "weights": str(path),
    }
    study = parse_configuration(values)
    assert "checkpoint_sha256" not in network_to_load(study, "alexnet")
    found = []
    for content in (b"a", b"b", b"a"):
        path.write_bytes(content)
        found.append(features_to_expect(study, "alexnet"))
    assert found[0] == found[2] != found[1]
    assert found[0]["extracted_from"] == network_to_load(study, "alexnet")
    assert set(found[0]["extracted_from"]) >= {"name", "weights", "checkpoint_sha256"}


def test_a_study_is_not_called_as_the_folder_that_studies_share(tiny_values):
    with pytest.raises(InputError, match=r"study: studies share the folder results/features"):
        parse_configuration({**tiny_values, "study": "features"})


def test_the_cortex_of_the_full_size_subject_has_the_features_of_its_study():
    whole, cortex = (
        read_settings(ROOT / f"config/{name}.yaml") for name in ("full_size", "full_size_cortex")
    )
    for key in ("networks", "feature_spaces"):
        assert cortex[key].items() <= whole[key].items()
    for key in ("nsd", "stimulus_set", "subjects", "extraction", "splits", "encoding"):
        assert cortex[key] == whole[key]
