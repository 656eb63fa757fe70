"""Transcripts: dialogues as plain text, run against the real program.

    # RFC 9051, 6.1.2: NOOP does nothing, and does it well
    # on: unix pipe
    S: * OK [CAPABILITY ...
    C: a NOOP
    S: a OK NOOP completed

C: is what the client sends, with CRLF; C-: the same without a line end. S: is
a line of the server, "..." standing for anything; S: EOF is the end. TLS: is
the client's handshake. L: is a line of the log, looked at when all is over.
C: lines that follow each other leave as one segment.

tests/README.md has the directives and the escapes.
"""

import base64
import re
import shlex
from pathlib import Path

from session import glob, octets
from wire import Bytewise

FOLDER = Path(__file__).resolve().parents[1] / "transcripts"
DIRECTIVES = {"on": "unix pipe", "options": "", "pam": "joe", "mailbox": "tag echo", "status": "0", "certificate": "auto"}


class Step:
    def __init__(self, number, kind, text):
        self.number, self.kind, self.text = number, kind, text


def unescape(text):
    r"""\xHH, \r and \n; every other backslash is one."""
    data = text.encode()
    return re.sub(rb"\\(x[0-9a-f]{2}|r|n)",
                  lambda m: {b"r": b"\r", b"n": b"\n"}.get(m[1]) or bytes.fromhex(m[1][1:].decode()), data)


def expand(text):
    """<base64 TEXT>, <base64 -> and <N*TEXT>, then the escapes."""
    text = re.sub(r"<(\d+)\*([^>]+)>", lambda m: m[2] * int(m[1]), text)
    text = re.sub(r"<base64 ([^>]*)>", lambda m: base64.b64encode(unescape(m[1])).decode(), text)
    return unescape(text)


class Transcript:
    def __init__(self, path):
        self.name = path.stem
        self.settings = dict(DIRECTIVES)
        self.steps = []
        for number, line in enumerate(path.read_text().splitlines(), 1):
            self._read(number, line)
        assert self.steps, f"{path}: nothing is said"

    def _read(self, number, line):
        if directive := re.fullmatch(r"# (\w+): *(.*)", line):
            if directive[1] in DIRECTIVES:
                self.settings[directive[1]] = directive[2]
        elif step := re.fullmatch(r"(C|C-|S|L|TLS): ?(.*)", line):
            self.steps.append(Step(number, step[1], step[2]))
        elif line.strip() and not line.startswith("#"):
            raise ValueError(f"{self.name}, line {number}: what is {line!r}?")

    @property
    def connections(self):
        return self.settings["on"].split()

    def turns(self):
        """The steps, with C: lines that follow each other joined into one."""
        turns = []
        for step in self.steps:
            if step.kind in ("C", "C-"):
                data = expand(step.text) + (b"\r\n" if step.kind == "C" else b"")
                if turns and turns[-1].kind == "C":
                    turns[-1].text += data
                else:
                    turns.append(Step(step.number, "C", data))
            else:
                turns.append(step)
        return turns


def all_transcripts():
    return [Transcript(path) for path in sorted(FOLDER.glob("*.txt"))]


def play(transcript, stage, on, bytewise):
    settings = transcript.settings
    certificate, options = _certificate(settings["certificate"], on, stage)
    style, then = settings["mailbox"].split()
    with stage.start(*options, *shlex.split(settings["options"]), on=on, pam=settings["pam"],
                     mailbox=stage.mailbox(style, then), certificate=certificate) as session:
        if bytewise:
            session.wire = Bytewise(session.wire)
        for turn in transcript.turns():
            try:
                _take(turn, session, stage.certificate(certificate), bytewise)
            except AssertionError as fault:
                raise AssertionError(f"{transcript.name}.txt, line {turn.number}: {fault}") from None
        _end(session)
        assert session.status() == int(settings["status"]), session.log_text()
        _compare_log([step for step in transcript.steps if step.kind == "L"], session, transcript)


def _certificate(wanted, on, stage):
    """Its kind, and the options for it where the stage does not give them itself."""
    kind = "ecdsa" if wanted in ("auto", "none") else wanted
    given = on == "tcp" if wanted == "auto" else on in ("tcp", "unix", "pipe") and wanted != "none"
    return kind, stage.certificate(kind).options if given else []


def _take(turn, session, certificate, bytewise):
    if turn.kind == "C":
        _send(turn.text, session)
    elif turn.kind == "TLS":
        session.handshake(certificate.context())
        if bytewise:
            session.wire = Bytewise(session.wire)
    elif turn.kind == "S" and turn.text == "EOF":
        session.expect_end()
    elif turn.kind == "S":
        session.expect(expand(turn.text))


def _send(data, session):
    """What is said to a server that has already gone is lost, as in life; what it said before is still there."""
    try:
        session.send(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def _end(session):
    """Nothing may come that the transcript has not foreseen."""
    try:
        session.half_close()
    except OSError:
        pass
    session.expect_end()


def _compare_log(wanted, session, transcript):
    lines = [octets(event.text) for event in session.log()]
    for step in wanted:
        matching = [i for i, line in enumerate(lines) if glob(expand(step.text)).fullmatch(line)]
        assert matching, f"{transcript.name}.txt, line {step.number}: no such line in the log {lines!r}"
        lines = lines[matching[0] + 1:]
