"""Labelimg: sort folders of mixed images into folders of similar ones, cut images into segments and masks.

The names below are resolved when they are used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelimg.cache import FeatureCache as FeatureCache
    from labelimg.clusterimg.deep.candidates import Candidate as Candidate
    from labelimg.clusterimg.deep.candidates import Search as Search
    from labelimg.clusterimg.deep.clustering import deep_cluster as deep_cluster
    from labelimg.clusterimg.deep.embed import embed as embed
    from labelimg.clusterimg.deep.selection import best_clustering as best_clustering
    from labelimg.clusterimg.deep.training import Trained as Trained
    from labelimg.clusterimg.deep.training import Training as Training
    from labelimg.clusterimg.deep.training import train as train
    from labelimg.clusterimg.merging import merge as merge
    from labelimg.clusterimg.output import undo as undo
    from labelimg.clusterimg.pipeline import cluster as cluster
    from labelimg.clusterimg.report import write_report as write_report
    from labelimg.clusterimg.results import Clustering as Clustering
    from labelimg.clusterimg.results import Settings as Settings
    from labelimg.clusterimg.review import Review as Review
    from labelimg.clusterimg.sampling import suggest_threshold as suggest_threshold
    from labelimg.clusterimg.suggestion import Suggestion as Suggestion
    from labelimg.clusterimg.tried import Tried as Tried
    from labelimg.errors import LabelimgError as LabelimgError
    from labelimg.errors import MissingExtraError as MissingExtraError
    from labelimg.errors import ModelError as ModelError
    from labelimg.errors import OutputError as OutputError
    from labelimg.errors import TransferError as TransferError
    from labelimg.errors import UnreadableImageError as UnreadableImageError
    from labelimg.errors import UsageError as UsageError
    from labelimg.images import Unreadable as Unreadable
    from labelimg.segmentatimg.geometry import Rect as Rect
    from labelimg.segmentatimg.grabcut import grabcut as grabcut
    from labelimg.segmentatimg.hierarchy import levels as levels
    from labelimg.segmentatimg.maskfolder import MaskFolder as MaskFolder
    from labelimg.segmentatimg.methods import segment as segment
    from labelimg.segmentatimg.painting import Painting as Painting
    from labelimg.segmentatimg.prompts import Mark as Mark
    from labelimg.segmentatimg.prompts import Prompts as Prompts

_HOME = {
    "Candidate": "labelimg.clusterimg.deep.candidates",
    "Clustering": "labelimg.clusterimg.results",
    "FeatureCache": "labelimg.cache",
    "LabelimgError": "labelimg.errors",
    "Mark": "labelimg.segmentatimg.prompts",
    "MaskFolder": "labelimg.segmentatimg.maskfolder",
    "MissingExtraError": "labelimg.errors",
    "ModelError": "labelimg.errors",
    "OutputError": "labelimg.errors",
    "Painting": "labelimg.segmentatimg.painting",
    "Prompts": "labelimg.segmentatimg.prompts",
    "Rect": "labelimg.segmentatimg.geometry",
    "Review": "labelimg.clusterimg.review",
    "Search": "labelimg.clusterimg.deep.candidates",
    "Settings": "labelimg.clusterimg.results",
    "Suggestion": "labelimg.clusterimg.suggestion",
    "Trained": "labelimg.clusterimg.deep.training",
    "Training": "labelimg.clusterimg.deep.training",
    "TransferError": "labelimg.errors",
    "Tried": "labelimg.clusterimg.tried",
    "Unreadable": "labelimg.images",
    "UnreadableImageError": "labelimg.errors",
    "UsageError": "labelimg.errors",
    "best_clustering": "labelimg.clusterimg.deep.selection",
    "cluster": "labelimg.clusterimg.pipeline",
    "deep_cluster": "labelimg.clusterimg.deep.clustering",
    "embed": "labelimg.clusterimg.deep.embed",
    "grabcut": "labelimg.segmentatimg.grabcut",
    "levels": "labelimg.segmentatimg.hierarchy",
    "merge": "labelimg.clusterimg.merging",
    "segment": "labelimg.segmentatimg.methods",
    "suggest_threshold": "labelimg.clusterimg.sampling",
    "train": "labelimg.clusterimg.deep.training",
    "undo": "labelimg.clusterimg.output",
    "write_report": "labelimg.clusterimg.report",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(_HOME)
