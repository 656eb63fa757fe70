"""A listener's limits, and what its connections know of each other's failures.

The tests come from addresses of the loopback network; that these have a share
of all is switched off by saying who is unlimited (--unlimited).
"""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

import listening
from listening import Listener
from session import Session
from wire import SocketWire

pytestmark = pytest.mark.timed

NOBODY = ("--unlimited", "192.0.2.1", "--allow-cleartext", "loopback")
HERE, THERE, PROXY = "127.0.0.2", "127.0.0.3", "127.0.0.9"
BYE = "* BYE [UNAVAILABLE] Too many connections; please try again later"


class Client(Session):
    """A connection from an address of one's choice; the greeting is not read yet."""

    def __init__(self, server, address=HERE, number=0):
        client = socket.create_connection(server.sockets[number].getsockname()[:2], timeout=5, source_address=(address, 0))
        super().__init__(server.process, SocketWire(client), server.log_path, protected=False)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.wire.close()


def connect(server, address=HERE):
    imap = Client(server, address)
    imap.greeting()
    return imap


def is_refused(server, address=HERE):
    with Client(server, address) as imap:
        line = imap.line()
        if line != BYE.encode():
            assert line.startswith(b"* OK "), line
            return False
        imap.expect_end()
        return True


def close(imaps):
    for imap in imaps:
        imap.wire.close()


# --- limits

def test_connections_of_one_address(stage):
    with Listener(stage, *NOBODY, "--max-connections-per-address", "3") as server:
        imaps = [connect(server) for _ in range(3)]
        assert is_refused(server)
        assert not is_refused(server, THERE)
        event = server.logged("refused")
        assert event["rip"] == HERE and event["limit"] == "max-connections-per-address" and event["times"] == "1"
        # Whoever logs in makes room, and whoever goes.
        imaps[0].login()
        imaps.append(connect(server))
        assert is_refused(server)
        imaps.pop().wire.close()
        server.manager.wait_for("^STATUS=2 connections before login, 1 sessions")
        assert not is_refused(server)
        close(imaps)


def test_connections_in_all(stage):
    with Listener(stage, "--max-connections", "3", sockets=[listening.tcp(), listening.path(stage)]) as server:
        imaps = [server.connect(number) for number in (0, 0, 1)]
        for _ in range(2):
            assert is_refused(server, "127.0.0.1")
        assert server.logged("refused")["limit"] == "max-connections"
        close(imaps)


def test_loopback_may_have_more(stage):
    """A webmail has its users behind one address."""
    with Listener(stage, "--max-connections-per-address", "1", "--max-sessions-per-address", "1", "--allow-cleartext", "loopback",
                  sockets=[listening.tcp(), listening.tcp("::1", socket.AF_INET6), listening.path(stage)]) as server:
        imaps = [server.connect(number) for number in (0, 0, 1, 1, 2, 2)]
        for imap in imaps:
            imap.login()
        close(imaps)


def test_loopback_may_not_have_all(stage):
    """Each program of this host's users is there too, and by a Unix-domain socket."""
    with Listener(stage, "--max-connections", "4", sockets=[listening.tcp(), listening.path(stage)]) as server:
        imaps = [server.connect(number) for number in (0, 1, 1)]
        assert is_refused(server, "127.0.0.7")
        last = server.connect(1, greeting=False)
        last.expect(BYE)
        event = server.logged("refused")
        assert event["limit"] == "max-connections-per-address" and event["rip"] == "127.0.0.7"
        close([*imaps, last])


def test_sessions_of_one_user(root_stage):
    """Wherever the user comes from; others are still let in, and so is this one when a session has ended."""
    def login(imap, name):
        account = root_stage.users[name]
        return imap.command(f'a LOGIN {account.name} "{account.password}"')[1]

    with Listener(root_stage, "--allow-cleartext", "loopback", "--max-sessions-per-user", "2", pam="unix") as server:
        imaps = [connect(server, address) for address in (HERE, THERE, "127.0.0.1", HERE)]
        for imap in imaps[:2]:
            assert login(imap, "imapgt1").startswith(b"a OK")
        assert login(imaps[2], "imapgt1").startswith(b"a NO [LIMIT] ")
        assert server.logged("auth-fail")["reason"] == "max-sessions-per-user"
        assert login(imaps[3], "imapgt2").startswith(b"a OK")
        imaps[2].rest()
        close(imaps[:1])
        server.manager.wait_for("^STATUS=0 connections before login, 2 sessions")
        imaps.append(connect(server))
        assert login(imaps[-1], "imapgt1").startswith(b"a OK")
        close(imaps[1:])


