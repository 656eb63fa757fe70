#!/usr/bin/env python3
"""Makes one small fault at a time in src/proto/ and runs the unit tests and replays over it: a fault that none of them sees
is a test that is missing, or no fault at all.

    mutate.py [--seconds N] [WORD]...    only faults whose line "FILE:LINE: ..." has one of the words in it

A fault is seen if a test fails, crashes, or does not end; what the plain build does not see is tried again with the sanitizers.
A fault that compiles to the same code is none. `equivalent` lists those that change nothing that could be seen, each with
its reason. The exit status is 1 if there are others.
"""

import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("IMAPGATE_BUILD", TREE / "build")) / "mutate"
CC = os.environ.get("CC", "cc")
CFLAGS = ["-std=gnu17", "-w", "-D_GNU_SOURCE", f"-I{TREE}/src", f"-I{TREE}/tests"]
KINDS = {
    "plain": ["-O1"],
    "sanitized": ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
}
# The tests of each file, those first that are quick.
TESTS = {
    "arguments": ["test_arguments", "replay_command"],
    "command": ["test_command", "test_arguments", "replay_command"],
    "network": ["test_proxy", "replay_proxy"],
    "proxy": ["test_proxy", "replay_proxy"],
    "reply": ["test_reply", "replay_reply"],
    "sasl": ["test_sasl", "test_oauth", "test_base64", "test_utf8", "replay_sasl"],
    "utf8": ["test_reply", "test_utf8"],
    "word": ["test_word", "test_proxy", "replay_proxy"],
}
# Of processor time: what takes longer does not end. No test takes a third of it.
SECONDS = {"plain": 3, "sanitized": 12}

OPERATORS = {
    "<": ["<="], "<=": ["<"], ">": [">="], ">=": [">"], "==": ["!="], "!=": ["=="],
    "&&": ["||"], "||": ["&&"], "+": ["-"], "-": ["+"], "++": ["--"], "--": ["++"], "+=": ["-="], "-=": ["+="],
    "<<": [">>"], ">>": ["<<"], "&": ["|"], "|": ["&"], "^": ["|"], "%": ["/"], "/": ["*"], "|=": ["="], "*": ["/"],
    "true": ["false"], "false": ["true"], "!": [""],
}
TOKEN = re.compile(r"""
    (?P<skip> /\*.*?\*/ | "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])+' )
  | (?P<number> \b(?:0x[0-9a-fA-F]+|[0-9]+)[uUlL]*\b )
  | (?P<word> [A-Za-z_]\w* )
  | (?P<operator> ->|<<=|>>=|\+\+|--|<=|>=|==|!=|&&|\|\||\+=|-=|\|=|&=|\^=|<<|>>|[-+<>&|^%/*!~=] )
  | (?P<other> \s+|. )
""", re.VERBOSE | re.DOTALL)
TYPES = re.compile(r"(const|static|char|bool|size_t|unsigned|int|struct|enum|u?int\d+_t|void)\b")


def is_binary(before):
    """Is an operator behind this text one with two operands? Else it is a sign, an address or a pointer."""
    before = before.rstrip()
    return bool(before) and (before[-1].isalnum() or before[-1] in "_)]'") and not re.search(r"\b(return|char|size_t|int|\*)$", before)


def mutants_of_line(line):
    """What this line can become, one change at a time."""
    at, depth = 0, 0
    for token in TOKEN.finditer(line):
        text, kind = token.group(), token.lastgroup
        before, after = line[:token.start()], line[token.end():]
        depth += text.count("[") - text.count("]") if kind == "other" else 0
        if kind == "number" and not (depth > 0 and TYPES.match(line.strip())):
            value = text.rstrip("uUlL")
            yield before + str(int(value, 0) + 1) + text[len(value):] + after
        elif kind in ("operator", "word") and text in OPERATORS:
            if text in ("-", "+", "&", "*") and not is_binary(before):
                continue
            if text == "*" and TYPES.match(line.strip()):
                continue
            for other in OPERATORS[text]:
                yield before + other + after
    condition = re.match(r"(\t+(?:\} )?(?:else )?(?:if|while) \()(.*)(\)(?: \{)?)$", line)
    if condition and condition.group(2).count("(") == condition.group(2).count(")") and not re.search("[!=]=", condition.group(2)):
        yield condition.group(1) + "!(" + condition.group(2) + ")" + condition.group(3)
    statement = line.strip()
    if re.fullmatch(r"\t+(?:[a-z_][\w>.*\[\]-]*[ (].*|[*(].*|.*(?:\+\+|--));", line) and not re.match(r"(return|else)\b", statement) \
            and not TYPES.match(statement) and statement.count("(") == statement.count(")"):
        yield line[:len(line) - len(line.lstrip())] + ";"
    if statement in ("break;", "continue;"):
        yield line.replace(statement, ";")


def mutants(path):
    """All of a file's: the line's number, the line, what it becomes. Comments and the preprocessor's lines stay."""
    comment = False
    for number, line in enumerate(path.read_text().split("\n"), 1):
        if comment or line.startswith("#") or line.lstrip().startswith("/*"):
            comment = "*/" not in line and (comment or "/*" in line)
            continue
        if re.match(r"[a-z]\w*(\(| [*a-z])", line) and not line.rstrip().endswith((";", "{", ",")):
            continue    # a function's head
        for other in dict.fromkeys(mutants_of_line(line)):
            yield number, line, other


