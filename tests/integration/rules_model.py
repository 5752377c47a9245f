"""The tag rules in few lines, apart from the plugin's code, for values of known validity."""

from __future__ import annotations

from dataclasses import dataclass, field

from support.registry import METRIC, PROMPT, TOKEN, VALUE

ADDRESS = "0x742d35Cc6634C0532925a3b844Bc9e7595f5b4e1"
REQUIRED = {TOKEN, METRIC, VALUE}
GOOD = {
    TOKEN: ["IMG-001", "SENT-2"],
    # Nobody knows which way these get better, so no reward ever locks a tag.
    METRIC: ["loss of mine", "score/of-mine"],
    VALUE: ["0.5", "1e-3"],
    "contributor": ["alice", ADDRESS],
    "contributor_address": ["alice", ADDRESS.lower()],
    PROMPT: ["true", "false"],
    "note": ["a", "b"],
}
BAD = {TOKEN: ["img_001", ""], METRIC: [" loss", "a%"], VALUE: ["nan", "１"]}
VALUES = {key: GOOD[key] + BAD.get(key, []) for key in GOOD}

Tags = dict[str, str]


@dataclass
class Model:
    """A registered model: its own token, and its live versions by number."""

    token: str | None = None
    versions: dict[int, Tags] = field(default_factory=dict)
    last: int = 0
    """The highest number given out; a deleted version keeps its own."""


def at_fault(tags: Tags, model_token: str | None) -> set[str]:
    """The keys of the tags that are there and break a rule."""
    keys = {key for key in REQUIRED & tags.keys() if tags[key] not in GOOD[key]}
    if TOKEN in tags and model_token not in (None, tags[TOKEN]):
        keys.add(TOKEN)
    people = {tags[key].lower() for key in ("contributor", "contributor_address") if key in tags}
    return keys | {"contributor", "contributor_address"} if len(people) == 2 else keys


def is_tokenised(tags: Tags, model_token: str | None) -> bool:
    """Whether a version counts."""
    complete = tags.keys() >= REQUIRED and tags.get(PROMPT) != "true"
    return complete and not at_fault(tags, model_token)


def accepts_creation(tags: Tags, model_token: str | None) -> bool:
    """Whether a version with these tags may be created."""
    ordinary = TOKEN not in tags or tags.get(PROMPT) == "true"
    return ordinary or is_tokenised(tags, model_token)


def accepts_tag(before: Tags, after: Tags, key: str, model_token: str | None) -> bool:
    """Whether one tag of a version may be set or deleted."""
    if before == after:
        return True
    if is_tokenised(before, model_token):
        return is_tokenised(after, model_token)
    if TOKEN not in after or after.get(PROMPT) == "true":
        return True
    faults = at_fault(after, model_token)
    return not faults if key in (TOKEN, PROMPT) else key not in faults


def accepts_model_token(token: str, model: Model) -> bool:
    """Whether a model may carry a token: no live version of it, prompt or not, has another."""
    carried = {tags[TOKEN] for tags in model.versions.values() if TOKEN in tags}
    return token in GOOD[TOKEN] and carried <= {token}
