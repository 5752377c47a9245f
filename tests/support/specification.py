"""The Python blocks of the specification, and running them as they are written.

What a block stands for is supplied: run ids become those of a real run, and names that it leaves
open, such as ``train_model``, come from the namespace.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SPECIFICATION = Path(__file__).parents[2] / "docs" / "model-registry.md"

_PART = re.compile(r"^#+ (?P<heading>.+)$|^```python\n(?P<code>[\s\S]*?)^```$", re.MULTILINE)
_RUN = re.compile(r"runs:/\w+/model")


@dataclass(frozen=True)
class Block:
    """One Python block, under the heading that it illustrates."""

    heading: str
    code: str
    line: int


def python_blocks() -> dict[str, Block]:
    """Every Python block of the specification by its heading, in order."""
    page = SPECIFICATION.read_text(encoding="utf-8")
    heading, found = "", {}
    for part in _PART.finditer(page):
        if part["heading"]:
            heading = part["heading"]
            continue
        if heading in found:
            raise ValueError(f"Two blocks under {heading!r}: name them apart here.")
        line = page.count("\n", 0, part.start()) + 2
        found[heading] = Block(heading, part["code"], line)
    return found


@dataclass
class Session:
    """A Python session that runs block after block, and remembers what came of each."""

    namespace: dict[str, Any]
    run_id: str
    """The real run that stands for every run that the specification names."""
    printed: dict[str, str] = field(default_factory=dict)
    names: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """All names after each block."""

    def run(self, block: Block, rewrite: Callable[[str], str] = str) -> str:
        """Run a block and return what it printed; an error is raised with its line in the page."""
        source = rewrite(_RUN.sub(f"runs:/{self.run_id}/model", block.code))
        code = compile("\n" * (block.line - 1) + source, str(SPECIFICATION), "exec")
        with redirect_stdout(io.StringIO()) as output:
            exec(code, self.namespace)  # noqa: S102  # the specification's own code
        self.printed[block.heading] = output.getvalue()
        self.names[block.heading] = dict(self.namespace)
        return output.getvalue()
