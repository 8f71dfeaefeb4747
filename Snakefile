import itertools
import json
import math
import os
import re
import sys
from functools import cache
from pathlib import Path

from snakemake.logging import logger
from snakemake.utils import min_version

from encoding.variance_partitioning import model_name
from pipeline.analyses.registry import ANALYSES, enabled
from pipeline.jobs.code_version import code_version, stage_modules
from pipeline.configuration.reading import parse_configuration
from pipeline.dataset.kinds import IMAGES
from pipeline.errors import InputError
from pipeline.jobs.failed_jobs import FailedJobs
from pipeline.jobs.folders import require_writable
from pipeline.jobs.frozen_run import RUN as RUN_VARIABLE, freeze, frozen_path, frozen_text
from pipeline.jobs.job_list import list_jobs
from pipeline.jobs.job_settings import JobSetting, require_same_run, study_run
from pipeline.jobs.progress_line import BriefOutput, ProgressLine
from pipeline.jobs.remaining_time import job_estimates
from pipeline.nsd.manifest import read_manifest, required_files
from pipeline.report.links import page_links
from pipeline.estimates.resources import (
    fit,
    job_megabytes,
    refit,
    simulation_bytes,
    solver_megabytes,
    solving_minutes,
)
from pipeline.fits.predictions_read import in_order
from pipeline.results.integrity import content_hash, join_checksums
from pipeline.status import BRIEF
from pipeline.configuration.settings import GROUP_SPACES, SHARED, WHOLE
from pipeline.jobs.stage_arguments import command, declared_settings, reads_nsd
from pipeline.estimates.study_size import part_of, subject_size

min_version("9.27")


logger.addFilter(FailedJobs())

# Each configuration is complete: the demo is read only if no other file is named.
if not workflow.configfiles:

    configfile: "config/demo.yaml"


MANIFEST_FILE = f"{workflow.basedir}/data_manifest.yaml"
try:
    # jobs on cluster nodes read a frozen run, which contains the configuration
    values = config.get("configuration", config)
    STUDY = parse_configuration(values, " and ".join(map(str, workflow.configfiles)))
    MANIFEST = read_manifest(Path(MANIFEST_FILE))
except InputError as error:
    # raised, Snakemake would print its own traceback around the message
    sys.exit(f"error: {error}")


include: "pipeline/rules/common.smk"


# Jobs read their settings from a file that is frozen at the start of a run. Jobs on cluster nodes,
# which parse this Snakefile again, read it in place of the configuration.
RUN_TEXT = frozen_text(RUN)
RUN_FILE = frozen_path(f"{RESULTS}/runs", RUN_TEXT)
if not workflow.is_main_process:
    RUN_FILE = Path(workflow.configfiles[0])
    try:
        require_same_run(config, RUN)
    except InputError as error:
        sys.exit(f"error: {error}")
# Jobs run the code beside this file, not modules in the working directory. Their output goes to
# their log by the `tee` of pipeline/jobs/job_output.py. Threads that wait for each other sleep: by
# default they would spin, and take the cores that other jobs or programs need.
shell.prefix(
    f'export PYTHONPATH="{workflow.basedir}:$PYTHONPATH" PYTHONSAFEPATH=1'
    ' OMP_WAIT_POLICY="${{OMP_WAIT_POLICY:-passive}}"'
    f' {RUN_VARIABLE}="{RUN_FILE}"; set -euo pipefail;'
    f' tee() {{{{ python -IS "{workflow.basedir}/pipeline/jobs/job_output.py" "$1"; }}}}; '
)


include: "pipeline/rules/data.smk"
include: "pipeline/rules/features.smk"
include: "pipeline/rules/responses.smk"
include: "pipeline/rules/encoding.smk"
include: "pipeline/rules/audit.smk"
include: "pipeline/rules/partitions.smk"
include: "pipeline/rules/analyses.smk"
include: "pipeline/rules/maps.smk"
include: "pipeline/rules/tables.smk"
include: "pipeline/rules/validation.smk"
include: "pipeline/rules/report.smk"


rule all:
    """All results that the configuration requests (the default)."""
    default_target: True
    input:
        rules.report.input,
        [getattr(rules, analysis.target).input for analysis in ANALYSES.values()],


# Predictions are temporary: what reads them runs before others are made.
for each in workflow.rules:
    if "predictions" in each.input.keys():
        each.priority = READERS_PRIORITY


# Where each job's log and measurements go, and in which environment it runs.
for each in workflow.rules:
    if each.shellcmd:
        named = re.findall(r"\{(\w+)", str(each.output[0])) if each.output else []
        job = "_".join(f"{{{wildcard}}}" for wildcard in named)
        name = f"{each.name}/{job}" if job else each.name
        each.log_modifier = each.benchmark_modifier = workflow.modifier.path_modifier
        each.set_log(f"{RESULTS}/logs/{name}.log")
        if each.output:
            each.benchmark = f"{RESULTS}/benchmarks/{name}.tsv"
        each.conda_env = f"{workflow.basedir}/environment.yml"


onsuccess:
    for folder in (Path(RESULTS), Path(FEATURES).parent):
        # features may belong to others
        if os.access(folder, os.W_OK):
            join_checksums(folder)


onstart:
    try:
        require_writable([Path(RESULTS)])
        freeze(RUN_FILE.parent, RUN_TEXT)
        dag, order = workflow.dag, list(workflow.rules)
        jobs = sorted(dag.jobs, key=lambda job: order.index(job.rule))
        # a run of `preflight` or `fetch` alone has none to list
        if list_jobs(Path(RESULTS), jobs, dag.needrun_jobs()):
            logger.addFilter(ProgressLine(Path(RESULTS), job_estimates(STUDY, MANIFEST)))
            if BRIEF in os.environ:
                logger.addFilter(BriefOutput())
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
    workflow.config_settings.configfiles = [RUN_FILE.absolute()]
