"""Connections that a listener has accepted: the same, though much of them was there before them."""

import os
import re
import signal

from case_keeper import the_keeper_is_the_user_and_has_two_descriptors
from case_loss import SIZES, all_bursts
from case_obstacle import left_over_is_the_relays
from case_programs import dovecot
from case_secrets import the_keeper_has_no_neighbours_hash, the_keeper_holds_no_secret, the_relay_has_no_secret_for_having_tried
from case_session import a_retried_hello, external, login_together_with_finished, suite_carries_the_session
from cases import SUITES, TLS13, case, expect, logged_in
from client import wait_for
from server import Listening, read


def through_a_listener(function, *arguments, stage):
    function(*arguments, stage=Listening(stage))


for _version, _suite in SUITES:
    case(through_a_listener, suite_carries_the_session, _version, _suite)
for _function in (the_keeper_is_the_user_and_has_two_descriptors, the_keeper_holds_no_secret, the_keeper_has_no_neighbours_hash,
                  the_relay_has_no_secret_for_having_tried, a_retried_hello, dovecot):
    case(through_a_listener, _function)
for _function in (external, left_over_is_the_relays):
    case(through_a_listener, _function, TLS13)
case(through_a_listener, login_together_with_finished, True)


@case
def a_listener_is_the_keepers_parent(stage):
    _, session = logged_in(Listening(stage))
    expect(re.search(r"(?m)^PPid:\t(\d+)", read(f"/proc/{session.pid}/status")).group(1), str(session.listener), "the keeper's parent")


@case
def a_listener_that_reloads_and_stops_leaves_sessions_alone(stage):
    client, session = logged_in(Listening(stage))
    os.kill(session.listener, signal.SIGHUP)
    wait_for(lambda: session.log().count(" listener-ready ") == 2, what="the listener's new life")
    client.send(b"ECHO hello\r\n")
    expect(client.line(), b"hello\r\n", "echo")
    os.kill(session.listener, signal.SIGTERM)
    expect(session.process.wait(30), 0, "the listener's status")
    client.send(b"ECHO still here\r\n", b"EXIT 0\r\n")
    expect((client.rest(), client.ended), (b"still here\r\n", "close_notify"), "the end")


@case
def nothing_is_lost_behind_a_listener(stage):
    expect(all_bursts(Listening(stage), TLS13, True, SIZES[::13]), 0, "sizes that lose something")
