"""The listener: what it accepts, what it tells the service manager, how it stops and how it renews itself."""

import os
import signal
import socket

import pytest

import listening
from listening import Listener
from processes import children_of, runs


def close(imap):
    imap.wire.close()


# --- serving

@pytest.mark.parametrize("kind", ("tcp", "tcp6", "path"))
def test_login(stage, kind):
    sockets = {"tcp": listening.tcp, "tcp6": lambda: listening.tcp("::1", socket.AF_INET6), "path": lambda: listening.path(stage)}
    with Listener(stage, "--allow-cleartext", "loopback", sockets=[sockets[kind]()]) as server:
        imap = server.connect()
        imap.login()
        assert imap.command("n NOOP")[1] == b"n OK heard NOOP"
        close(imap)


def test_one_after_the_other_and_at_the_same_time(stage):
    with Listener(stage, "--allow-cleartext", "loopback") as server:
        several = [server.connect() for _ in range(5)]
        for imap in several:
            imap.login()
        for imap in several:
            assert imap.command("n NOOP")[1] == b"n OK heard NOOP"
            close(imap)
        server.manager.wait_for(r"^STATUS=0 connections before login, 0 sessions logged in; since the start 5 connections, 5 logins,")


def test_names_tell_imaps_from_imap(stage):
    certificate = stage.certificate()
    with Listener(stage, *certificate.options, sockets=[listening.tcp(), listening.tcp()], names=["imap", "public-imaps"]) as server:
        clear, tls = server.connect(0), server.connect(1, context=certificate.context())
        assert "STARTTLS" in clear.capabilities()
        assert "STARTTLS" not in tls.capabilities()
        tls.login()
        close(clear)
        close(tls)


# --- stopping

def test_stop_sends_away_who_is_not_logged_in(stage):
    certificate = stage.certificate()
    with Listener(stage, "--allow-cleartext", "loopback", *certificate.options,
                  sockets=[listening.tcp(), listening.tcp()], names=["imap", "imaps"]) as server:
        clear, tls, session = server.connect(0), server.connect(1, context=certificate.context()), server.connect(0)
        session.login()
        server.signal(signal.SIGTERM)
        for imap in (clear, tls):
            imap.expect("* BYE [UNAVAILABLE] Server is shutting down; please connect again")
            imap.expect_end()
            close(imap)
        assert server.end() == 0
        assert [event["reason"] for event in server.log("end")] == ["shutdown"] * 2
        # The socket is not held back by who stays.
        assert session.command("n NOOP")[1] == b"n OK heard NOOP"
        server.manager.wait_for("^STOPPING=1$")
        close(session)


def test_stop_by_interrupt(stage):
    with Listener(stage) as server:
        server.signal(signal.SIGINT)
        assert server.end() == 0


# --- renewing itself

def test_reload_keeps_connections(stage):
    with Listener(stage, "--allow-cleartext", "loopback") as server:
        before, session = server.connect(), server.connect()
        session.login()
        told = len(server.manager.told)
        server.signal(signal.SIGHUP)
        server.manager.wait_for(r"^RELOADING=1\nMONOTONIC_USEC=\d+$", told)
        server.manager.wait_for("^READY=1$", told)
        after = server.connect()
        server.manager.wait_for(r"^STATUS=2 connections before login, 1 sessions logged in; since the start 3 connections, 1 logins,", told)
        for imap in (before, after):
            imap.login()
        for imap in (before, session, after):
            assert imap.command("n NOOP")[1] == b"n OK heard NOOP"
            close(imap)
        server.manager.wait_for(r"^STATUS=0 connections before login, 0 sessions logged in; since the start 3 connections, 3 logins,", told)
        assert not children_of(server.pid)
