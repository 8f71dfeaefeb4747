"""Show a study's progress, results or layers of networks; export it; compare; predict.

python -m pipeline status                    progress of a study, during a run or after it
python -m pipeline show [subj01]             key numbers and where files are
python -m pipeline layers clip_rn50          layers of a network that the study uses
python -m pipeline pycortex subj01 FOLDER    surfaces and maps as pycortex reads them
python -m pipeline assembly subj01 FILE.nc  measured responses in the layout of Brain-Score
python -m pipeline compare_presets results/paper results/nsd    how their partitions differ
python -m pipeline predict ENCODER FOLDER --out predictions.h5  responses to pictures or captions
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.configuration.preset_comparison import compare_presets
from pipeline.encoders.responses_assembly import export_assembly
from pipeline.errors import run_stage
from pipeline.show import export_subject, print_layers, show
from pipeline.status import print_status


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments of `python -m pipeline`."""
    parser = argparse.ArgumentParser(prog="python -m pipeline", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    show_command = commands.add_parser(
        "show", help="key numbers and paths of a study, or of a subject"
    )
    show_command.add_argument("subject", nargs="?", help="subj01, …; without it all subjects")
    pycortex_command = commands.add_parser(
        "pycortex", help="surfaces and maps as pycortex reads them"
    )
    pycortex_command.add_argument("subject", help="subj01, …")
    pycortex_command.add_argument("folder", type=Path, help="pycortex's store, or any other folder")
    layers_command = commands.add_parser("layers", help="names of the layers of a network")
    layers_command.add_argument("network", help="network that the configuration declares or uses")
    status_command = commands.add_parser("status", help="progress of a study")
    assembly_command = commands.add_parser(
        "assembly", help="measured responses as NetCDF, in the layout of Brain-Score"
    )
    assembly_command.add_argument("subject", help="subj01, …")
    assembly_command.add_argument("file", type=Path, help="NetCDF file to write")
    for command in (
        show_command,
        pycortex_command,
        assembly_command,
        layers_command,
        status_command,
    ):
        command.add_argument("--configfile", type=Path, default=Path("config/demo.yaml"))
    compare_command = commands.add_parser(
        "compare_presets", help="what differs between two studies"
    )
    compare_command.add_argument("published", type=Path, help="results of config/paper.yaml")
    compare_command.add_argument("corrected", type=Path, help="results of config/nsd.yaml")
    predict_command = commands.add_parser(
        "predict", help="responses that an encoder predicts to a folder of pictures or captions"
    )
    predict_command.add_argument("encoder", type=Path, help="file that `snakemake encoders` wrote")
    predict_command.add_argument(
        "folder", type=Path, help="folder of pictures, or with a table captions.tsv"
    )
    predict_command.add_argument(
        "--out", type=Path, required=True, help="HDF5 file; table and maps are written beside it"
    )
    predict_command.add_argument(
        "--best", metavar="REGION", help="list the best stimuli of a region or of a voxel's id"
    )
    predict_command.add_argument(
        "--each", action="store_true", help="write a map of every stimulus, too"
    )
    predict_command.add_argument(
        "--weights", type=Path, help="folder of the networks' downloaded weights"
    )
    return parser


def main() -> None:
    """Run the command."""
    arguments = argument_parser().parse_args()
    if arguments.command == "show":
        show(arguments.configfile, arguments.subject)
    elif arguments.command == "layers":
        print_layers(arguments.configfile, arguments.network)
    elif arguments.command == "status":
        print_status(arguments.configfile)
    elif arguments.command == "assembly":
        print(export_assembly(arguments.configfile, arguments.subject, arguments.file))
    elif arguments.command == "compare_presets":
        print(compare_presets(arguments.published, arguments.corrected))
    elif arguments.command == "predict":
        # imported here: it imports torch, which most commands do not need
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
    else:
        print(export_subject(arguments.configfile, arguments.subject, arguments.folder))


if __name__ == "__main__":
    run_stage(main)
