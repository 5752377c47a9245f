"""The templates, in an environment of their own: MLflow's app keeps its own untouched."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from hokusai_mlflow_plugin import __version__
from hokusai_mlflow_plugin.domain.explanations import evidence_text
from hokusai_mlflow_plugin.web.pages import formats

_FILTERS = (
    formats.better,
    formats.contributor,
    formats.cut,
    formats.evidence,
    formats.iso,
    formats.meaning,
    formats.minute,
    formats.outcome,
    formats.points,
    formats.short,
    formats.tags,
    formats.utc,
)


class _Environment(Environment):
    """``item.key`` looks into a dictionary first.

    Jinja tries attributes first, and a page of a long lineage has thousands of keys that are none.
    """

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


@cache
def _environment() -> Environment:
    environment = _Environment(
        loader=PackageLoader("hokusai_mlflow_plugin.web.pages"),
        # Whatever the file is called: names, tags and tokens are what strangers wrote.
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,  # an installed template does not change
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({each.__name__: each for each in _FILTERS})
    environment.globals.update(
        counted=formats.counted, evidence_text=evidence_text, plugin_version=__version__
    )
    return environment


def render(template: str, **context: Any) -> str:
    """A template as HTML; every value in it is escaped."""
    return _environment().get_template(template).render(**context)
