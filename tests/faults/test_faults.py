"""Each system call of a dialogue fails, from its first use on and in its last: a selection of what sweep.py can do.

No process is left, none spins, the client has an answer or an end, and the log a line.
"""

import pytest

import sweep

# A Unix socket and TLS from the first octet on make no call that these do not make.
KINDS = ("superserver-tcp", "superserver-starttls", "listener-tcp", "listener-starttls")

pytestmark = pytest.mark.timed


@pytest.fixture(scope="module")
def plain(_stage):
    if not _stage.as_root:
        pytest.skip("needs root: a gate makes other calls with a user of its own")
    if "asan" in str(sweep.BUILD):
        pytest.skip("a sanitizer has to be the first library")
    _stage.certificate()
    return sweep.plain_runs(_stage, KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_call_that_fails_from_now_on(_stage, plain, kind):
    library, uses = plain
    cases = sweep.selection(kind, uses[kind])
    outcomes = list(sweep.sweep(_stage, library, cases, sweep.WORKERS))
    faults = [sweep.report(case, found, said, log) for case, found, _, said, log in outcomes if found]
    assert not faults, "\n".join(faults)
    assert sum(fired > 0 for _, _, fired, _, _ in outcomes) > len(cases) * 3 / 4, "hardly any fault came about"