@pytest.mark.parametrize("limit", ("--max-sessions", "--max-sessions-per-address", "--max-sessions-per-user"))
def test_sessions(stage, limit):
    """A right password, and no room: this client is told, and can come again when another has gone."""
    with Listener(stage, *NOBODY, limit, "1") as server:
        first, second = connect(server), connect(server)
        first.login()
        assert second.command("a LOGIN joe sesame")[1].startswith(b"a NO [LIMIT] ")
        event = server.logged("auth-fail")
        assert event["reason"] == limit.removeprefix("--")
        second.rest()
        told = len(server.manager.told)
        close([first, second])
        server.manager.wait_for("^STATUS=0 connections before login, 0 sessions", told)
        third = connect(server)
        third.login()
        close([third])


def test_tls_is_closed_without_a_word(stage):
    """There is no language to say goodbye in."""
    with Listener(stage, *NOBODY, "--max-connections-per-address", "1", *stage.certificate().options, names=["imaps"]) as server:
        with Client(server) as first, Client(server) as second:
            assert second.rest() == b""
            first.handshake(stage.certificate().context())
            first.greeting()


def test_flood_is_one_line_and_others_are_served(stage):
    with Listener(stage, *NOBODY, "--max-connections-per-address", "2") as server:
        imaps = [connect(server) for _ in range(2)]
        began = time.monotonic()
        assert all(is_refused(server) for _ in range(300))
        assert time.monotonic() - began < 10
        with connect(server, THERE) as other:
            other.login()
            assert len(server.log("refused")) == 1
        server.manager.wait_for("300 refused$")
        close(imaps)


def test_refused_clients_who_never_read(stage):
    """The listener waits for none of them."""
    with Listener(stage, *NOBODY, "--max-connections-per-address", "1") as server:
        imaps = [connect(server), *(Client(server) for _ in range(50))]
        with connect(server, THERE) as other:
            other.login()
        close(imaps)


def test_limits_outlive_a_reload(stage):
    with Listener(stage, *NOBODY, "--max-connections-per-address", "1") as server:
        first, told = connect(server), len(server.manager.told)
        server.signal(signal.SIGHUP)
        server.manager.wait_for("^READY=1$", told)
        assert is_refused(server)
        first.login()
        with connect(server) as second:
            second.login()
        close([first])


# --- failures

DELAY, SLACK = 0.4, 0.3


def failing(stage, *options):
    return Listener(stage, *NOBODY, "--failure-delay", str(DELAY), *options)


def fail(server, password, user="joe", address=HERE):
    """A login that fails on a connection of its own; returns how many times the delay it took."""
    with connect(server, address) as imap:
        began = time.monotonic()
        assert imap.command(f"a LOGIN {user} {password}")[1] == b"a NO [AUTHENTICATIONFAILED] Authentication failed"
        took = time.monotonic() - began
    times = int(took / DELAY + 0.05)
    assert took - times * DELAY < SLACK, took
    return times


def test_failures_add_up_over_connections(stage):
    with failing(stage) as server:
        assert [fail(server, password) for password in ("a", "b", "c")] == [1, 2, 3]
        # Whoever it was that they were tried for.
        assert fail(server, "a", "nobody") == 4
        assert fail(server, "a", address=THERE) == 1


def test_same_password_again_is_no_other_failure(stage):
    """The telephone that has an old one."""
    with failing(stage) as server:
        assert [fail(server, "old") for _ in range(3)] == [1, 1, 1]
        assert fail(server, "new") == 2


def test_success_does_not_wait_and_forgives(stage):
    with failing(stage) as server:
        fail(server, "a")
        fail(server, "b")
        fail(server, "a", "nobody")
        with connect(server) as imap:
            began = time.monotonic()
            imap.login()
            assert time.monotonic() - began < DELAY + SLACK
        # Of joe nothing is left, but of nobody.
        assert fail(server, "c") == 2


