"""Plays every transcript, once as it stands and once byte by byte."""

import pytest

from transcript import all_transcripts, expand, play

CASES = [pytest.param(transcript, on, id=f"{transcript.name}-{on}")
         for transcript in all_transcripts() for on in transcript.connections]


@pytest.mark.parametrize("transcript, on", CASES)
def test_whole(transcript, on, stage):
    play(transcript, stage, on, bytewise=False)


@pytest.mark.parametrize("transcript, on", CASES)
def test_bytewise(transcript, on, stage):
    play(transcript, stage, on, bytewise=True)


def test_escapes():
    assert expand(r"a\x00b\r\n") == b"a\x00b\r\n"
    assert expand(r'"a\"b\\"') == rb'"a\"b\\"'
    assert expand("<3*ab>!") == b"ababab!"
    assert expand(r"<base64 \x00joe\x00x>") == b"AGpvZQB4"
