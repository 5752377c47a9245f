"""The protections that ``stress_sabotage.py`` takes away, and what then has to turn red."""

from __future__ import annotations

from dataclasses import dataclass

Edit = tuple[str, str, str]
"""A file, what it says, and what it is to say instead."""


@dataclass(frozen=True)
class Sabotage:
    """One protection that is taken away."""

    edits: tuple[Edit, ...]
    test: str = ""
    """The test that shows it; where there is none, the stress run does."""


_DELTAONE = "tests/integration/deltaone"
_DECISIONS = "services/deltaone/decisions.py"
_UNPAID = "services/deltaone/unpaid.py"
_PAID_ONCE = f"{_DELTAONE}/test_paid_once.py"

SABOTAGES: dict[str, Sabotage] = {
    # Found by the stress run.
    "no-model-lock": Sabotage(
        (
            (
                "db/index/live_versions.py",
                "    for model in sorted(models):\n        begin_writing(connection)\n",
                "    for model in ():\n        begin_writing(connection)\n",
            ),
        )
    ),
    "no-second-look": Sabotage(
        (
            (
                "services/registry_writes.py",
                "    for key, (before, stage) in sorted(changes.staged.items()):\n",
                "    for key, (before, stage) in ():\n",
            ),
        )
    ),
    # Without the first alone nothing is wrong: the unique id of an event refuses the second one.
    "no-compare-and-swap": Sabotage(
        (
            (
                "db/deltaone/series_heads.py",
                '    series.c.head_decision_id == bindparam("old_decision"),\n',
                '    bindparam("old_decision").is_not(None),\n',
            ),
            (
                "services/rewards/ledger.py",
                "str(uuid.uuid5(uuid.UUID(ledger_id), rfc8785.dumps(list(of)).decode()))",
                "str(uuid.uuid4())",
            ),
            # And verification names an id that does not follow from its step.
            (
                "services/rewards/event_checks.py",
                '    return bool(row["event_id"] == own)\n',
                "    return True\n",
            ),
            # Its lock alone would keep the second writer waiting until the first is done.
            (
                "db/deltaone/series_heads.py",
                "    .order_by(series.c.workspace)\n    .with_for_update()\n",
                "    .order_by(series.c.workspace)\n",
            ),
        )
    ),
    "no-read-committed": Sabotage(
        (
            (
                "store/session.py",
                'engine.execution_options(isolation_level="READ COMMITTED")',
                "engine.execution_options()",
            ),
        )
    ),
    "no-retries": Sabotage((("store/retries.py", "_ATTEMPTS = 6\n", "_ATTEMPTS = 1\n"),)),
    "no-check-of-deleted-tags": Sabotage(
        (
            (
                "store/listener.py",
                "    for row in session.deleted:\n        _add_tag_write(changes, created, row)\n",
                "    for row in session.deleted:\n",
            ),
        )
    ),
    "no-paid-run-key": Sabotage(
        (
            (
                "db/deltaone/paid_runs.py",
                "        if not insert_if_absent(connection, paid_runs, sealed(paid_runs, row)):\n",
                "        insert_if_absent(connection, paid_runs, sealed(paid_runs, row))\n"
                "        if False:\n",
            ),
        )
    ),
    "no-totals-added": Sabotage(
        (
            (
                "services/rewards/payee_totals.py",
                "            sums[key] = _plus(sums[key], of_row(row))\n",
                "            sums[key] = sums[key]\n",
            ),
        )
    ),
}
SABOTAGES |= {
    # Found by a race of a test's own, or by a test.
    "no-server-wide-lock": Sabotage(
        (
            (
                "db/deltaone/series_heads.py",
                "    .order_by(series.c.workspace)\n    .with_for_update()\n",
                "    .order_by(series.c.workspace)\n",
            ),
        ),
        f"{_DELTAONE}/test_series_race.py::test_workspaces_race",
    ),
    "no-lock-of-an-amended-series": Sabotage(
        (
            (
                "services/deltaone/tag_locks.py",
                "        series_heads.lock_series(connection, _affected_series(",
                "        (lambda *_: None)(connection, _affected_series(",
            ),
        ),
        f"{_DELTAONE}/test_reward_locks.py::test_an_amendment_waits_for_a_reward_that_is_under_way",
    ),
    "no-look-elsewhere": Sabotage(
        ((_UNPAID, "    for each in elsewhere:\n", "    for each in ():\n"),),
        f"{_PAID_ONCE}::test_one_token_in_two_workspaces",
    ),
    "no-run-is-used-up": Sabotage(
        (
            (
                "services/deltaone/evidence.py",
                "    paid = paid_runs.paid_among(connection, rests_on)\n",
                "    paid = set()\n",
            ),
            (
                _DECISIONS,
                "    if paid_runs.take(connection, ",
                "    if True or paid_runs.take(connection, ",
            ),
        ),
        f"{_DELTAONE}/test_evidence.py::test_a_run_backs_one_reward",
    ),
    "no-runs-of-the-release-before": Sabotage(
        (
            (
                "db/deltaone/paid_runs.py",
                "    for workspace, after in unnoted:\n",
                "    for workspace, after in ():\n",
            ),
        ),
        "tests/migration/test_last_release.py::test_its_paid_runs_back_nothing_else",
    ),
    "no-race-with-the-release-before": Sabotage(
        (
            (
                "services/rewards/catching_up.py",
                "    for run_id, paid_for in found:\n        if decision_id is not None and ",
                "    for run_id, paid_for in found:\n        if False and ",
            ),
        ),
        "tests/migration/test_last_release.py::test_a_race_with_it_for_one_run",
    ),
    "no-runs-of-others": Sabotage(
        (
            (
                "store/evidence.py",
                "    return [logged for logged in found if may_read[logged.experiment_id]]\n",
                "    return found\n",
            ),
        ),
        f"{_DELTAONE}/test_evidence.py::test_a_run_that_the_sender_may_not_read",
    ),
    "no-past-the-plugin": Sabotage(
        ((_UNPAID, "        return write.was_complete\n", "        return False\n"),),
        f"{_PAID_ONCE}::test_written_past_the_plugin",
    ),
    "no-amendments-past-the-plugin": Sabotage(
        (
            (
                _UNPAID,
                "    return any(differs[key] for key in differs if key not in write.written)\n",
                "    return False\n",
            ),
        ),
        f"{_PAID_ONCE}::test_amended_past_the_plugin",
    ),
    "no-canonical-names": Sabotage(
        (
            (
                "domain/metric_catalogue.py",
                "        return name if metric is None else metric.name\n",
                "        return name\n",
            ),
        ),
        f"{_PAID_ONCE}::test_names_of_one_metric_share_a_series",
    ),
    "no-look-alikes": Sabotage(
        (
            (
                "domain/tags.py",
                "    return [] if fault is None else [fault]\n",
                "    return []\n",
            ),
        ),
        f"{_PAID_ONCE}::test_renaming_the_metric_decides_nothing",
    ),
    "no-past-of-a-series": Sabotage(
        (
            (
                _DECISIONS,
                "    if candidate.direction is None or candidate.copy_of is not None:\n",
                "    if True:\n",
            ),
        ),
        f"{_PAID_ONCE}::test_direction_that_is_said_later",
    ),
    "no-copies": Sabotage(
        (
            (
                "services/deltaone/copies.py",
                '    return f"{name} version {origin.version}" if same else None\n',
                "    return None\n",
            ),
        ),
        "tests/integration/queries/test_copies_after_renames.py::test_the_outcome_of_a_copy",
    ),
    "no-other-catalogue": Sabotage(
        (
            (
                "services/index/known_catalogue.py",
                "    if known is not None and known != fingerprint(catalogue):\n",
                "    if False:\n",
            ),
        ),
        "tests/cli/test_index.py::test_another_catalogue_is_not_compared",
    ),
    "no-look-at-the-key": Sabotage(
        (
            (
                "store/listener.py",
                "for each in state.mapper.column_attrs)",
                'for each in state.mapper.column_attrs if each.key == "value")',
            ),
        ),
        "tests/integration/test_equality.py::test_a_row_that_was_written_past_the_plugin",
    ),
}
