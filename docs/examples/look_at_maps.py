"""A finished run in nilearn, pandas and a browser, in ten lines.

python docs/examples/look_at_maps.py results/demo data/demo/nsd bert FOLDER
"""

import sys
from pathlib import Path

import pandas as pd
from nilearn import plotting

run, nsd, model, out = (Path(argument) for argument in sys.argv[1:])
maps = run / "maps/subj01/all" / model
(volume,) = maps.glob("*_space-func1pt8mm_model-*_stat-r_statmap.nii.gz")
mean = nsd / "nsddata/ppdata/subj01/func1pt8mm/mean.nii.gz"
plotting.view_img(volume, bg_img=mean, threshold=0.1).save_as_html(out / "slices.html")
(mni,) = maps.glob("*_space-MNI152NLin6Asym_model-*_stat-r_statmap.nii.gz")
plotting.plot_glass_brain(mni, plot_abs=False, colorbar=True, output_file=out / "glass.png")
mesh = nsd / "nsddata/freesurfer/fsaverage/surf/lh.inflated"
(left,) = maps.glob("*_hemi-L_space-fsaverage_model-*_stat-r_statmap.func.gii")
plotting.view_surf(str(mesh), str(left), threshold=0.1).save_as_html(out / "surface.html")
print(pd.read_parquet(run / "tables/voxels").groupby(["subject", "model"])["r"].mean())
