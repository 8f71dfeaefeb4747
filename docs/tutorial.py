# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Tutorial: the demo, step by step
#
# This tutorial runs the demo and looks at its results: tables, brain maps, and a result file. It
# is a notebook (`docs/tutorial.py`). Run it after `make demo`, in Jupyter or VS Code, from the
# folder of the repository or from `docs/`. `make docs` runs it too, and the site displays
# the output.
#
# ## 1. Run the demo
#
# In a terminal, in the folder of the repository:
#
# ```
# make demo
# ```
#
# This installs the project into `.venv` and runs the workflow with `config/demo.yaml`, which takes
# six minutes on two idle cores of a server, up to fifteen on slower or busy ones. The demo has one
# simulated subject, who saw 500 images three times each. These steps run one after another; each
# has a target of its own, such as `snakemake maps`:
#
# | target | what it makes |
# |---|---|
# | `simulation` | an NSD with a simulated brain, in NSD's own files and formats |
# | `features` | features of the images and captions, from six networks |
# | `responses` | single-trial responses, z-scored and averaged over repeats, and ROI labels |
# | `encoding` | a banded ridge model for each voxel, of each feature space and of each comparison |
# | `significance`, `partitions` | tests, intervals, and unique and shared variance |
# | `maps`, `tables`, `figures`, `report` | results to look at |
#
# The report is `results/demo/report/index.html`. Here we open the same results in Python.

# %%
import json
import warnings
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import nibabel as nib
import pandas as pd
import yaml
from nilearn import plotting

# nilearn warns that it draws NaN as 0, and that simulated surfaces have short headers
warnings.filterwarnings("ignore", category=UserWarning)

here = Path.cwd()
root = here if (here / "config/demo.yaml").exists() else here.parent
study = yaml.safe_load((root / "config/demo.yaml").read_text())
results = root / "results/demo"
nsd = root / study["nsd"]
print(*sorted(path.name for path in results.iterdir()))

# %% [markdown]
# ## 2. What was simulated
#
# Each region with signal is driven by known feature spaces, in known proportions: EBA by features
# of the pictures (of EfficientNet-Lite0, trained on ImageNet), VWFA-1 by features of their captions
# (of a small BERT), FFA-1 and PPA by both. What NSD calls streams surrounds them: the early and
# midventral ones are driven by two untrained networks, the ventral and lateral ones by both
# pretrained networks. All other voxels of the mask contain only noise. A good analysis has to
# recover these proportions.

# %%
groups = study["simulation"]["groups"]
planted = pd.DataFrame({group["roi"]: group["proportions"] for group in groups}).T.fillna(0)
planted

# %% [markdown]
# ## 3. How well does each model predict?
#
# `tables/correlations.tsv` has one row per subject, ROI and model. `mean_normalised_r` is the
# mean test correlation, divided by the mean of its upper bound given the noise (the square root
# of the noise ceiling). 1 would be a perfect model.

# %%
correlations = pd.read_csv(results / "tables/correlations.tsv", sep="\t", na_values="n/a")
correlations = correlations.query("subject == 'subj01' and variant == 'all'")
rois = [group["roi"] for group in groups if group["atlas"] in study["rois"]]
scores = correlations[correlations["roi"].isin(rois)].pivot(
    index="roi", columns="model", values="mean_normalised_r"
)
scores.loc[rois, study["models"]].round(2)

# %% [markdown]
# The JSON file beside each table describes every column:

# %%
sidecar = json.loads((results / "tables/correlations.json").read_text())
meanings = pd.Series(sidecar["columns"], name="meaning").to_frame()
selected = meanings.loc[["mean_r", "mean_r2", "mean_ceiling", "mean_normalised_r", "n_voxels"]]
selected.style.set_properties(**{"white-space": "normal", "text-align": "left"})

# %% [markdown]
# ## 4. What does each feature space explain alone?
#
# Two feature spaces that predict a voxel equally well may explain the same variance, or different
# parts of it. Variance partitioning distinguishes these cases. A *comparison* has components: the
# unique variance of each space, and the variance that spaces share. `tables/partitions.tsv` has
# them per ROI, as test R².

# %%
partitions = pd.read_csv(results / "tables/partitions.tsv", sep="\t", na_values="n/a")
chosen = partitions.query(
    "subject == 'subj01' and variant == 'all' and comparison == 'efficientnet_vs_bert'"
)
components = ["efficientnet", "bert", "efficientnet&bert"]
variance = chosen.pivot(index="roi", columns="component", values="mean_variance")
axes = variance.loc[rois, components].plot.bar(rot=0, ylabel="variance explained (test R²)")
axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %% [markdown]
# The signal of EBA comes only from EfficientNet, that of VWFA-1 only from BERT, but much of the
# variance is shared, because a caption says what its picture shows. Shared variance is therefore no
# evidence that both spaces drive a voxel. Only unique variance distinguishes them: it is
# EfficientNet's in EBA, and BERT's in VWFA-1.
#
# In a simulated study we can compare with the truth. `recovered` is what the workflow found,
# `oracle` what a ridge model with the best possible penalties finds with as many images,
# `perfect` what was planted.

