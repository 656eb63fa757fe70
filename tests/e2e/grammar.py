"""Is this line something that an IMAP server may say before the login?

A strict checker for RFC 9051, section 9 (and the 7-bit rules of RFC 3501).
Every line that imapgate says in any test goes through check(). It knows only
the responses that belong to the Not Authenticated state; anything else is a
fault, even where IMAP has it.
"""

import base64
import re

# RFC 9051: any CHAR except "(" ")" "{" SP CTL "%" "*" DQUOTE "\" and, in atoms, "]"; a tag has no "+".
TAG = re.compile(rb'[!#$&\',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+')
ATOM = re.compile(rb'[!#$&\'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+')
QUOTED = rb'"(?:[^"\\\r\n\x00]|\\["\\])*"'
ID_LIST = re.compile(rb'NIL|\((?:%s (?:%s|NIL)(?: %s (?:%s|NIL))*)?\)' % ((QUOTED,) * 4))

STATES = (b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH")
TAGGED_STATES = (b"OK", b"NO", b"BAD")

# Codes that a login can cause (RFC 9051, 7.1; RFC 5530), and with which states they make sense.
CODES = {
    b"ALERT": (b"OK", b"NO"),
    b"CAPABILITY": (b"OK", b"PREAUTH"),
    b"AUTHENTICATIONFAILED": (b"NO",),
    b"AUTHORIZATIONFAILED": (b"NO",),
    b"EXPIRED": (b"NO",),
    b"CONTACTADMIN": (b"NO",),
    b"PRIVACYREQUIRED": (b"NO",),
    b"UNAVAILABLE": (b"NO", b"BYE"),
    b"SERVERBUG": (b"NO", b"BYE"),
    b"LIMIT": (b"NO",),
    b"CLIENTBUG": (b"BAD",),
    b"TOOBIG": (b"BYE",),
}


class GrammarError(AssertionError):
    """The server said something that it must not say."""


def _require(condition, what, line):
    if not condition:
        raise GrammarError(f"{what}: {line!r}")


def _check_text(text, line, utf8):
    """1*TEXT-CHAR."""
    _require(text != b"", "a response without text", line)
    _require(not text.startswith(b" "), "two spaces before the text", line)
    try:
        shown = text.decode("utf-8" if utf8 else "ascii")
    except UnicodeDecodeError:
        raise GrammarError(f"text that is no {'UTF-8' if utf8 else 'ASCII'}: {line!r}") from None
    _require(shown.isprintable(), "control characters in the text", line)


def check_capabilities(words, line):
    """What a capability list must hold, and what it must not (RFC 9051, 7.2.2)."""
    _require(b"" not in words, "two spaces in a capability list", line)
    for word in words:
        _require(ATOM.fullmatch(word), f"a capability that is no atom ({word!r})", line)
    _require(len(set(words)) == len(words), "a capability twice", line)
    _require(b"IMAP4rev1" in words or b"IMAP4rev2" in words, "no IMAP4rev1 among the capabilities", line)


def _check_state(state, rest, line, protected):
    """resp-text = ["[" resp-text-code "]" SP] text"""
    code, text = None, rest
    if rest.startswith(b"["):
        end = rest.find(b"]")
        _require(end > 0, "a response code without end", line)
        code, separator, text = rest[1:end], rest[end + 1:end + 2], rest[end + 2:]
        _require(separator == b" ", "no space behind the response code", line)
        name, _, arguments = code.partition(b" ")
        _require(name in CODES, "an unknown response code", line)
        _require(state in CODES[name], f"the code {name.decode()} with {state.decode()}", line)
        if name == b"CAPABILITY":
            check_capabilities(arguments.split(b" "), line)
        else:
            _require(arguments == b"", "a response code with arguments", line)
        # RFC 9051, 11.3: an ALERT on an unprotected connection could be anybody's.
        _require(protected or name != b"ALERT", "an ALERT where anybody could have written it", line)
        code = name
    _check_text(text, line, utf8=code == b"ALERT")
    return code


def _check_continuation(rest, line, expect):
    """continue-req = "+" SP (resp-text / base64) CRLF; the base64 may be empty."""
    if expect == "challenge":
        try:
            decoded = base64.b64decode(rest, validate=True)
        except ValueError:
            raise GrammarError(f"a challenge that is no base64: {line!r}") from None
        _require(base64.b64encode(decoded) == rest, "a challenge in odd base64", line)
    elif rest != b"":
        _require(not rest.startswith(b"["), "a code in a continuation", line)
        _check_text(rest, line, utf8=False)


def check(line, *, protected=True, expect=None):
    """Checks one line without its CRLF. Raises GrammarError.

    protected: may the line be an ALERT? expect: "challenge" while an
    AUTHENTICATE is open. Returns (kind, tag, state, code), kind being one
    of "untagged", "tagged", "continuation".
    """
    _require(not re.search(rb"[\r\n\x00]", line), "a bare CR, LF or a NUL", line)
    first, space, rest = line.partition(b" ")
    _require(space == b" ", "a line without a space", line)
    if first == b"+":
        _check_continuation(rest, line, expect)
        return "continuation", None, None, None
    word, space, rest = rest.partition(b" ")
    _require(space == b" ", "nothing behind the second word", line)
    if first == b"*":
        if word == b"CAPABILITY":
            check_capabilities(rest.split(b" "), line)
            return "untagged", None, word, None
        if word == b"ID":
            _require(ID_LIST.fullmatch(rest), "no ID list", line)
            return "untagged", None, word, None
        _require(word in STATES, "an untagged response that has no place here", line)
        return "untagged", None, word, _check_state(word, rest, line, protected)
    _require(TAG.fullmatch(first), "something that is no tag", line)
    _require(word in TAGGED_STATES, "a tagged response of an unknown kind", line)
    code = _check_state(word, rest, line, protected)
    _require(code != b"ALERT" and code != b"CAPABILITY", f"a tagged {code}", line)
    return "tagged", first, word, code
