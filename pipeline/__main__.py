"""Set up a study of NSD, run it, and look at what it found.

nsd-encoding init study.yaml             write a configuration for your data and models
nsd-encoding preflight study.yaml        what is missing, and what the study will need
nsd-encoding fetch study.yaml            download what is missing
nsd-encoding run study.yaml              run the study
nsd-encoding status study.yaml           how far it is
nsd-encoding show study.yaml [subj01]    key numbers, and where files are
nsd-encoding open study.yaml             the report in the browser
nsd-encoding explain voxel subj01 41 63 30 --configfile study.yaml     all about one voxel
nsd-encoding predict ENCODER FOLDER --out predictions.h5               responses to new pictures
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.cli.names import DEMO, PROGRAM, require_configuration, require_repository
from pipeline.command import SUFFIXES
from pipeline.errors import run_stage

# commands that read what is in the repository and not in its packages
OF_REPOSITORY = ("init", "preflight", "fetch", "run", "status")

# Handlers import what they need: torch takes seconds that `status` need not wait.


def _init(arguments: argparse.Namespace) -> None:
    from pipeline.cli.init import Options, init

    names = ("file", "nsd", "subjects", "mask", "models", "features", "ids", "image_ids")
    init(Options(**{name: getattr(arguments, name) for name in names}))


def _preflight(arguments: argparse.Namespace) -> None:
    from pipeline.cli.preparations import preflight_study

    preflight_study(arguments.configfile)


def _fetch(arguments: argparse.Namespace) -> None:
    from pipeline.cli.preparations import fetch_files

    fetch_files(arguments.configfile, arguments.plan)


def _run(arguments: argparse.Namespace) -> None:
    from pipeline.cli.run_study import run_study

    run_study(arguments.configfile, arguments.profile, arguments.words)


def _status(arguments: argparse.Namespace) -> None:
    from pipeline.status import print_status

    print_status(arguments.configfile)


def _show(arguments: argparse.Namespace) -> None:
    from pipeline.show import show

    show(arguments.configfile, arguments.subject)


def _open(arguments: argparse.Namespace) -> None:
    from pipeline.cli.open_report import open_report

    open_report(arguments.configfile)


def _explain(arguments: argparse.Namespace) -> None:
    from pipeline.cli.explain_voxel import explain_voxel

    explain_voxel(arguments.configfile, arguments.subject, arguments.where)


def _predict(arguments: argparse.Namespace) -> None:
    from pipeline.encoders.predict_folder import predict_command

    print(
        predict_command(
            arguments.encoder,
            arguments.folder,
            arguments.out,
            best=arguments.best,
            each=arguments.each,
            weights=arguments.weights,
        )
    )


def _layers(arguments: argparse.Namespace) -> None:
    from pipeline.show import print_layers

    print_layers(arguments.configfile, arguments.network)


def _pycortex(arguments: argparse.Namespace) -> None:
    from pipeline.show import export_subject

    print(export_subject(arguments.configfile, arguments.subject, arguments.folder))


def _assembly(arguments: argparse.Namespace) -> None:
    from pipeline.encoders.responses_assembly import export_assembly

    print(export_assembly(arguments.configfile, arguments.subject, arguments.file))


def _compare_presets(arguments: argparse.Namespace) -> None:
    from pipeline.configuration.preset_comparison import compare_presets

    print(compare_presets(arguments.published, arguments.corrected))


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments of `nsd-encoding`, or `python -m pipeline`."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=(__doc__ or "").splitlines()[0],
        epilog="Every command has its own --help. A study lives in the folder in which its "
        "commands are typed: results are in results/ there.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(
        name: str,
        handler: Callable[[argparse.Namespace], None],
        help: str,
        usage: str | None = None,
        of_study: bool = True,
    ) -> argparse.ArgumentParser:
        # `run` hands other options on, of which `--config` would be taken for `--configfile`
        command = commands.add_parser(
            name, help=help, description=f"{help[0].upper()}{help[1:]}.", allow_abbrev=False
        )
        command.usage = usage and f"{PROGRAM} {name} {usage}"
        command.set_defaults(handler=handler)
        if of_study:
            command.add_argument(
                "--configfile",
                type=Path,
                default=DEMO,
                metavar="FILE",
                help=f"configuration of the study (default: {DEMO}); the file can also follow the "
                "command directly",
            )
        return command

    _add_init(add("init", _init, "write a configuration for your data and models", of_study=False))
    add("preflight", _preflight, "check what is missing, and the time, memory and disk it takes")
    fetch = add("fetch", _fetch, "download what the study needs of NSD, COCO and network weights")
    fetch.add_argument(
        "--plan", action="store_true", help="only list the files, with their sizes and terms"
    )
    run = add(
        "run",
        _run,
        "run the study with Snakemake, and go on where it was stopped",
        "FILE [targets] [--profile NAME] [options of snakemake]",
    )
    run.add_argument(
        "--profile",
        metavar="NAME",
        help="where jobs run: slurm submits them to a cluster; by default on this machine "
        "(a folder in profiles/, or one of your own)",
    )
    run.epilog = (
        "Targets are results, such as `maps` or `tables`; without one, all are made. Options such "
        "as --cores 8 or --dry-run go to snakemake, which docs/running.md describes."
    )
    add("status", _status, "show how far the study is, during a run or after it")
    show = add("show", _show, "print key numbers, and where files are")
    show.add_argument("subject", nargs="?", help="subj01, …; without it all subjects")
    add("open", _open, "open the report in the browser")
    _add_explain(
        add(
            "explain",
            _explain,
            "list all that the study found in a voxel, and put it into a sentence",
            "voxel SUBJECT X Y Z [--configfile FILE]",
        )
    )
    _add_predict(
        add(
            "predict",
            _predict,
            "predict responses of an encoder to a folder of pictures or captions",
            of_study=False,
        )
    )
    layers = add("layers", _layers, "list the layers of a network, by the names to write")
    layers.add_argument("network", help="network that the configuration declares or uses")
    pycortex = add("pycortex", _pycortex, "write surfaces and maps as pycortex reads them")
    pycortex.add_argument("subject", help="subj01, …")
    pycortex.add_argument("folder", type=Path, help="pycortex's store, or any other folder")
    assembly = add(
        "assembly", _assembly, "write measured responses as NetCDF, in the layout of Brain-Score"
    )
    assembly.add_argument("subject", help="subj01, …")
    assembly.add_argument("file", type=Path, help="NetCDF file to write")
    compare = add(
        "compare_presets", _compare_presets, "tabulate how two studies differ", of_study=False
    )
    compare.add_argument("published", type=Path, help="results of config/paper.yaml")
    compare.add_argument("corrected", type=Path, help="results of config/nsd.yaml")
    return parser


def _add_init(command: argparse.ArgumentParser) -> None:
    command.epilog = (
        "On a terminal, what no option says is asked; elsewhere it takes the value of "
        "config/nsd_first.yaml: subject 1, nsdgeneral, four networks."
    )
    command.add_argument("file", nargs="?", type=Path, help="file to write, such as study.yaml")
    command.add_argument("--nsd", metavar="FOLDER", help="where NSD is, or will be downloaded to")
    command.add_argument(
        "--subjects", nargs="+", metavar="N", help="numbers from 1 to 8, such as 1 2 5, or all"
    )
    command.add_argument("--mask", help="nsdgeneral (visual cortex) or cortex (all of it)")
    command.add_argument(
        "--models",
        nargs="+",
        metavar="NAME",
        help="models of the catalogue, such as clip_rn50 resnet50 bert (docs/networks.md lists "
        "them; the questions do, with their weights)",
    )
    command.add_argument(
        "--features",
        metavar="FILE",
        help="features of your own, as one more model (docs/own_features.md), or none",
    )
    command.add_argument(
        "--ids", help="how that file numbers images: nsd_id (from 0), 73KID (from 1) or coco_id"
    )
    command.add_argument(
        "--image-ids", metavar="FILE", help="numbers of the images, if they are in another file"
    )


def _add_explain(command: argparse.ArgumentParser) -> None:
    command.add_argument("what", choices=["voxel"], help="voxel, or vertex of a surface")
    command.add_argument("subject", help="subj01, …")
    command.add_argument(
        "where",
        nargs="+",
        help="X Y Z: indices into the volume from 0, as in the tables of voxels; or one number: "
        "column `voxel` of the tables; on surfaces: lh or rh, and the vertex",
    )


def _add_predict(command: argparse.ArgumentParser) -> None:
    command.add_argument("encoder", type=Path, help="file that `snakemake encoders` wrote")
    command.add_argument(
        "folder", type=Path, help="folder of pictures, or with a table captions.tsv"
    )
    command.add_argument(
        "--out", type=Path, required=True, help="HDF5 file; table and maps are written beside it"
    )
    command.add_argument(
        "--best", metavar="REGION", help="list the best stimuli of a region or of a voxel's id"
    )
    command.add_argument("--each", action="store_true", help="write a map of every stimulus, too")
    command.add_argument("--weights", type=Path, help="folder of the networks' downloaded weights")


def read_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Parse a command; `run study.yaml` stands for `run --configfile study.yaml`."""
    parser = argument_parser()
    words = list(words)
    # where the configuration may stand: after `run`, and after `explain voxel`
    place = 2 if words[:1] == ["explain"] else 1
    follows = [word for word in words[place : place + 1] if Path(word).suffix in SUFFIXES]
    if follows and words[0] not in ("init", "predict", "compare_presets"):
        words.insert(place, "--configfile")
    arguments, others = parser.parse_known_args(words)
    if others and arguments.command != "run":
        parser.error(
            f"{' '.join(others)}: not understood by `{arguments.command}`; "
            f"`{PROGRAM} {arguments.command} --help` lists what it takes"
        )
    arguments.words = others
    return arguments


def main() -> None:
    """Run the command."""
    arguments = read_arguments(sys.argv[1:])
    if arguments.command in OF_REPOSITORY:
        require_repository()
    if "configfile" in arguments:
        require_configuration(arguments.command, arguments.configfile)
    try:
        arguments.handler(arguments)
    except KeyboardInterrupt:
        sys.exit(f"\nstopped; type the command again: {PROGRAM} {arguments.command}")


def command_line() -> None:
    """Run the command, and end with the message of an error that a user can correct."""
    try:
        try:
            run_stage(main)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # `nsd-encoding layers clip_rn50 | head` ends quietly, also when Python flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    command_line()
