"""Commands that set up a study, run it, open its report and explain a voxel."""

from __future__ import annotations

import importlib
import io
import itertools
import json
import re
import shutil
import signal
import subprocess
import sys
import tomllib
import webbrowser
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ENVIRON, ROOT, TINY, weights_of
from rich.console import Console

from pipeline.__main__ import read_arguments
from pipeline.cli import explain_voxel as explaining
from pipeline.cli import init as asking
from pipeline.cli import open_report as opening
from pipeline.cli import run_study as running
from pipeline.cli.explain_voxel import explain_voxel, nearest, voxel_index
from pipeline.cli.init import Options, init
from pipeline.cli.targets import rule_names, targets
from pipeline.configuration.reading import read_configuration
from pipeline.dataset.anatomy import Surface
from pipeline.errors import InputError, run_stage
from pipeline.results.integrity import atomic_path
from pipeline.results.storage import write_result
from pipeline.results.tables import write_table

# ---- words


@pytest.mark.parametrize(
    ("words", "configfile", "others"),
    [
        ("run study.yaml maps --cores 2 -n", "study.yaml", "maps --cores 2 -n"),
        ("run maps -R fit --configfile=study.yaml tables", "study.yaml", "maps -R fit tables"),
        # an option of snakemake that begins like one of this command
        ("run --config a=1 --configfile study.yaml", "study.yaml", "--config a=1"),
        ("run --cores 2", "config/demo.yaml", "--cores 2"),
        ("show study.yml subj01", "study.yml", ""),
        ("explain voxel study.yaml subj01 1 2 3", "study.yaml", ""),
        ("explain voxel subj01 lh 7 --configfile study.yaml", "study.yaml", ""),
    ],
)
def test_the_configuration_follows_the_command_and_the_rest_goes_to_snakemake(
    words, configfile, others
):
    arguments = read_arguments(words.split())
    assert arguments.configfile == Path(configfile)
    assert arguments.words == others.split()


def test_a_wrong_word_ends_with_what_to_do(capsys):
    with pytest.raises(SystemExit) as ended:
        read_arguments(["status", "--cores", "2"])
    assert ended.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith(
        "not understood by `status`; `nsd-encoding status --help` lists what it takes"
    )


def test_the_installed_command_is_there():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"]["nsd-encoding"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def said_by(*words: str, cwd: Path, code: int) -> str:
    """What a command says, as a user types it."""
    command = [sys.executable, "-m", "pipeline", *words]
    environ = {**ENVIRON, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environ)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_without_a_configuration_the_error_says_how_to_name_one(tmp_path):
    said = said_by("status", cwd=tmp_path, code=1)
    assert said.count("\n") == 2
    assert "`nsd-encoding status study.yaml`; `nsd-encoding init study.yaml` writes one." in said


def test_output_that_nobody_reads_ends_the_command_quietly(tmp_path):
    # its reader has ended when it writes
    command = ["bash", "-c", f"{sys.executable} -m pipeline init mine.yaml | true"]
    environ = {**ENVIRON, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environ)
    assert (tmp_path / "mine.yaml").exists()
    assert done.stderr == ""


