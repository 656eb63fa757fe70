"""The log's frozen form: one event, one line, the client's address before the client's text."""

import re

QUOTED = r'"(?:[ !#-\[\]-~]|\\x[0-9a-fA-F]{2})*"'
WHERE = r"rip=\S+ rport=\d+ lip=\S+ lport=\d+"
TLS = r"tls=(?:none|TLS|TLSv1\.[23])(?: cipher=\S+)?(?: proxy=\S+)?"
# How many are connected, and how many of them not logged in.
COUNTS = r"waiting=\d+ sessions=\d+"

FORMS = {
    "auth-ok": rf"{WHERE} {TLS} mech=\S+ user={QUOTED}",
    "auth-fail": rf"{WHERE} {TLS} code=[A-Z]+ mech=\S+ attempt=\d+(?: step=[a-z]+)? reason=\S+(?: repeated=yes)? user={QUOTED}"
                 rf"(?: text={QUOTED})?(?: path={QUOTED})?(?: error={QUOTED})?",
    "auth-refused": rf"{WHERE} {TLS} (?:code=PRIVACYREQUIRED mech=\S+ exposed=(?:yes|no)(?: times=\d+)? user={QUOTED}|reason=unsupported-mechanism mech=\S+(?: times=\d+)?)",
    "handoff": rf"{WHERE} {TLS} user={QUOTED} uid=\d+ gid=\d+ how=(?:exec|relay|ktls|tunnel) style=(?:tag|greeting)(?: why=[a-z-]+)? program={QUOTED}",
    "environment-full": rf"{WHERE} {TLS} variables=[0-9]+ first={QUOTED}",
    "program-end": rf"{WHERE} {TLS} said=(?:nothing|unknown) (?:status|signal)=\d+ user={QUOTED}",
    "session-end": rf"{WHERE} {TLS}(?: pid=\d+)? seconds=\d+ (?:status|signal)=\d+ user={QUOTED}",
    "session-fail": rf"{WHERE} {TLS} reason=\S+ user={QUOTED}",
    "tls-fail": rf"{WHERE}(?: {TLS})? reason={QUOTED}(?: times=\d+)?",
    "end": rf"{WHERE}(?: {TLS})? reason=\S+(?: commands=\d+ bad=\d+(?: refused=\d+)?| status=\d+)?(?: times=\d+)?",
    "key-fail": rf"(?:{WHERE}(?: {TLS})? )?file={QUOTED} reason={QUOTED}",
    "key-exposed": rf"(?:{WHERE}(?: {TLS})? )?file={QUOTED} reason={QUOTED}",
    "exit": rf"(?:{WHERE} {TLS} )?pid=\d+ (?:status|signal)=\d+(?: user={QUOTED})?",
    "refused": rf"{WHERE} limit=[a-z-]+ times=\d+",
    "listener-ready": COUNTS,
    "listener-stop": COUNTS,
    "listener-reload": COUNTS,
    "reload-failed": rf"{COUNTS} reason={QUOTED}",
    "tls-missing": rf"(?:{WHERE} {TLS} |lport=\d+ )?text={QUOTED}",
    "certificate-fail": rf"(?:file={QUOTED} )?reason={QUOTED}",
    "certificates-renewed": r"usable=\d+",
    "resource-shortage": rf"what=\S+ times=\d+ text={QUOTED}",
    "error": rf"(?:{WHERE}(?: {TLS})? )?(?:program={QUOTED} )?text={QUOTED}",  # without addresses before there is a connection
    "sign-refused": rf"{WHERE}(?: {TLS})? index=\d+ scheme=\S+ len=\d+ reason={QUOTED}",
    "bug": rf"{WHERE}(?: {TLS})? text={QUOTED}",
}
PREFIX = re.compile(r"imapgate\[(\d+)\]: ")
PAIR = re.compile(rf"([a-z][a-z-]*)=({QUOTED}|\S+)")


def unquote(text):
    """The bytes that a quoted value stands for."""
    plain = re.sub(r"\\x([0-9a-fA-F]{2})", lambda m: chr(int(m[1], 16)), text[1:-1])
    return plain.encode("latin-1")


class Event(dict):
    """A log line: its event's name, and its keys with their values (quoted ones as they stand)."""

    def __init__(self, text):
        super().__init__(PAIR.findall(text))
        self.text = text
        self.name = text.partition(" ")[0]

    def __repr__(self):
        return self.text


def parse(text):
    """One line without its prefix; raises AssertionError if it is not of the frozen form."""
    name, _, rest = text.partition(" ")
    assert name in FORMS, f"an unknown event: {text!r}"
    assert re.fullmatch(f"{FORMS[name]}(?: dropped=[0-9]+)?", rest), f"not the frozen form of {name}: {text!r}"
    event = Event(text)
    for key in ("user", "program"):
        if key in event:
            value = unquote(event[key])
            assert len(value) <= 64 or len(value) == 67 and value.endswith(b"..."), f"{key} is too long: {text!r}"
    return event


def read(text, but=None):
    """All of imapgate's lines in what came out on standard error, but of one process only those about a connection; other programs' lines are skipped."""
    return [parse(line[m.end():]) for line in text.splitlines() if (m := PREFIX.match(line)) and (int(m[1]) != but or " rip=" in line)]


CONCLUSIONS = ("handoff", "end", "error", "bug")


def concluded(events):
    """Does the log say what became of a connection, and once? Behind a handoff the program may still not start."""
    names = [event.name for event in events if event.name in CONCLUSIONS]
    return len(names) == 1 or names == ["handoff", "error"]


def complaints(text):
    """What a sanitizer, or a dying program, says on standard error."""
    marks = ("AddressSanitizer", "LeakSanitizer", "runtime error:", "stack smashing", "terminated abnormally")
    return [line for line in text.splitlines() if any(mark in line for mark in marks)]
