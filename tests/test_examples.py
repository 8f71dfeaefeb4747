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
