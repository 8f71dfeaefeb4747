"""Paths of NSD's files. Nothing is opened here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

TRIALS_PER_SESSION = 750
# a session of NSD's core experiment by its number from 1, or that of another experiment by its name
Session = int | str
SYNTHETIC = "nsdsynthetic"
# trials of the other experiments' sessions
TRIALS_OF = {SYNTHETIC: 744}
# images of NSD-synthetic: all, and those that all subjects saw; the others were coloured for each
SYNTHETIC_IMAGES, SYNTHETIC_SHARED = 284, 220
# rows, columns and colours of their pictures
SYNTHETIC_FRAME = (714, 1360, 3)
# completed sessions of subj04 and subj08, the fewest of the eight subjects
FEWEST_SESSIONS = 30
IMAGE_SIZE = 425
HEMISPHERES = ("lh", "rh")
FSAVERAGE = "fsaverage"
# {folder of a functional volume: its name in transform files}
TRANSFORM_NAMES = {"func1pt8mm": "func1pt8", "func1mm": "func1pt0"}
# 25, 50 and 75 % of the way from the pial to the white surface
DEPTHS = ("layerB1", "layerB2", "layerB3")


def session_name(session: Session) -> str:
    """Name a session as files do: session01, nsdsynthetic."""
    return f"session{session:02d}" if isinstance(session, int) else session


@dataclass(frozen=True)
class NSDLayout:
    """Paths below the root of an NSD copy, laid out as in the public bucket."""

    root: Path

    @property
    def experiment_design(self) -> Path:
        """MATLAB file with the planned trials of all subjects."""
        return self.root / "nsddata/experiments/nsd/nsd_expdesign.mat"

    @property
    def image_table(self) -> Path:
        """Table of the 73,000 images."""
        return self.root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv"

    @property
    def stimuli(self) -> Path:
        """Pictures of all images."""
        return self.root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"

    @property
    def synthetic_design(self) -> Path:
        """MATLAB file with the trials of NSD-synthetic, the same for all subjects."""
        return self.root / f"nsddata/experiments/{SYNTHETIC}/{SYNTHETIC}_expdesign.mat"

    @property
    def synthetic_images(self) -> Path:
        """Table of the names and classes of the images of NSD-synthetic."""
        return self.root / f"nsddata/experiments/{SYNTHETIC}/{SYNTHETIC}imageinformation.csv"

    def synthetic_stimuli(self, subject: str | None = None) -> Path:
        """Path of the pictures of NSD-synthetic: those of all subjects, or coloured for one."""
        kind = "stimuli" if subject is None else f"colorstimuli_{subject}"
        return self.root / f"nsddata_stimuli/stimuli/{SYNTHETIC}/{SYNTHETIC}_{kind}.hdf5"

    @property
    def simulated_marker(self) -> Path:
        """File that only a simulated NSD has."""
        return self.root / "SIMULATED.json"

    @property
    def is_simulated(self) -> bool:
        """Test whether this is a simulated NSD."""
        return self.simulated_marker.exists()

    def annotations(self, kind: str, split: str) -> Path:
        """Path of COCO annotations: kind captions or instances, split train2017 or val2017."""
        return self.root / f"nsddata_stimuli/stimuli/nsd/annotations/{kind}_{split}.json"

    def behaviour(self, subject: str) -> Path:
        """Path of the table of completed trials."""
        return self.root / f"nsddata/ppdata/{subject}/behav/responses.tsv"

    def functional(self, subject: str, space: str) -> Path:
        """Path of the folder of a functional volume."""
        return self.root / f"nsddata/ppdata/{subject}/{space}"

    def mean_image(self, subject: str, space: str) -> Path:
        """Path of the mean functional image."""
        return self.functional(subject, space) / "mean.nii.gz"

    def valid_session(self, subject: str, space: str, session: Session) -> Path:
        """Path of the mask of voxels that a session covers."""
        return self.functional(subject, space) / f"valid_{session_name(session)}.nii.gz"

    def roi(self, subject: str, space: str, atlas: str, hemisphere: str | None = None) -> Path:
        """Path of the labels of a functional volume, of one hemisphere or both."""
        prefix = f"{hemisphere}." if hemisphere else ""
        return self.functional(subject, space) / f"roi/{prefix}{atlas}.nii.gz"

    def surface_roi(self, subject: str, atlas: str, hemisphere: str) -> Path:
        """Path of the labels of a subject's native surface; fsaverage is a subject too."""
        return self.root / f"nsddata/freesurfer/{subject}/label/{hemisphere}.{atlas}.mgz"

    def colour_table(self, subject: str, atlas: str) -> Path:
        """Path of the names of an atlas's labels; all subjects share those of MTL and thalamus.

        If neither file exists, it is the subject's own.
        """
        own = self.root / f"nsddata/freesurfer/{subject}/label/{atlas}.mgz.ctab"
        shared = sorted(self.templates.glob(f"*{atlas}*.ctab"))
        return shared[0] if len(shared) == 1 and not own.exists() else own

    @property
    def templates(self) -> Path:
        """Folder of templates and shared colour tables."""
        return self.root / "nsddata/templates"

    @property
    def mni_template(self) -> Path:
        """Template on whose grid maps in MNI152 space are."""
        return self.templates / "MNI152_T1_1mm.nii.gz"

    def surface(self, subject: str, hemisphere: str, name: str) -> Path:
        """Path of FreeSurfer's geometry or morphometry (white, sulc, …); fsaverage is a subject."""
        return self.root / f"nsddata/freesurfer/{subject}/surf/{hemisphere}.{name}"

    def volume_transform(self, subject: str, source: str, target: str) -> Path:
        """Path of a transform from a volume to a volume."""
        return self.root / f"nsddata/ppdata/{subject}/transforms/{source}-to-{target}.nii.gz"

    def surface_transform(self, subject: str, hemisphere: str, source: str, target: str) -> Path:
        """Path of a transform to a surface."""
        folder = self.root / f"nsddata/ppdata/{subject}/transforms"
        return folder / f"{hemisphere}.{source}-to-{target}.mgz"

    def beta_folder(self, subject: str, space: str, betas: str) -> Path:
        """Path of the folder of a beta version."""
        return self.root / f"nsddata_betas/ppdata/{subject}/{space}/{betas}"

    def session_folder(self, subject: str, space: str, betas: str, session: Session) -> Path:
        """Path of the folder with a session's betas."""
        experiment = "" if isinstance(session, int) else session
        return self.beta_folder(subject, space, f"{experiment}{betas}")

    def betas(self, subject: str, space: str, betas: str, session: Session) -> Path:
        """Path of a session's betas: HDF5 if it is there (faster), else NIfTI.

        If neither file exists, it is the HDF5 file.
        """
        folder = self.session_folder(subject, space, betas, session)
        hdf5 = folder / f"betas_{session_name(session)}.hdf5"
        nifti = folder / f"betas_{session_name(session)}.nii.gz"
        return nifti if nifti.exists() and not hdf5.exists() else hdf5

    def ncsnr(self, subject: str, space: str, betas: str) -> Path:
        """Path of the ncsnr of a functional volume."""
        return self.beta_folder(subject, space, betas) / "ncsnr.nii.gz"

    def surface_betas(
        self, subject: str, space: str, betas: str, session: Session, hemisphere: str
    ) -> Path:
        """Path of a session's betas of one hemisphere."""
        suffix = {"nativesurface": "hdf5", "fsaverage": "mgh"}[space]
        folder = self.session_folder(subject, space, betas, session)
        return folder / f"{hemisphere}.betas_{session_name(session)}.{suffix}"

    def surface_ncsnr(self, subject: str, space: str, betas: str, hemisphere: str) -> Path:
        """Path of the ncsnr of one hemisphere."""
        return self.beta_folder(subject, space, betas) / f"{hemisphere}.ncsnr.mgh"
