"""What the service tells of its bundle: the answers of /model and /map, made once."""

from __future__ import annotations

import numpy as np

from interpret import __version__
from interpret.explain.explainer import Explainer
from interpret.figures.palette import class_colours
from interpret.model.predictor import CUDA
from serving.answers import Coverage, Map, Model, RequestLimits
from serving.settings import Settings

MAP_POINTS = 2000  # of the gallery, at most: what a browser draws without effort
_DECIMALS = 3  # of the map


def about_model(explainer: Explainer, settings: Settings) -> Model:
    """The answer of /model: the bundle, how good it is, and where it runs."""
    manifest, predictor = explainer.bundle.manifest, explainer.predictor
    found = manifest.calibration
    return Model(
        name=manifest.name,
        fingerprint=manifest.fingerprint,
        toolkit=__version__,
        method=manifest.method,
        backbone=manifest.backbone,
        embedding_dim=manifest.embedding_dim,
        input_size=manifest.input_size,
        fit=manifest.fit,
        class_names=manifest.class_names,
        int8=manifest.quantization is not None,
        changes=[change.what for change in manifest.changes],
        accuracy=manifest.metrics.accuracy,
        balanced_accuracy=manifest.metrics.balanced_accuracy,
        split=manifest.metrics.split,
        examples=manifest.metrics.examples,
        coverage=found
        and Coverage(
            stated=found.coverage,
            measured=found.measured_coverage,
            accepted=found.accepted,
            accuracy_of_accepted=found.accuracy_of_accepted,
            split=found.split,
            examples=found.examples,
        ),
        device="cuda" if predictor.provider == CUDA else "cpu",
        provider=predictor.provider,
        threads=settings.process_threads,
        workers=settings.workers,
        limits=RequestLimits(
            max_bytes=settings.max_bytes,
            max_pixels=settings.max_pixels,
            max_pictures=settings.max_pictures,
            max_batch_bytes=settings.max_batch_bytes,
        ),
    )


def gallery_map(explainer: Explainer) -> Map:
    """The answer of /map: prototypes and training images in three dimensions."""
    bundle, view = explainer.bundle, explainer.projection
    count = len(bundle.embeddings)
    rows = np.unique(np.linspace(0, count - 1, min(count, MAP_POINTS)).astype(int))
    return Map(
        kept=view.kept,
        radius=float(np.linalg.norm(bundle.prototypes, axis=1).mean()),
        class_names=bundle.manifest.class_names,
        colours=class_colours(len(bundle.prototypes)),
        prototypes=view(bundle.prototypes).round(_DECIMALS).tolist(),
        ids=bundle.gallery.ids[rows].tolist(),
        labels=bundle.gallery.labels[rows].tolist(),
        points=view(bundle.embeddings[rows]).round(_DECIMALS).tolist(),
        fit=bundle.manifest.fit,
        input_size=bundle.manifest.input_size,
        gallery_mode=bundle.manifest.gallery_mode,
        model=explainer.model,
    )