def test_packages_alone_say_that_the_repository_is_needed(tmp_path):
    code = (
        "import pathlib, pipeline.jobs.code_version as code; code.ROOT = pathlib.Path('.');"
        "from pipeline.__main__ import command_line; command_line()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "init", "study.yaml"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**ENVIRON, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1
    assert "clone it, install it there with `make install`" in done.stderr


# ---- init


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_configuration_without_answers_is_the_first_study(folder, capsys):
    init(Options(file=Path("mine.yaml")))
    found, first = (
        read_configuration(path).model_dump(exclude={"study"})
        for path in ("mine.yaml", ROOT / "config/nsd_first.yaml")
    )
    assert found == first
    assert read_configuration("mine.yaml").study == "mine"
    printed = capsys.readouterr().out
    commands = re.findall(r"^  nsd-encoding (\w+) mine.yaml", printed, re.MULTILINE)
    assert commands == ["fetch", "preflight", "run", "status", "open"]
    assert "about 84 GB" in printed


def test_every_key_of_a_new_configuration_has_a_comment_and_fits_the_schema(folder):
    init(Options(file=Path("mine.yaml"), subjects=["1", "2"], nsd="/a folder/nsd: old #1"))
    text = Path("mine.yaml").read_text()
    lines = text.splitlines()
    section = ""
    for before, line in itertools.pairwise(lines):
        key = re.match(r"(  )?(\w+):", line)
        section = line if key and not key[1] else section
        if key and not (key[1] and section.startswith("comparisons")):
            assert before.lstrip().startswith("#"), line
    assert max(map(len, lines)) <= 102
    values = yaml.safe_load(text)
    jsonschema.validate(values, json.loads((ROOT / "config/schema.json").read_text()))
    assert values["nsd"] == "/a folder/nsd: old #1"
    schema = re.match(r"# yaml-language-server: \$schema=(.+)", lines[0])
    assert Path(schema[1]).resolve() == ROOT / "config/schema.json"


def test_options_choose_subjects_voxels_and_models(folder):
    init(
        Options(
            file=Path("sub/mine.yaml"),
            subjects=["all"],
            mask="cortex",
            models=["clip_vitb32,bert", "bert_pca64"],
        )
    )
    study = read_configuration("sub/mine.yaml")
    assert study.subjects == [f"subj0{number}" for number in range(1, 9)]
    assert study.of_nsd.mask.within == "cortex"
    assert study.models == ["clip_vitb32", "bert", "bert_pca64"]
    # the catalogue has it
    assert study.comparisons == {"clip_vitb32_vs_bert": ["clip_vitb32", "bert"]}


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (["bert"], {}),
        (["resnet50", "bert"], {"resnet50_vs_bert": ["resnet50", "bert"]}),
    ],
)
def test_models_that_the_catalogue_does_not_compare_are_compared(folder, models, expected):
    init(Options(file=Path("mine.yaml"), models=models))
    assert read_configuration("mine.yaml").comparisons == expected


def test_nothing_is_asked_of_a_bucket_and_its_files_are_copied_later(folder, capsys, monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("no network may be needed")

    monkeypatch.setattr("socket.socket.connect", refuse)
    init(Options(file=Path("mine.yaml"), nsd="s3://lab/nsd"))
    assert read_configuration("mine.yaml").nsd_bucket == "s3://lab/nsd"
    printed = capsys.readouterr().out
    assert "nsd-encoding fetch" not in printed
    assert "nsd-encoding preflight mine.yaml" in printed


def test_own_features_are_one_more_model(folder):
    np.savez("ratings.npz", taste=np.eye(3), coco_id=np.arange(3))
    init(Options(file=Path("mine.yaml"), models=["bert"], features="ratings.npz", ids="coco_id"))
    study = read_configuration("mine.yaml")
    assert study.models == ["bert", "ratings"]
    assert study.comparisons == {"ratings_vs_bert": ["ratings", "bert"]}
    given, space = study.networks["ratings"], study.feature_spaces["ratings"]
    assert (str(given.path), given.ids, space.layer) == ("ratings.npz", "coco_id", "taste")
    np.save("bert.npy", np.eye(3))
    np.save("ids.npy", np.arange(3))
    init(Options(file=Path("two.yaml"), features="bert.npy", image_ids="ids.npy"))
    # its name would be that of a model of the catalogue
    assert read_configuration("two.yaml").models[-1] == "own_bert"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"file": Path("there.yaml")}, "there.yaml: exists, and is not overwritten"),
        ({"file": Path("mine.txt")}, "ends with .yaml"),
        ({"file": Path("my study.yaml")}, "letters, digits"),
        ({"file": Path("features.yaml")}, "not `features`"),
        ({"subjects": ["9"]}, "NSD has no subj09; write numbers from 1 to 8"),
        ({"mask": "v1"}, "neither `nsdgeneral` nor `cortex`"),
        ({"models": ["clip_rn5"]}, "unknown name 'clip_rn5'; did you mean clip_rn50"),
        ({"nsd": "s3://"}, "no address of a bucket"),
        ({"features": "none.npz"}, "not found"),
        ({"features": "two.npz"}, r"has 2 arrays \(a, b\)"),
        ({"features": "two.npz", "ids": "id"}, "none of nsd_id, 73KID, coco_id"),
    ],
)
def test_a_wrong_answer_writes_nothing_and_says_what_to_do(folder, options, message):
    Path("there.yaml").write_text("mine: true\n")
    np.savez("two.npz", a=np.eye(2), b=np.eye(2), nsd_id=np.arange(2))
    before = sorted(folder.iterdir())
    with pytest.raises(InputError, match=message):
        init(Options(**{"file": Path("mine.yaml"), **options}))
    assert sorted(folder.iterdir()) == before
    assert Path("there.yaml").read_text() == "mine: true\n"


