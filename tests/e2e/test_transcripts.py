"""Plays every transcript as it stands on each kind of connection, and ten of them byte by byte."""

import pytest

from stage import LISTENER
from transcript import all_transcripts, expand, play

# The unit tests feed every parser byte by byte. These show that the program around the parsers can wait in each of its states: for a line,
# a response, a literal, the rest of what is refused, a handshake, a login that was pipelined.
BYTEWISE = ("A5-initial-response", "LIT1-synchronizing", "LIT4-part-of-the-command", "LIT6-unasked-flood", "P1-pipelined-login",
            "P3-pipelined-response", "S1-starttls", "T60-proxy-header", "X6-long-line", "X8-bare-lf")
TRANSCRIPTS = all_transcripts()


def connections(transcript):
    """All that the transcript names. A listener serves no pipes, and builds what TLS needs: one connection is enough there, with TLS if possible."""
    if LISTENER:
        return [on for on in ("tls", "starttls", "tcp", "tcp6", "path", "unix") if on in transcript.connections][:1]
    return transcript.connections


def cases(transcripts):
    return [pytest.param(transcript, on, id=f"{transcript.name}-{on}") for transcript in transcripts for on in connections(transcript)]


@pytest.mark.parametrize("transcript, on", cases(TRANSCRIPTS))
def test_whole(transcript, on, stage):
    play(transcript, stage, on, bytewise=False)


@pytest.mark.parametrize("transcript, on", cases(t for t in TRANSCRIPTS if t.name in BYTEWISE))
def test_bytewise(transcript, on, stage):
    play(transcript, stage, on, bytewise=True)


def test_bytewise_names_transcripts():
    assert set(BYTEWISE) <= {transcript.name for transcript in TRANSCRIPTS}


def test_escapes():
    assert expand(r"a\x00b\r\n") == b"a\x00b\r\n"
    assert expand(r'"a\"b\\"') == rb'"a\"b\\"'
    assert expand("<3*ab>!") == b"ababab!"
    assert expand(r"<base64 \x00joe\x00x>") == b"AGpvZQB4"
