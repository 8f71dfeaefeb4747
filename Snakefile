from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from pipeline.checkpoints import features_to_expect, network_to_load
from pipeline.chunk_advice import choose_chunks
from pipeline.code_version import code_version
from pipeline.configuration import local_folder, parse_configuration
from pipeline.errors import InputError
from pipeline.folders import require_writable
from pipeline.job_resources import JobResources
from pipeline.manifest import read_manifest
from pipeline.report.links import page_links
from pipeline.nsd_bucket import Bucket, find_files
from pipeline.seals import content_hash
from pipeline.settings import ANNOTATIONS, GROUP_SPACES, WHOLE
from pipeline.storage import canonical

min_version("9.20")


# Jobs run the code beside this file, wherever they run.
shell.prefix(f'export PYTHONPATH="{workflow.basedir}:$PYTHONPATH"; set -euo pipefail; ')

# Each configuration is complete in itself: the demo is read only when nothing else was named.
if not workflow.configfiles:

    configfile: "config/demo.yaml"


MANIFEST_FILE = f"{workflow.basedir}/data_manifest.yaml"
try:
    STUDY = parse_configuration(config, " and ".join(map(str, workflow.configfiles)))
    MANIFEST = read_manifest(Path(MANIFEST_FILE))
    if BUCKET := STUDY.nsd_bucket and Bucket.of(STUDY.nsd_bucket, MANIFEST):
        folder = local_folder(BUCKET.address, workflow.storage_settings.local_storage_prefix)
        STUDY = STUDY.model_copy(update={"nsd": folder})
        NSD_FILES = find_files(BUCKET, STUDY, MANIFEST)
        workflow.storage_registry.register_storage("s3", **BUCKET.settings)
    widths = Path(f"results/{STUDY.study}/checked/feature_widths.json")
    chunks = choose_chunks(STUDY, MANIFEST, widths)
    scatter = STUDY.scatter.model_copy(update={"voxel_chunks": chunks})
    STUDY = STUDY.model_copy(update={"scatter": scatter})
except InputError as error:
    raise WorkflowError(str(error)) from None


include: "pipeline/rules/common.smk"
include: "pipeline/rules/data.smk"
include: "pipeline/rules/features.smk"
include: "pipeline/rules/responses.smk"
include: "pipeline/rules/encoding.smk"
include: "pipeline/rules/audit.smk"
include: "pipeline/rules/partitions.smk"
include: "pipeline/rules/controls.smk"
include: "pipeline/rules/interpretation.smk"
include: "pipeline/rules/layers.smk"
include: "pipeline/rules/maps.smk"
include: "pipeline/rules/tables.smk"
include: "pipeline/rules/validation.smk"
include: "pipeline/rules/error_consistency.smk"
include: "pipeline/rules/learning_curves.smk"
include: "pipeline/rules/report.smk"


rule all:
    default_target: True
    input:
        rules.report.input,
        rules.interpretation.input,
        rules.representational_similarity.input,
        rules.layers.input,
        rules.error_consistency.input,
        rules.learning_curves.input,


onstart:
    try:
        require_writable([Path(RESULTS), Path(FEATURES)])
    except InputError as error:
        raise WorkflowError(str(error)) from None