def test_on_a_terminal_a_question_is_asked_again_until_it_is_answered(folder, monkeypatch, capsys):
    answers = iter(["mine.yaml", "/data/nsd", "1 9", "1 5", "cortex", "resnet50 clip_rn50", ""])
    asked = []

    def answer(question: str) -> str:
        asked.append(question)
        return next(answers)

    monkeypatch.setattr(asking, "_is_asked", lambda: True)
    monkeypatch.setattr("builtins.input", answer)
    init(Options())
    study = read_configuration("mine.yaml")
    assert (study.subjects, study.models) == (["subj01", "subj05"], ["resnet50", "clip_rn50"])
    assert (str(study.nsd), study.of_nsd.mask.within) == ("/data/nsd", "cortex")
    printed = capsys.readouterr().out
    assert "NSD has no subj09" in printed
    # each with what has to be downloaded
    assert re.search(r"alexnet .* ImageNet +244 MB, torchvision", printed)
    assert re.search(r"gabor_energy .* none needed", printed)
    assert [question.split(" [")[0] for question in asked].count("Subjects (1 to 8, or all)") == 2


def test_the_end_of_the_input_ends_the_questions(folder, monkeypatch):
    def end(question: str) -> str:
        raise EOFError

    monkeypatch.setattr(asking, "_is_asked", lambda: True)
    monkeypatch.setattr("builtins.input", end)
    with pytest.raises(InputError, match="nothing was written"):
        init(Options())
    assert not list(folder.iterdir())


# ---- without Snakemake

WITHOUT_SNAKEMAKE = """
import sys
for name in ("snakemake", "snakemake_interface_logger_plugins", "snakemake_interface_common"):
    sys.modules[name] = None
from pipeline.__main__ import command_line
command_line()
"""


@pytest.mark.parametrize(
    ("words", "code", "last"),
    [
        ("preflight", 1, "then type nsd-encoding preflight mine.yaml"),
        ("fetch --plan", 0, "Next: nsd-encoding fetch mine.yaml"),
        ("fetch", 1, "then set `nsd_terms_accepted: true` in the configuration."),
        ("status", 1, "and `nsd-encoding preflight` estimates what they need."),
    ],
)
def test_a_study_is_prepared_without_snakemake(folder, words, code, last):
    init(Options(file=Path("mine.yaml")))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_SNAKEMAKE, *words.split(), "--configfile", "mine.yaml"],
        capture_output=True,
        text=True,
        env={**ENVIRON, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert (done.stderr or done.stdout).rstrip().endswith(last)
    if words == "fetch --plan":
        assert len(Path("results/mine/fetch_plan.tsv").read_text().splitlines()) == 112


def test_a_run_without_snakemake_says_how_to_get_it(folder, monkeypatch):
    monkeypatch.setattr(running, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"not installed .*make install.* activate"):
        running.snakemake_command(TINY, None, [])


# ---- run


def test_targets_and_options_go_to_snakemake_as_they_are():
    words = ["maps", "--cores", "2", "-n"]
    command = running.snakemake_command(TINY, None, words)
    assert command[1:3] == ["-m", "snakemake"]
    # the configuration last: it takes all that follows it
    assert command[-6:] == [*words, "--configfile", str(TINY)]
    assert "--workflow-profile" not in command


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["table"], "unknown name 'table'; did you mean tables"),
        (["--core", "2", "--bogus"], r"--bogus: no option of `nsd-encoding run` or of snakemake"),
    ],
)
def test_a_wrong_target_or_option_is_reported_before_snakemake_starts(words, message):
    with pytest.raises(InputError, match=message):
        running.snakemake_command(TINY, None, words)


def test_the_targets_are_those_of_the_workflow():
    assert {"maps", "tables", "preflight", "learning_curves"} <= set(targets())
    assert {"all", "write_tables"} <= set(rule_names())


