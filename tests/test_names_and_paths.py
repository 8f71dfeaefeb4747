"""No name in a configuration and no path in the manifest leads out of its folder."""

from __future__ import annotations

import copy

import pytest
import yaml
from conftest import ROOT

from pipeline.configuration.reading import parse_configuration, read_configuration
from pipeline.errors import InputError
from pipeline.nsd.manifest import read_manifest

OUTSIDE = ["../secret", "/etc/passwd", "a/b", "..", ".", "", "a\\b", "~x"]
# {what is named: how a configuration names it}
NAMED = {
    "study": lambda values, name: values.update(study=name),
    "stimulus set": lambda values, name: values.update(stimulus_set=name),
    "subject": lambda values, name: values.update(subjects=[name]),
    "space": lambda values, name: values["responses"].update(space=name),
    "betas": lambda values, name: values["responses"].update(betas=name),
    "network": lambda values, name: values["networks"].update(
        {name: values["networks"]["alexnet"]}
    ),
    "feature space": lambda values, name: values["feature_spaces"].update(
        {name: values["feature_spaces"]["bert"]}
    ),
    "model": lambda values, name: values["models"].append(name),
    "comparison": lambda values, name: values["comparisons"].update({name: ["alexnet", "bert"]}),
    "variant": lambda values, name: values.update(variants={name: {"training_images": 60}}),
    "atlas": lambda values, name: values["rois"].append(name),
    "map space": lambda values, name: values["maps"].update(spaces=[name]),
    "layerwise": lambda values, name: values.update(layerwise={name: ["alexnet_conv3", "alexnet"]}),
}


@pytest.mark.parametrize("part", NAMED)
def test_no_name_in_a_configuration_leads_out_of_its_folder(tiny_values, part):
    for name in OUTSIDE:
        values = copy.deepcopy(tiny_values)
        NAMED[part](values, name)
        with pytest.raises(InputError):
            parse_configuration(values)


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a\\..\\b", "{subjects}"])
@pytest.mark.parametrize("key", ["files path", "files alternative", "weights path"])
def test_no_path_in_the_manifest_leads_out_of_its_folder(tmp_path, key, path):
    part, name = key.split()
    values = yaml.safe_load((ROOT / "data_manifest.yaml").read_text())
    values[part][0][name] = path
    (tmp_path / "data_manifest.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(InputError, match=r"leaves its folder|unknown placeholder"):
        read_manifest(tmp_path / "data_manifest.yaml")


@pytest.mark.parametrize(
    "text",
    ["!!python/object/apply:os.system [touch executed]", "? [a, b]\n: c", "12: 3", "a: &a [*a]"],
    ids=["object of Python", "list as key", "number as key", "circle"],
)
@pytest.mark.parametrize("read", [read_configuration, read_manifest])
def test_yaml_that_is_no_plain_keys_and_values_is_refused(tmp_path, text, read):
    (tmp_path / "odd.yaml").write_text(text)
    with pytest.raises(InputError, match=r"odd\.yaml"):
        read(tmp_path / "odd.yaml")
