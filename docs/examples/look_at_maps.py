"""A finished run in nilearn, pandas and a browser, in ten lines.

    python docs/examples/look_at_maps.py results/demo data/demo/nsd bert FOLDER

File names have only the letters and digits of a model's name: clip_rn50 becomes clipRn50.
"""

import sys
from pathlib import Path

import pandas as pd
from nilearn import plotting

run, nsd, model, out = (Path(argument) for argument in sys.argv[1:])
subject, file = run / "maps/subj01/all", f"model-{model}_stat-r_statmap"
volume = subject / f"sub-01_space-func1pt8mm_{file}.nii.gz"
mean = nsd / "nsddata/ppdata/subj01/func1pt8mm/mean.nii.gz"
plotting.view_img(volume, bg_img=mean, threshold=0.1).save_as_html(out / "slices.html")
mni = subject / f"sub-01_space-MNI152NLin6Asym_{file}.nii.gz"
plotting.plot_glass_brain(mni, plot_abs=False, colorbar=True, output_file=out / "glass.png")
mesh = nsd / "nsddata/freesurfer/fsaverage/surf/lh.inflated"
left = subject / f"sub-01_hemi-L_space-fsaverage_{file}.func.gii"
plotting.view_surf(str(mesh), str(left), threshold=0.1).save_as_html(out / "surface.html")
print(pd.read_parquet(run / "tables/voxels").groupby(["subject", "model"])["r"].mean())
