RESULTS = f"results/{STUDY.study}"
FEATURES = f"results/features/{STUDY.stimulus_set}"
NSD = str(STUDY.nsd)
SIMULATED = STUDY.simulation is not None
SIMULATION = f"{STUDY.nsd.parent}/simulation.json"
# variance is planted in voxels: on surfaces, where voxels mix, there is no truth to compare with
VALIDATED = SIMULATED and STUDY.responses.space == STUDY.simulation.volume
MANIFEST = f"{workflow.basedir}/data_manifest.yaml"
EXPERIMENT_DESIGN = f"{NSD}/nsddata/experiments/nsd/nsd_expdesign.mat"

# What stands for the whole NSD tree among a rule's inputs. Real data do not change under their
# name, so their date says nothing; a tree that is simulated anew reruns what reads it.
TREE = SIMULATION if SIMULATED else ancient(EXPERIMENT_DESIGN)
CHECKED = [f"{RESULTS}/checked/{what}.json" for what in ("networks", "inputs")]


wildcard_constraints:
    subject=r"subj0[1-8]",
    space=r"[A-Za-z][A-Za-z0-9_]*",
    fit=r"[A-Za-z][A-Za-z0-9_]*",


def section(name):
    """One section of the configuration as text, whatever the order of its keys."""
    return canonical(STUDY.model_dump(mode="json", include={name})[name])


localrules:
    all,
    simulation,
    check,
    fetch_plan,
    fetch,
    preflight,
    features,
    responses,
    noise_ceilings,
    encoding,
    partitions,
    maps,
    tables,
    validation,
    report,
