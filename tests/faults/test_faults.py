"""Each system call of a dialogue fails, from its first use on and in its last: a selection of what sweep.py can do.

No process is left, none spins, the client has an answer or an end, and the log a line.
"""

import pytest

import sweep

# A Unix socket and TLS from the first octet on make no call that these do not make.
KINDS = ("superserver-tcp", "superserver-starttls", "listener-tcp", "listener-starttls")

pytestmark = pytest.mark.timed


@pytest.fixture(scope="module")
def outcomes(_stage):
    """Of all kinds together: one pool has fewer moments in which the last case is waited for. {kind: [(case, found, fired, ...)]}."""
    if not _stage.as_root:
        pytest.skip("needs root: a gate makes other calls with a user of its own")
    if "asan" in str(sweep.BUILD):
        pytest.skip("a sanitizer has to be the first library")
    _stage.certificate()
    library, uses = sweep.plain_runs(_stage, KINDS)
    cases = [case for kind in KINDS for case in sweep.selection(kind, uses[kind])]
    found = {kind: [] for kind in KINDS}
    for outcome in sweep.sweep(_stage, library, cases, sweep.WORKERS):
        found[outcome[0].kind].append(outcome)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_call_that_fails_from_now_on(outcomes, kind):
    faults = [sweep.report(case, found, said, log) for case, found, _, said, log in outcomes[kind] if found]
    assert not faults, "\n".join(faults)
    fired = sum(fired > 0 for _, _, fired, _, _ in outcomes[kind])
    assert fired > len(outcomes[kind]) * 3 / 4, "hardly any fault came about"
