"""The keeper: who it is, what it waits for, how it ends."""

import os
import re
import signal
import time
from pathlib import Path

from cases import case, expect, greeted, logged_in, poured
from client import settled, wait_for
from server import read


@case
def the_keeper_is_the_user_and_has_two_descriptors(stage):
    client, session = logged_in(stage)
    program = session.program_pid()
    settled(session.pid)
    keeper = read(f"/proc/{session.pid}/status")
    expect(re.search(r"(?m)^Name:\t(.*)$", keeper).group(1), "imapgate-keeper", "its name")
    expect(re.search(r"(?m)^Groups:\t(.*)$", keeper).group(1).strip(), "", "its groups")
    expect(re.search(r"(?m)^PPid:\t(\d+)", read(f"/proc/{program}/status")).group(1), str(session.pid), "the program's parent")
    expect(re.search(r"(?m)^Uid:\t(.*)$", keeper).group(1), "65534\t65534\t65534\t65534", "its uids")
    expect(re.search(r"(?m)^CapEff:\t(.*)$", keeper).group(1), "0" * 16, "its capabilities")
    expect(sorted(os.listdir(f"/proc/{program}/fd"))[:3], ["0", "1", "2"], "the program's descriptors")
    expect(os.readlink(f"/proc/{program}/fd/0"), os.readlink(f"/proc/{session.pid}/fd/0"), "whose socket it is")
    expect(int(re.search(r"(?m)^SigBlk:\t(.*)$", read(f"/proc/{program}/status")).group(1), 16), 0, "the program's signal mask")
    others = [pid for pid in os.listdir("/proc") if pid.isdigit() and f"\t{session.pid}\n" in read(f"/proc/{pid}/status")
              and re.search(rf"(?m)^PPid:\t{session.pid}$", read(f"/proc/{pid}/status"))]
    expect(others, [str(program)], "children: the gate is gone")


def the_keepers_status(line, status, stage):
    client, session = logged_in(stage)
    client.send(line)
    client.rest()
    client.close()
    expect(client.ended, "close_notify", "end")
    expect(session.wait(), status, "status")


case(the_keepers_status, b"EXIT 7\r\n", 7)
case(the_keepers_status, b"EXIT 0\r\n", 0)
case(the_keepers_status, b"DIE 9\r\n", 137)


@case
def signals_to_the_keeper_are_the_programs(stage):
    client, session = logged_in(stage)
    client.send(b"PAUSE\r\n")
    os.kill(session.pid, signal.SIGTERM)
    expect(session.wait(), 143, "status")
    client.rest()
    expect(client.ended, "close_notify", "end")


@case
def the_keeper_waits_for_a_client_with_unread_words(stage):
    client, session = logged_in(stage)
    client.send(b"POUR 200000\r\n", b"EXIT 0\r\n", b"not read by anybody\r\n")
    time.sleep(1)       # only time shows that it waits
    expect(client.rest(), poured(200000), "octets")
    expect(client.ended, "close_notify", "end")


@case
def a_program_that_cannot_start(stage):
    broken = stage.folder / "bin" / "broken"
    broken.write_text("#!/nonexistent/interpreter\n")
    broken.chmod(0o755)
    client, session = greeted(stage, program=[str(broken)])
    expect(client.login()[:20], b"a1 NO [UNAVAILABLE] ", "answer")
    expect(session.how(), "ktls", "handoff")
    expect(client.rest()[:5], b"* BYE", "last word")
    expect(client.ended, "close_notify", "end")
    expect(session.wait(), 75, "status")


@case
def the_style_greeting(stage):
    client, session = greeted(stage, "--handoff", "greeting", "--capability-after", "IMAP4rev1 X-TEST", "--setenv", "MAILBOX_GREETS=1")
    expect(client.login(b"ECHO hello\r\n"), b"* CAPABILITY IMAP4rev1 X-TEST\r\na1 OK * PREAUTH mailbox is ready\r\n", "answer")
    expect(session.how(), "ktls", "handoff")
    expect(client.line(), b"hello\r\n", "echo")


@case
def a_pam_session_is_closed_behind_the_farewell(stage):
    """--pam-session wait: one keeper above the other, and root is not the one that has the client."""
    folder, calls, script = stage.folder / "pam-exec", stage.folder / "calls", stage.folder / "bin" / "call"
    folder.mkdir()
    script.write_text(f'#!/bin/sh\n[ "$PAM_TYPE" = open_session ] || read -r told < {folder}/told\n'
                      f'echo "$PAM_TYPE $(id -u)" >> {calls}\n')
    script.chmod(0o755)
    (folder / "imapgate").write_text("auth required pam_permit.so\naccount required pam_permit.so\n"
                                     f"session required pam_exec.so quiet {script}\n")
    os.mkfifo(folder / "told")
    client, session = logged_in(stage, "--pam-session", "wait", "--pam-confdir", str(folder))
    program = session.program_pid()
    parent = int(re.search(r"(?m)^PPid:\t(\d+)", read(f"/proc/{program}/status")).group(1))
    settled(parent)
    uids = [re.search(r"(?m)^Uid:\t(\d+)", read(f"/proc/{pid}/status")).group(1) for pid in (session.pid, parent)]
    expect(uids, ["0", "65534"], "the keepers' uids")
    expect(re.search(r"(?m)^PPid:\t(\d+)", read(f"/proc/{parent}/status")).group(1), str(session.pid), "the TLS keeper's parent")
    expect({os.readlink(f"/proc/{session.pid}/fd/{fd}") for fd in "01"}, {"/dev/null"}, "what the PAM keeper has of the client")
    client.send(b"POUR 200000\r\n", b"EXIT 7\r\n")
    expect(client.rest(), poured(200000), "octets")
    expect(client.ended, "close_notify", "end")
    client.close()
    expect(calls.read_text(), "open_session 0\n", "calls before the farewell")
    (folder / "told").write_text("told\n")
    expect(session.wait(), 7, "status")
    expect(calls.read_text(), "open_session 0\nclose_session 0\n", "calls")


@case
def the_keeper_without_proc(stage):
    """It can't be executed anew then: the session goes on, the log says so, and its user can't read its memory all the same."""
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs nothing /proc && exec "$@"', "sh"]
    Path("/proc/sys/fs/suid_dumpable").write_text("1")
    try:
        client, session = logged_in(stage, wrapper=hidden)
        session.program_pid()
        settled(session.pid)
        expect(os.stat(f"/proc/{session.pid}/mem").st_uid, 0, "whose its memory is")
    finally:
        Path("/proc/sys/fs/suid_dumpable").write_text("0")
    expect(re.search(r"(?m)^Uid:\t(\d+)", read(f"/proc/{session.pid}/status")).group(1), "65534", "its uid")
    expect(re.search(r' error .*program="imapgate-keeper" text="(.*)"', session.log()).group(1), "No such file or directory", "reason")
    client.send(b"EXIT 7\r\n")
    client.rest()
    expect(client.ended, "close_notify", "end")
    expect(session.wait(), 7, "status")
