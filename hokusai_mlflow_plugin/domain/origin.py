"""Tags that say where a version's model was made, and which copies were not finished (R16)."""

from __future__ import annotations

ORIGIN_TRACKING_TAG = "hokusai_origin_tracking_uri"
ORIGIN_RUN_TAG = "hokusai_origin_run_id"
ORIGIN_MODEL_TAG = "hokusai_origin_model_id"

COPY_TAG = "hokusai_copy"
"""On runs and logged models that are copies: ``COPYING``, and ``COPIED`` once a version names them.
"""
COPYING = "unfinished"
COPIED = "finished"
COPY_FOR_TAG = "hokusai_copy_for"
"""The registered model that a copy is made for, where that was created with it."""