def test_who_hangs_up_is_counted_until_the_time_is_over(stage):
    """Else a guesser would not have to wait for an answer that can only be no."""
    with Listener(stage, *NOBODY, "--failure-delay", "3", "--max-connections-per-address", "1") as server:
        with connect(server) as imap:
            imap.send("a LOGIN joe mumble\r\n")
            server.logged("auth-fail")
            began = time.monotonic()
        assert is_refused(server)
        server.manager.wait_for("^STATUS=1 connections before login")
        server.manager.wait_for("^STATUS=0 connections before login.* [1-9] failures")
        assert 2 < time.monotonic() - began < 6
        assert not is_refused(server)


def test_loopback_has_no_common_failures(stage):
    with Listener(stage, "--allow-cleartext", "loopback", "--failure-delay", str(DELAY)) as server:
        assert [fail(server, password) for password in ("a", "b", "c")] == [1, 1, 1]


# --- behind a proxy

def behind_proxy(server, client):
    imap = Client(server, PROXY)
    imap.send(f"PROXY TCP4 {client} 192.0.2.1 40000 143\r\n")
    return imap


def test_clients_of_whom_a_proxy_knows_nothing(stage):
    """They have no address that a limit could be for."""
    with Listener(stage, *NOBODY, "--proxy", "unix", "--max-connections-per-address", "1", sockets=[listening.path(stage)]) as server:
        imaps = [server.connect(greeting=False) for _ in range(3)]
        for imap in imaps:
            imap.send("PROXY UNKNOWN\r\n")
            imap.greeting()
        close(imaps)


def test_clients_of_a_proxy_are_counted_one_by_one(stage):
    """The proxy itself may hold as many as it likes."""
    with Listener(stage, *NOBODY, "--proxy", PROXY, "--max-connections-per-address", "2") as server:
        imaps = [behind_proxy(server, client) for client in ("192.0.2.6", "192.0.2.6", "192.0.2.7", "192.0.2.7")]
        for imap in imaps:
            imap.greeting()
        third = behind_proxy(server, "192.0.2.7")
        third.expect(BYE)
        third.expect_end()
        event = server.logged("end")
        assert event["rip"] == "192.0.2.7" and event["reason"] == "max-connections-per-address"
        close([*imaps, third])


# --- lines that cost a client nothing

SOME = 10


def test_ends_without_a_command_are_joined(stage):
    """The first of a network are logged, and all of those that have asked for something, or tried to log in."""
    with Listener(stage, *NOBODY, "--max-connections-per-address", "1000") as server:
        for _ in range(4 * SOME):
            connect(server).wire.close()
        server.manager.wait_for(f"^STATUS=0 connections before login, 0 sessions logged in; since the start {4 * SOME} connections")
        assert len(server.log("end")) == SOME
        with connect(server) as imap:
            imap.command("a NOOP")
        server.logged("end", SOME + 1)
        with connect(server, THERE):
            pass
        assert server.logged("end", SOME + 2)["rip"] == THERE


def test_handshakes_that_fail_are_joined(stage):
    with Listener(stage, *NOBODY, "--max-connections-per-address", "1000", *stage.certificate().options, names=["imaps"]) as server:
        for _ in range(2 * SOME):
            with Client(server) as imap:
                imap.send("a LOGIN joe sesame\r\n")
                imap.rest()
        server.manager.wait_for(f"^STATUS=0 connections before login, 0 sessions logged in; since the start {2 * SOME} connections")
        assert len(server.log("tls-fail")) == len(server.log("end")) == SOME


# --- who has it

def has_table(pid):
    return "/memfd:imapgate-connections" in Path(f"/proc/{pid}/maps").read_text() \
        or any("imapgate-connections" in os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))


def test_nobody_but_the_listener_has_the_table(root_stage):
    """A gate that was taken over would read who is connected, or free its place; and no monitor needs it."""
    with Listener(root_stage, *NOBODY, *root_stage.certificate().options, "--failure-delay", "0") as server:
        imap = connect(server)
        imap.command("a LOGIN joe mumble")
        processes = [*server.gates(), *server.monitors(), *server.roles().values()]
        assert has_table(server.pid) and len(processes) == 5
        assert not any(has_table(pid) for pid in processes)
        close([imap])