def compile_object(source, to, *flags):
    return subprocess.run([CC, *CFLAGS, *flags, "-c", "-o", to, source], stderr=subprocess.DEVNULL).returncode == 0


def newer(target, *sources):
    return target.exists() and all(target.stat().st_mtime > source.stat().st_mtime for source in sources)


def test_sources(name):
    if name.startswith("replay_"):
        return [TREE / f"tests/fuzz/fuzz_{name[7:]}.c", TREE / "tests/fuzz/replay.c"]
    return [TREE / f"tests/unit/{name}.c"]


def prepare():
    """Compiles the tests and proto/ as it is, in each kind."""
    headers = [*TREE.glob("src/**/*.h"), *TREE.glob("tests/*/*.h")]
    sources = {*TREE.glob("src/proto/*.c"), *(s for names in TESTS.values() for name in names for s in test_sources(name))}
    for kind, flags in KINDS.items():
        (BUILD / kind).mkdir(parents=True, exist_ok=True)
        for source in sources:
            target = BUILD / kind / (source.stem + ".o")
            if not newer(target, source, *headers) and not compile_object(source, target, *flags):
                sys.exit(f"mutate: {source} does not compile")


def limit(kind):
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS[kind], SECONDS[kind]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def passes(kind, name, changed):
    """Links a test with proto/, in which one file is changed, and runs it."""
    proto = [BUILD / kind / (p.stem + ".o") for p in sorted(TREE.glob("src/proto/*.c")) if p.stem != changed.name]
    objects = [BUILD / kind / (s.stem + ".o") for s in test_sources(name)]
    program = BUILD / kind / name
    subprocess.run([CC, *KINDS[kind], "-o", program, *objects, *proto, changed.object, "-lcmocka", "-lresolv"], check=True)
    arguments = [TREE / "tests/fuzz/corpus" / name[7:]] if name.startswith("replay_") else []
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0", "UBSAN_OPTIONS": "halt_on_error=1"}
    try:
        return subprocess.run([program, *arguments], env=environment, preexec_fn=lambda: limit(kind), stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=50 * SECONDS[kind]).returncode == 0
    except subprocess.TimeoutExpired:
        return False


class Changed:
    """One file of proto/, with one fault in it."""

    def __init__(self, path, number=0, other=None):
        self.name = path.stem
        self.lines = path.read_text().split("\n")
        if other is not None:
            self.lines[number - 1] = other

    def compile(self, kind):
        source = BUILD / kind / "changed.c"
        self.object = BUILD / kind / "changed.o"
        source.write_text("\n".join(self.lines))
        return compile_object(source, self.object, *KINDS[kind])

    def code(self):
        """What it compiles to, to be compared: without a word of where it stood."""
        source, text = BUILD / "code.c", BUILD / "code.s"
        source.write_text("\n".join(self.lines))
        subprocess.run([CC, *CFLAGS, "-O2", "-S", "-o", text, source], check=True)
        return text.read_bytes()

    def is_seen(self):
        return any(not self.compile(kind) or not all(passes(kind, name, self) for name in TESTS[self.name]) for kind in KINDS)


def equivalents():
    """The lines of `equivalent`: FILE: LINE => OTHER, as they stand but for the white space around them; reasons are comments."""
    known = (Path(__file__).parent / "equivalent").read_text().splitlines()
    return {line.strip() for line in known if line.strip() and not line.startswith("#")}


def main():
    words = sys.argv[1:]
    seconds = float("inf")
    if words[:1] == ["--seconds"]:
        seconds, words = float(words[1]), words[2:]
    deadline = time.monotonic() + seconds
    prepare()
    known, used = equivalents(), set()
    seen = same = equivalent = left = 0
    survivors = []
    for path in sorted(TREE.glob("src/proto/*.c")):
        original = Changed(path)
        code = original.code()
        if original.is_seen():
            sys.exit(f"mutate: the tests of {path.name} fail without a fault")
        for number, line, other in mutants(path):
            name = f"{path.name}: {line.strip()} => {other.strip()}"
            if words and not any(word in f"{path.name}:{number}: {name}" for word in words):
                continue
            if time.monotonic() > deadline:
                left += 1
                continue
            changed = Changed(path, number, other)
            if changed.is_seen():
                seen += 1
            elif changed.code() == code:
                same += 1
            elif name in known:
                used.add(name)
                equivalent += 1
            else:
                survivors.append(name)
                print(f"{path.name}:{number}: {line.strip()} => {other.strip()}", flush=True)
    if not words and left == 0:
        for name in sorted(known - used):
            print(f"mutate: no longer needed in equivalent: {name}")
    total = seen + len(survivors)
    print(f"mutate: {total} faults, {seen} seen ({100 * seen / max(total, 1):.1f} %), {len(survivors)} not; "
          f"{equivalent} are listed as equivalent, {same} compile to the same code, {left} not tried")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
