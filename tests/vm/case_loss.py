"""Nothing is lost when the mailbox program ends while a slow client has not read everything."""

import os
import re
import signal

from cases import TLS12, TLS13, case, expect, greeted, poured
from client import wait_for
from server import read


SIZES = [(chunk, buffer) for chunk in (100, 1000, 1448, 4096, 8191, 8192, 10000, 16384, 16385, 20000, 30000, 40960, 65536)
         for buffer in (0, 4096, 6000, 9000, 13000, 20000, 30000, 45000, 65536, 90000, 131072, 150000, 180000, 212992)]
TOGETHER = 14


def bursts(stage, sizes, version, kept):
    """How many of the sizes lose something when the program ends while the client does not read."""
    started = [(size, *greeted(stage, version=version, buffer=16384)) for size in sizes]
    for size, client, session in started:
        client.login()
        expect(session.how(), "ktls", "handoff")
        if not kept:
            os.kill(session.pid, signal.SIGKILL)
            session.process.wait()
        client.send(b"BURST %d %d\r\n" % size)
    lost = 0
    for size, client, session in started:
        octets = int(re.search(r"octets=(\d+) end=EAGAIN", session.report("burst")).group(1))
        program = session.program_pid()
        wait_for(lambda: not os.path.exists(f"/proc/{program}") or "\nState:\tZ" in read(f"/proc/{program}/status"), what="its end")
        got = client.rest()
        expect(got, poured(len(got)), "what arrived")
        lost += len(got) < octets
        client.close()
        if kept:
            expect((len(got), client.ended, session.wait()), (octets, "close_notify", 0), f"octets, end and status of {size}")
    return lost


def all_bursts(stage, version, kept, sizes):
    return sum(bursts(stage, sizes[at:at + TOGETHER], version, kept) for at in range(0, len(sizes), TOGETHER))


@case
def nothing_is_lost_at_the_end(stage):
    old = SIZES[::7]
    lost = all_bursts(stage, TLS13, True, [size for size in SIZES if size not in old]) + all_bursts(stage, TLS12, True, old)
    print(f"# with the keeper: {lost} of {len(SIZES)} sizes lose something")
    expect(lost, 0, "sizes that lose something")


@case
def without_the_keeper_it_would_be(stage):
    sizes = SIZES[::6]
    lost = all_bursts(stage, TLS13, False, sizes)
    print(f"# without the keeper: {lost} of {len(sizes)} sizes lose something")
    assert lost > 0, "the test before this one could not have failed"
