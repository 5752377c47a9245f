"""What several answers have in common."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

exact_fields = with_config(ConfigDict(extra="forbid", strict=True))

Milliseconds = Annotated[int, Field(description="Epoch milliseconds.")]
Exact = Annotated[str, Field(description="An exact decimal.", examples=["0.85"])]
Points = Annotated[str, Field(description="Percentage points, an exact decimal.", examples=["1.5"])]
VersionNumber = Annotated[str, Field(pattern=r"^[0-9]+$", examples=["3"])]
Actor = Annotated[
    str | None,
    Field(description="Whose request it came from; null where the server has no users."),
]
PageToken = Annotated[
    str, Field(description="Ask with it for the next page. Not there on the last page.")
]
DirectionName = Literal["maximize", "minimize"]
EvidenceName = Annotated[
    Literal["run_backed", "mismatch", "reused", "claimed"],
    Field(description="What the tracking server knows of the value."),
]


class Error(TypedDict):
    """MLflow's error body."""

    error_code: Annotated[str, Field(examples=["INVALID_PARAMETER_VALUE"])]
    message: str