def test_jobs_go_to_the_cluster_where_jobs_can_be_submitted(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(InputError, match=r"no `sbatch` on this machine.*login node"):
        running.snakemake_command(TINY, "slurm", [])
    (folder / "sbatch").write_text("#!/bin/sh\n")
    (folder / "sbatch").chmod(0o755)
    command = running.snakemake_command(TINY, "slurm", [])
    given = dict(itertools.pairwise(command))
    assert given["--workflow-profile"] == str(ROOT / "profiles/slurm")
    # it would be sought in the folder of the study
    assert given["--slurm-partition-config"] == str(ROOT / "profiles/slurm/partitions.yaml")
    monkeypatch.chdir(ROOT)
    assert "--slurm-partition-config" not in running.snakemake_command(TINY, "slurm", [])


def test_an_unknown_profile_is_reported_with_those_that_there_are():
    with pytest.raises(InputError, match=r"no such profile. Name default, generic, slurm"):
        running.snakemake_command(TINY, "pbs", [])


def fake_snakemake(monkeypatch, code: str) -> None:
    command = [sys.executable, "-c", code]
    monkeypatch.setattr(running, "snakemake_command", lambda *_: command)


@pytest.fixture
def signals():
    """Handlers of signals, put back afterwards."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_a_run_that_failed_ends_with_what_to_type(folder, monkeypatch, signals):
    fake_snakemake(monkeypatch, "raise SystemExit(3)")
    with pytest.raises(SystemExit) as ended:
        running.run_study(TINY, None, [])
    assert str(ended.value.code).startswith("Nothing was started (exit code 3)")
    assert str(ended.value.code).endswith(f"then: nsd-encoding run {TINY}")
    jobs = folder / "results/tiny/runs/jobs.json"
    jobs.parent.mkdir(parents=True)
    jobs.touch()
    with pytest.raises(SystemExit) as ended:
        running.run_study(TINY, None, [])
    assert str(ended.value.code).startswith(
        "The run stopped (exit code 3); what was finished is kept"
    )
    assert str(ended.value.code).endswith(f"continue: nsd-encoding run {TINY}")


def test_a_run_that_is_ended_ends_snakemake(folder, monkeypatch, signals):
    """Its jobs would otherwise go on without it."""
    fake_snakemake(
        monkeypatch,
        "import os, signal, time; os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)",
    )
    with pytest.raises(SystemExit) as ended:
        running.run_study(TINY, None, [])
    assert f"signal {int(signal.SIGTERM)}" in str(ended.value.code)


def test_rules_start_the_python_of_the_command(folder, monkeypatch, signals):
    fake_snakemake(
        monkeypatch,
        "import pathlib, shutil; pathlib.Path('found').write_text(shutil.which('python'))",
    )
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    running.run_study(TINY, None, [])
    assert Path("found").read_text() == str(Path(sys.executable).with_name("python"))


# ---- open


@pytest.fixture
def report(folder, monkeypatch) -> Path:
    for name in ("BROWSER", "SSH_CONNECTION", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    path = folder / "results/tiny/report/index.html"
    path.parent.mkdir(parents=True)
    path.write_text("<p>report</p>")
    return path


def test_a_report_that_is_not_there_is_reported_with_what_makes_it(folder):
    with pytest.raises(InputError, match=rf"index.html: not made yet.*nsd-encoding run {TINY}"):
        opening.open_report(TINY)


def test_the_report_opens_in_a_browser(report, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda uri: opened.append(uri) or True)
    monkeypatch.setenv("DISPLAY", ":0")
    opening.open_report(TINY)
    assert opened == [report.as_uri()]


@pytest.mark.parametrize("there", [{}, {"DISPLAY": ":0", "SSH_CONNECTION": "1 2 3 4"}])
def test_without_a_browser_its_path_is_printed(report, monkeypatch, capsys, there):
    for name, value in there.items():
        monkeypatch.setenv(name, value)

    def never(uri: str) -> bool:
        raise AssertionError(uri)

    monkeypatch.setattr(webbrowser, "open", never)
    opening.open_report(TINY)
    assert capsys.readouterr().out.startswith(f"{report}\nThere is no browser here.")


# ---- explain

GRID = (4, 5, 6)
VOXELS = np.array([7, 30, 50])


def provenance(**identity: object) -> dict:
    return {
        "configuration": {"subject": "subj01", "variant": "all", **identity},
        "inputs": {},
        "simulated": True,
        "untrained": [],
        "weights": weights_of("alexnet", "alexnet_conv3", "bert"),
    }


def write_fit(
    model: str,
    r: list[float],
    cv_score: list[float],
    reliability: list[float],
    grid: tuple[int, ...] = GRID,
) -> None:
    spaces = model.split("+")
    shares = np.full((len(spaces), len(VOXELS)), 1 / len(spaces)) + np.arange(len(spaces))[:, None]
    values = {
        "r": r,
        "r2": np.square(r),
        "cv_score": cv_score,
        "alpha": [1.0, 10.0, 100.0],
        "noise_ceiling": [0.25, 0.64, 0.5],
        "noise_ceiling_error": [0.01, 0.02, 0.03],
        "reliability": reliability,
    }
    arrays = {name: ("voxel", np.asarray(value)) for name, value in values.items()}
    write_result(
        f"results/tiny/encoding/subj01/all/{model}.h5",
        {
            "voxel": ("voxel", VOXELS),
            "space": ("space", spaces),
            **arrays,
            "band_weights": (("space", "voxel"), shares),
            "grid_shape": ("axis", np.array(grid)),
        },
        provenance(model=model, spaces=spaces),
    )


@pytest.fixture
def explained(folder):
    """A study with results of three voxels, and what is said about one of them."""
    reliability = [0.9, 0.8, 0.05]
    write_fit("alexnet", [0.1, 0.4, 0.3], [0.01, 0.10, 0.3], reliability)
    # better on the test images, worse in cross-validation
    write_fit("alexnet_conv3", [0.2, 0.7, 0.3], [0.00, 0.05, 0.3], reliability)
    write_fit("bert", [0.3, 0.2, 0.3], [0.02, 0.01, 0.3], reliability)
    write_fit("alexnet+bert", [0.3, 0.5, 0.3], [0.03, 0.11, 0.3], reliability)
    components, models = ["alexnet", "bert", "alexnet&bert"], ["alexnet", "bert", "alexnet+bert"]
    # in another order of voxels and components than other files
    identity = provenance(comparison="alexnet_vs_bert", spaces=["alexnet", "bert"])
    write_result(
        "results/tiny/partitions/subj01/all/alexnet_vs_bert.h5",
        {
            "voxel": ("voxel", VOXELS[::-1]),
            "component": ("component", components),
            "model": ("model", models),
            "variance": (("component", "voxel"), [[0, 0.21, 0], [0, -0.02, 0], [0, 0.06, 0]]),
            "r2": (("model", "voxel"), [[0, 0.16, 0], [0, 0.04, 0], [0, 0.25, 0]]),
        },
        identity,
    )
    write_result(
        "results/tiny/significance/subj01/all/alexnet_vs_bert.h5",
        {
            "voxel": ("voxel", VOXELS[[1, 0, 2]]),
            "component": ("component", components[::-1]),
            "q": (("component", "voxel"), [[0.2, 1, 1], [0.7, 1, 1], [0.003, 1, 1]]),
            "variance_lower": (("component", "voxel"), [[0.01, 0, 0], [-0.1, 0, 0], [0.15, 0, 0]]),
            "variance_upper": (("component", "voxel"), [[0.09, 0, 0], [0.1, 0, 0], [0.27, 0, 0]]),
        },
        identity,
    )
    write_result(
        "results/tiny/significance/subj01/all/alexnet.h5",
        {
            "voxel": ("voxel", VOXELS),
            **{
                name: ("voxel", [0.0, value, 0.0])
                for name, value in {
                    "q": 0.01,
                    "r_lower": 0.31,
                    "r_upper": 0.48,
                    "r2_lower": 0.1,
                    "r2_upper": 0.2,
                }.items()
            },
        },
        provenance(model="alexnet", spaces=["alexnet"]),
    )
    rois = pd.DataFrame(
        {
            "voxel": [30, 7, 30],
            "atlas": ["floc-faces", "prf-visualrois", "prf-visualrois"],
            "roi": ["FFA-1", "V1v", "hV4"],
            "hemisphere": "lh",
        }
    )
    write_table("results/tiny/rois/subj01.tsv", rois, dict.fromkeys(rois, "made up"), provenance())
    Path("tiny.yaml").write_text(TINY.read_text())

    def explain(*where: str) -> str:
        console = Console(file=io.StringIO(), width=160)
        explain_voxel(Path("tiny.yaml"), "subj01", where, console)
        return console.file.getvalue()

    return explain


def test_a_voxel_is_explained_by_what_its_files_hold(explained):
    # number 30 of the grid (4, 5, 6)
    said = explained("1", "0", "0")
    assert "voxel 1 0 0 (number 30) of subj01, study tiny" in said
    assert "regions: FFA-1 (floc-faces), hV4 (prf-visualrois)" in said
    assert "noise ceiling: 0.640" in said
    assert "standard error 0.020); reliability 0.800" in said
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.splitlines()]
    scores = {row[0]: row[1:] for row in rows if len(row) == 6 and "to" in row[2] + row[4]}
    assert scores == {"alexnet": ["0.400", "0.310 to 0.480", "0.160", "0.100 to 0.200", "0.01"]}
    # not tested yet
    assert ["bert", "0.200", "n/a", "0.040", "n/a", "n/a"] in rows
    # of the ceiling 0.64
    assert ["alexnet", "0.500", "0.250", "0.100", "10", ""] in rows
    assert [row[-1] for row in rows if row[:1] == ["alexnet+bert"]][-1] == (
        "alexnet 0.500, bert 1.500"
    )
    assert [row for row in rows if len(row) == 5] == [
        ["alexnet_vs_bert", "unique to alexnet", "0.210", "0.150 to 0.270", "0.003"],
        ["alexnet_vs_bert", "unique to bert", "-0.020", "-0.100 to 0.100", "0.7"],
        ["alexnet_vs_bert", "shared by alexnet and bert", "0.060", "0.010 to 0.090", "0.2"],
    ]
    assert "Simulated data: no brain was measured." in said
    assert said.splitlines()[-1] == (
        "This voxel in FFA-1, hV4 is best predicted by alexnet, by cross-validation on the "
        "training images. Its r with the responses to test images is 0.40 (interval 0.310 to "
        "0.480, 50% of the highest r that noise allows). Of the variance that alexnet and bert "
        "explain together (R² = 0.250), 84% is unique to alexnet (q = 0.003) and -0.020 is unique "
        "to bert (q = 0.7, not significant)."
    )
    assert explained("30") == said


def test_a_voxel_of_noise_has_no_best_model(explained):
    assert explained("50").splitlines()[-1] == (
        "This voxel has no best model: its responses are too noisy to tell (reliability 0.05, "
        "below 0.1)."
    )


def test_models_that_are_not_fitted_yet_are_named(explained):
    Path("results/tiny/encoding/subj01/all/bert.h5").unlink()
    assert "not fitted yet: bert\n" in explained("30")


def test_outside_the_mask_the_nearest_voxel_is_named(explained):
    # (0, 1, 1), (1, 0, 0) and (1, 3, 2) were modelled
    with pytest.raises(InputError, match="not modelled") as refused:
        explained("1", "4", "3")
    assert str(refused.value).endswith("nsd-encoding explain voxel tiny.yaml subj01 1 3 2")
    explained("1", "3", "2")


def test_on_a_surface_the_nearest_vertex_is_named(folder, monkeypatch):
    """By the points of the white surface: numbers 7, 30 and 50 were modelled."""
    write_fit("bert", [0.1, 0.4, 0.3], [0.1, 0.1, 0.1], [0.9, 0.9, 0.9], grid=(40, 20))
    points = np.full((60, 3), 100.0) + np.arange(60)[:, None]
    points[[2, 50]] = [[0, 0, 0], [0, 0, 1]]
    halves = [(part, np.empty((0, 3), int)) for part in (points[:40], points[40:])]
    anatomy = SimpleNamespace(surface=lambda space, shapes: Surface({"white": halves}, []))
    monkeypatch.setattr(explaining, "open_anatomy", lambda *_: anatomy)
    Path("tiny.yaml").write_text(TINY.read_text())
    with pytest.raises(InputError, match=r"vertex lh 2 .* was not modelled") as refused:
        explain_voxel(Path("tiny.yaml"), "subj01", ["lh", "2"])
    assert str(refused.value).endswith("nsd-encoding explain voxel tiny.yaml subj01 rh 10")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (["4", "0", "0"], "outside the grid; indices go from 0 to 3 and 0 to 4 and 0 to 5"),
        (["120"], "outside the grid; indices go from 0 to 119"),
        (["1", "2"], "no voxel; write 41 63 30"),
        (["V1v"], "no voxel"),
        (["-1"], "no voxel"),
        (["lh", "3"], "no voxel"),
    ],
)
def test_a_place_that_is_none_is_refused(where, message):
    with pytest.raises(InputError, match=message):
        voxel_index(where, GRID)


@pytest.mark.parametrize(
    ("where", "expected"), [(["lh", "3"], 3), (["rh", "3"], 13), (["13"], 13), (["rh", "6"], 16)]
)
def test_vertices_are_counted_from_the_left_hemisphere(where, expected):
    assert voxel_index(where, (10, 7)) == expected


@pytest.mark.parametrize("where", [["lh", "10"], ["rh", "7"], ["17"], ["lh"], ["1", "2"]])
def test_a_vertex_that_is_none_is_refused(where):
    with pytest.raises(InputError):
        voxel_index(where, (10, 7))


def test_the_nearest_is_nearest_in_space_not_by_number():
    positions = np.array([[0.0, 0, 0], [9, 9, 9], [5, 0, 0], [1, 0, 0]])
    assert nearest(0, np.array([1, 2, 3]), positions) == 3


def test_another_subject_is_refused_with_those_of_the_study(explained):
    with pytest.raises(InputError, match=r"subj02: not in tiny.yaml, whose subjects are subj01"):
        explain_voxel(Path("tiny.yaml"), "subj02", ["30"])


# ---- the finished small study


def test_explained_numbers_are_those_of_the_tables_of_voxels(study, monkeypatch):
    monkeypatch.chdir(study.directory)
    voxels = pd.read_parquet("results/tiny/tables/voxels/subj01.parquet")
    row = voxels[voxels["model"] == "alexnet+bert"].nlargest(1, "r").iloc[0]
    console = Console(file=io.StringIO(), width=200)
    where = [str(row[axis]) for axis in "xyz"]
    explain_voxel(study.configuration, "subj01", where, console)
    said = console.file.getvalue()
    cells = next(
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in said.splitlines()
        if line.startswith("│ alexnet+bert ")
    )
    expected = (row["r"], (row["r_lower"], row["r_upper"]), row["r2"])
    assert cells[1:4] == [
        f"{expected[0]:.3f}",
        f"{expected[1][0]:.3f} to {expected[1][1]:.3f}",
        f"{expected[2]:.3f}",
    ]
    parts = pd.read_parquet("results/tiny/tables/voxel_components/subj01.parquet")
    parts = parts[(parts["voxel"] == row["voxel"]) & (parts["variant"] == "all")]
    assert len(parts) == 3
    for part in parts.itertuples():
        interval = f"{part.variance_lower:.3f} to {part.variance_upper:.3f}"
        # nothing to test where a component is exactly 0 in every draw
        q = "n/a" if np.isnan(part.q) else f"{part.q:.2g}"
        assert re.search(rf"│ +{part.variance:.3f} │ +{interval} │ +{q} │", said)


def test_a_new_user_goes_from_status_to_the_report(study):
    """A finished study: nothing is run, and each command names the next."""
    words = ("--cores", "2")
    said = said_by("run", "tiny.yaml", *words, cwd=study.directory, code=0)
    assert "Nothing to be done" in said
    assert "Look at the report: nsd-encoding open tiny.yaml" in said
    assert "jobs done" in said_by("status", "tiny.yaml", cwd=study.directory, code=0)
    assert "The study can start." in said_by("preflight", "tiny.yaml", cwd=study.directory, code=0)


def test_a_run_prints_its_progress_and_not_its_jobs(branched):
    shutil.rmtree(branched.results / "tables/voxels")
    said = said_by("run", "tiny.yaml", "tables", "--cores", "2", cwd=branched.directory, code=0)
    assert re.search(r"\d of \d steps \(\d+%\) done; of the study: \d+ of \d+ jobs done", said)
    assert "rule write_voxel_tables" not in said
    assert "input:" not in said


@pytest.mark.parametrize("inside", [".", "file/further"])
def test_a_folder_where_a_file_is_written_is_one_line(inside, tmp_path, capsys):
    (tmp_path / "file").touch()
    path = tmp_path / inside

    def write() -> None:
        with atomic_path(path) as temporary:
            temporary.touch()

    with pytest.raises(SystemExit):
        run_stage(write)
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert said.startswith(f"error: {tmp_path}")
    assert "name another path" in said
