"""What the character set of a column of ours has to be on MySQL."""

from __future__ import annotations

import pytest

from hokusai_mlflow_plugin.db.schema.character_sets import _check, _Found

IN_MLFLOW = {"name": ("utf8mb3", "utf8mb3_general_ci")}


@pytest.mark.parametrize("column", ["name", "decided_name"])
def test_names_are_as_in_mlflow(column: str) -> None:
    """Each column that is compared with a model's name, that of a decision's time included."""
    found = _Found(
        "hokusai_decisions", column, "varchar", "varchar(256)", "YES", *IN_MLFLOW["name"]
    )
    assert _check(found, IN_MLFLOW) is None
    assert _check(found._replace(charset="latin1"), IN_MLFLOW) is not None
