"""Settings of the match of images with their captions, and what it adds to a study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.analyses.analysis import Analysis
from pipeline.analyses.identification.analysis import ErrorConsistencySettings
from pipeline.configuration.features import NetworkSettings
from pipeline.configuration.names import declared
from pipeline.configuration.settings import Settings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study


# stimuli of the two feature spaces, and what their networks have in common
STIMULI = {"image": ("image",), "captions": ("captions", "first_caption")}
SAME = ("library", "architecture", "weights", "pretrained_tag", "seed")


class CaptionMatchSettings(Settings):
    """Match of images with their captions, by a network that embeds images and texts.

    The match of each test image is compared with how well models predict the responses to it
    (`error_consistency`).
    """

    image: str
    """Feature space of the embedding of images, such as `clip_vitb32`."""
    captions: str
    """Feature space of the same network's embedding of captions, such as `clip_text`."""


class CaptionMatch(Analysis):
    """Match of images with their captions, and the accuracy of predicted response patterns."""

    target = "caption_match"
    tables = {
        "caption_match": "Match of images with their captions",
        "caption_match_accuracy": "Match with captions and accuracy of predicted patterns",
    }
    settings = {"caption_match": (CaptionMatchSettings | None, None)}

    def check(self, study: Study) -> None:
        """Raise ValueError where the settings do not go with the study."""
        if (settings := study.section(CaptionMatchSettings)) is None:
            return
        if study.section(ErrorConsistencySettings) is None:
            raise ValueError(
                "caption_match: uses the correlations of patterns of `error_consistency`, which "
                "the configuration lacks; add it"
            )
        found = set()
        for key, name in (("image", settings.image), ("captions", settings.captions)):
            declared(f"caption_match.{key}", [name], study.feature_spaces)
            space = study.feature_spaces[name]
            if space.reduction is not None:
                raise ValueError(f"caption_match.{key}: {name} is reduced; name the embedding")
            network = study.networks[space.network]
            # the embeddings of features that are given cannot be checked
            if isinstance(network, NetworkSettings):
                if network.stimulus not in STIMULI[key]:
                    raise ValueError(
                        f"caption_match.{key}: {name} is of {network.stimulus}, not of "
                        f"{' or '.join(STIMULI[key])}"
                    )
                if space.taken != "embedding":
                    raise ValueError(
                        f"caption_match.{key}: {name} is of the layer {space.taken}, whose "
                        "features of images and texts cannot be compared; name one of `embedding`"
                    )
                found.add(tuple(getattr(network, setting) for setting in SAME))
        if len(found) > 1:
            raise ValueError(
                f"caption_match: {settings.image} and {settings.captions} are not of the same "
                f"network ({', '.join(SAME)})"
            )

    def feature_spaces(self, study: Study) -> list[str]:
        """Return the two embeddings."""
        settings = study.section(CaptionMatchSettings)
        return [settings.image, settings.captions] if settings else []

    def results(self, study: Study, subject: str) -> list[str]:
        """Return the subject's result files."""
        return [f"caption_match/{subject}.h5"]

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        if settings := study.section(CaptionMatchSettings):
            yield (
                f"Match with captions. The embeddings {settings.image} of each test image and "
                f"{settings.captions} of its captions (mean over captions) were compared by their "
                "cosine. Over test images, the cosine was correlated (Spearman) with that of a "
                "region's predicted and measured response patterns, with the false discovery rate "
                "over all models and regions of a subject."
            )


ANALYSIS = CaptionMatch()