# %%
recovery = pd.read_csv(results / "validation/recovery.tsv", sep="\t", na_values="n/a")
recovery = recovery[recovery["comparison"] == "efficientnet_vs_bert"]
recovery[["group", "component", "perfect", "oracle", "recovered", "n_voxels"]].round(3)

# %% [markdown]
# With 400 training images no ridge model separates the two spaces as well as a perfect fit would:
# in most ROIs the oracle finds less unique and more shared variance than was planted. The workflow
# comes close to the oracle.
#
# ## 5. Maps
#
# Maps are NIfTI files in the space of the responses, and, in the demo, also in MNI space and on
# surfaces, in a folder per model and comparison. File names follow BIDS; the name of a model is
# written without underscores there, so that `clip_rn50` becomes `clipRn50`. NaN marks voxels that
# were not modelled.

# %%
maps = results / "maps/subj01/all/efficientnet"
r_map = maps / "sub-01_space-func1pt8mm_model-efficientnet_stat-r_statmap.nii.gz"
mean_epi = nsd / "nsddata/ppdata/subj01/func1pt8mm/mean.nii.gz"
plotting.plot_stat_map(
    r_map, bg_img=mean_epi, threshold=0.1, vmax=1, title="test correlation, EfficientNet"
)
plt.show()

# %% [markdown]
# `_desc-fdr05` maps have only the voxels with q ≤ 0.05 (false discovery rate over the voxels of
# the map):

# %%
thresholded = maps / "sub-01_space-func1pt8mm_model-efficientnet_stat-r_desc-fdr05_statmap.nii.gz"
plotting.plot_stat_map(thresholded, bg_img=mean_epi, vmax=1, title="the same, where q ≤ 0.05")
plt.show()

# %% [markdown]
# On surfaces, maps are GIFTI files, one per hemisphere. The simulated fsaverage is coarse.

# %%
left_r = maps / "sub-01_hemi-L_space-fsaverage_model-efficientnet_stat-r_statmap.func.gii"
left_mesh = nsd / "nsddata/freesurfer/fsaverage/surf/lh.inflated"
plotting.plot_surf_stat_map(
    str(left_mesh), nib.load(left_r).darrays[0].data, hemi="left", view="lateral", vmax=1
)
plt.show()

# %% [markdown]
# `plotting.view_img` and `plotting.view_surf` display the same maps interactively. The report has
# such pages for every model.
#
# ## 6. All voxels as a table
#
# `tables/voxels/` is a Parquet data set: one row per voxel and model, with ROI labels. An
# example: the median test correlation of each model, in voxels of the FFA and in voxels outside
# all face-selective ROIs.

# %%
voxels = pd.read_parquet(results / "tables/voxels")
voxels = voxels[voxels["variant"] == "all"]
where = voxels["roi_floc-faces"].where(voxels["roi_floc-faces"].fillna("") != "", "elsewhere")
voxels.groupby([where, "model"], observed=True)["r"].median().unstack().round(2)

# %% [markdown]
# ## 7. A result file
#
# Tables and maps are made from HDF5 files. Each fitted model has one: scores, penalties and noise
# ceilings of every voxel, and, as an attribute, the provenance of the file.

# %%
with h5py.File(results / "encoding/subj01/all/efficientnet.h5") as file:
    for name, dataset in file.items():
        print(name, getattr(dataset, "shape", ""), getattr(dataset, "dtype", ""))
    print("attributes:", *file.attrs)
    r2, ceiling = file["r2"][()], file["noise_ceiling"][()]

plt.scatter(ceiling, r2, s=4)
plt.axline((0, 0), slope=1, color="black")
plt.xlabel("noise ceiling (R²)")
plt.ylabel("test R² of EfficientNet")
plt.show()

# %% [markdown]
# Points near the line are voxels in which the model explains all explainable variance. Voxels
# without signal have a noise ceiling near 0, and R² near 0 or below.
#
# ## 8. Change something
#
# Activate the environment (`source .venv/bin/activate`), and edit `config/demo.yaml`. For
# example, give AlexNet's space another layer: `alexnet: {network: alexnet, layer: fc6}`. Then
#
# ```
# snakemake -n
# ```
#
# lists the jobs that would run again, and why: those of this feature space, and those that display
# its results. Other spaces are not fitted again. `snakemake` runs the jobs.
#
# Where to go from here: [model the real NSD](real_data.md), [use a network of your
# own](own_network.md), [choose comparisons and variants](comparisons.md), or read how [encoding
# models](encoding_models.md) are fitted and [tested](significance.md).
