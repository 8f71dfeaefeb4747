"""The examples of the documentation run."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from conftest import ENVIRON, ROOT
from PIL import Image


def test_features_of_a_folder_of_pictures(tmp_path):
    for name, colour in (("b.png", (255, 0, 0)), ("a.jpg", (0, 0, 255))):
        Image.new("RGB", (300, 200), colour).save(tmp_path / name)
    script = ROOT / "docs/examples/own_images.py"
    command = [sys.executable, str(script), str(tmp_path), str(tmp_path / "features.npz")]
    environment = {**ENVIRON, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, env=environment, capture_output=True)
    found = np.load(tmp_path / "features.npz")
    assert found["names"].tolist() == ["a.jpg", "b.png"]
    assert found["embedding"].shape == (2, 1024)
    assert found["layer4:mean"].shape == (2, 2048)


def test_a_finished_run_is_looked_at_in_ten_lines(study, tmp_path):
    script = ROOT / "docs/examples/look_at_maps.py"
    statements = script.read_text().split("run, nsd, model, out =")[1].strip().splitlines()
    # the first line names the arguments
    assert len(statements) == 1 + 10
    command = [sys.executable, str(script), str(study.results), str(study.nsd), "bert"]
    done = subprocess.run(
        [*command, str(tmp_path)], check=True, capture_output=True, text=True, env=ENVIRON
    )
    assert "subj03" in done.stdout
    for page in ("slices.html", "surface.html"):
        assert "<html" in (tmp_path / page).read_text()
    picture = np.asarray(Image.open(tmp_path / "glass.png").convert("L"))
    assert picture.std() > 5


# names of the demo, and of the small study what stands in their place
SMALL = {
    "efficientnet_vs_bert": "alexnet_vs_bert",
    "efficientnet&bert": "alexnet&bert",
    '"efficientnet", "bert"': '"alexnet", "bert"',
    "all/efficientnet.h5": "all/bert.h5",
    'all/efficientnet"': 'all/bert"',
    "model-efficientnet": "model-bert",
}


def test_the_tutorial_runs_on_a_finished_study(study, tmp_path):
    """Its figures are drawn, and its tables made, of the small study in the demo's place."""
    text = (ROOT / "docs/tutorial.py").read_text()
    for name, other in SMALL.items():
        assert name in text
        text = text.replace(name, other)
    for folder in ("config", "results"):
        (tmp_path / folder).mkdir()
    (tmp_path / "config/demo.yaml").symlink_to(study.configuration)
    (tmp_path / "results/demo").symlink_to(study.results)
    (tmp_path / "data").symlink_to(study.directory / "data")
    script = tmp_path / "tutorial.py"
    script.write_text(text)
    environment = {**ENVIRON, "MPLBACKEND": "agg"}
    subprocess.run([sys.executable, str(script)], check=True, cwd=tmp_path, env=environment)
