#!/usr/bin/env python3
"""Makes one small fault at a time in src/monitor/ (as mutate.py does in src/proto/) and runs the end-to-end tests over it.

    monitor.py [--sample N] [--seed S] [--workers N] [--seconds N] [--rest N] [--again FILE] [--done FILE] [--first REGEX] [WORD]...

N faults are drawn at random, from each file in proportion; the seed S repeats the draw. Words narrow down, as in mutate.py.
TESTS has the tests of each file; the last resort for the first --rest faults that these do not see are all other files of
tests/e2e. A test counts if it passes without a fault, which is tried first, and a failure counts if it comes twice.
--again tries only those faults of an earlier run, whose output FILE is, that were not seen; --done none that it has tried.
--first tries the tests whose ids match before all others.

Each fault has one line: "seen" and by which test, "NOT SEEN", "same code", or "equivalent": listed in `equivalent-monitor`, with
its reason. The tests run as root in process and mount namespaces of their own, since a faulty monitor may signal anybody. The exit status is 1
if a fault was not seen.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import queue
import random
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from mutate import TREE, mutants

HERE = Path(__file__).parent
BUILD = Path(os.environ.get("IMAPGATE_BUILD", TREE / "build")).resolve()
# Where several builds are, each with one fault.
FOLDER = BUILD / "mutate-monitor"
PYTEST = os.environ.get("PYTEST", "pytest-3").split()
# The few unit programs that have a file of the monitor.
UNITS = {"accounting": "tests/test_accounting", "watchdog": "tests/test_watchdog"}
PROGRAMS = ("imapgate", "tests/hostile-gate", *UNITS.values())
# A process namespace ends with its first process, so nothing is left of a test that does not end.
ALONE = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
         'mount -t tmpfs tmpfs /tmp && { "$@"; exit $?; }', "sh"]
# One run of tests is given up behind this, and counts as failed: its program does not end.
RUN_SECONDS = 400
# Of a single test: what takes longer comes last, and what takes longer than LONG is part of the last resort. So are all cases of a test
# but some.
SLOW, LONG, CASES = 0.4, 5, 3
# Where it matters whether there is a listener: the tests that conftest.py runs through one are tried so too.
BOTH = ("accounting", "handoff", "monitor", "monitorzygote", "watchdog")

# Files of tests/e2e, those first that see most.
TESTS = {
    "account": "identity directory handoff auth_fail preauth virtual",
    "accounting": "session_end attempts titles session admission processes limits listener",
    "authorize": "pam_codes attempts identity directory external oauth preauth auth_fail pam hostile_gate admission",
    "client": "handoff hygiene pam resources",
    "deadline": "hygiene session pam deadline",
    "delay": "attempts limits pam same_answer admission",
    "environment": "environment handoff identity session pam virtual",
    "handoff": "handoff program_end resources session_end preauth session relay ucspitls",
    "keeper": "keeper program_end session_end titles secrets",
    "launch": "environment handoff identity hygiene program_end preauth auth_fail capability resources keeper pam",
    "monitor": "attempts auth_refused handoff preauth limits log proxy ucspitls hostile_gate ends deadline",
    "monitorzygote": "log titles session preauth listener processes",
    "pamauth": "pam_codes attempts directory pam auth_fail session external oauth check",
    "pamkeeper": "program_end session_end session log handoff keeper",
    "pammodules": "lazyload listener processes secrets",
    "refused": "attempts hygiene pam limits secrets",
    "report": "pam_codes program_end session_end handoff auth_fail log fail2ban keeper ucspitls",
    "watchdog": "hostile_gate auth_fail ends deadline signals",
}
# As conftest.py has them: these are tried a second time, through a listener.
LISTENED = re.search(r"^LISTENED = \((.*?)^\)", (TREE / "tests/conftest.py").read_text(), re.DOTALL | re.MULTILINE).group(1)
LISTENED = set(re.findall(r'"(\w+)"', LISTENED))
# No part of the last resort: they build or boot other programs, or look at files of the tree only.
ELSEWHERE = set("bench clients coincidence config default_file documents grammar install kernels leftovers libsystemd makefile manual names "
                "package readme recipes rules start superservers systemd systemd_listener vm wrong_settings".split())
# Fail now and then without a fault.
FLAKY = set()


def node_file(node):
    return re.match(r"tests/e2e/test_(\w+)\.py", node).group(1)


class Commands:
    """The Makefile's commands that compile a file of the monitor and link the programs."""

    def __init__(self):
        build = os.path.relpath(BUILD, TREE)
        told = subprocess.run(["make", "-n", "-B", "V=1", "SAN=0", f"BUILD={build}", *(f"{build}/{p}" for p in PROGRAMS)], cwd=TREE,
                              check=True, capture_output=True, text=True).stdout.splitlines()
        self.build = build
        self.compile = {}
        self.link = {}
        for line in told:
            words = shlex.split(line) if " -o " in line and not line.startswith(("mkdir", "printf", "nm", "awk")) else []
            if "-c" in words and (name := words[-1]).startswith("src/monitor/"):
                self.compile[Path(name).stem] = words
            elif "-o" in words and "-c" not in words:
                self.link[words[words.index("-o") + 1].removeprefix(f"{build}/")] = words


class Place:
    """A build folder of its own, with one changed file."""

    def __init__(self, number, commands):
        self.number = number
        self.commands = commands
        self.folder = FOLDER / str(number)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for entry in BUILD.iterdir():
            if entry.name not in ("mutate", FOLDER.name):
                subprocess.run(["cp", "-al", entry, self.folder], check=True)
        self.changed = None

    def _source(self, name, text):
        path = self.folder / f"{name}.c"
        path.write_text(text)
        return path

    def code(self, name, text):
        """Returns the assembly of the file, for comparison; None if it does not compile."""
        source, to = self._source(name, text), self.folder / "code.s"
        words = [word for word in self.commands.compile[name] if word not in ("-MMD", "-MP", "-g")]
        words[words.index("-c")] = "-S"
        words[words.index("-o") + 1] = str(to)
        if subprocess.run([*words[:-1], "-w", source], cwd=TREE, stderr=subprocess.DEVNULL).returncode != 0:
            return None
        return to.read_bytes()

    def build(self, name, text):
        """Compiles the file, and links the programs. A folder keeps its last change, which a new one of another file takes back."""
        if self.changed not in (None, name):
            self._compile(self.changed, (TREE / f"src/monitor/{self.changed}.c").read_text())
        self.changed = name
        self._compile(name, text)
        for program, words in self.commands.link.items():
            if program in UNITS.values() and program != UNITS.get(name):
                continue
            (self.folder / program).unlink(missing_ok=True)
            subprocess.run([self._here(word) for word in words], cwd=TREE, check=True)

    def restore(self):
        if self.changed is not None:
            self.build(self.changed, (TREE / f"src/monitor/{self.changed}.c").read_text())

    def _compile(self, name, text):
        source = self._source(name, text)
        words = [self._here(word) for word in self.commands.compile[name] if word not in ("-MMD", "-MP")]
        (self.folder / f"monitor/{name}.o").unlink()
        subprocess.run([*words[:-1], "-w", source], cwd=TREE, check=True)

    def _here(self, word):
        return f"{self.folder}/{word.removeprefix(self.commands.build + '/')}" if word.startswith(self.commands.build + "/") else word

    def run(self, chosen, listener=False, more=(), build=None):
        """Runs these tests in this order, None for all: the outcomes {id: (outcome, seconds)}, and the ids that failed."""
        results, order = self.folder / "results", self.folder / "order"
        results.write_text("")
        order.write_text(json.dumps(chosen))
        environment = {**os.environ, "IMAPGATE_BUILD": str(build or self.folder), "PYTEST_XDIST_WORKER": f"gw{50 + self.number}",
                       "PYTHONPATH": str(HERE), "PYTHONPYCACHEPREFIX": str(FOLDER / "python"), "MUTATE_RESULTS": str(results)}
        if chosen is not None:
            environment["MUTATE_CHOSEN"] = str(order)
        if listener:
            environment["IMAPGATE_TEST_MODE"] = "listener"
        files = list(dict.fromkeys(f"tests/e2e/test_{node_file(node)}.py" for node in chosen or ()))
        command = [*ALONE, *PYTEST, "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-p", "chosen", *more, *files]
        lasts = False
        try:
            with open(self.folder / "output", "w") as output:
                status = subprocess.run(command, cwd=TREE, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                        start_new_session=True, timeout=RUN_SECONDS).returncode
        except subprocess.TimeoutExpired:
            lasts = True
        done = {}
        for line in results.read_text().splitlines():
            name, outcome, seconds = json.loads(line)
            if done.get(name, ("",))[0] != "failed":
                done[name] = outcome, seconds
        red = [name for name, (outcome, _) in done.items() if outcome == "failed"]
        if not red and lasts:
            red = [next((name for name in chosen or ["?"] if name not in done), "?")]
        if not red and status not in (0, 5):
            # Killed by what it has tested, or ended by itself: another may have changed /etc while it was copied.
            if status >= 0:
                raise RuntimeError(f"pytest ended with {status}")
            red = [next((name for name in chosen or ["?"] if name not in done), "?")]
        return done, red


class Judge:
    """Which tests there are, how long each takes, and which have seen faults."""

    def __init__(self):
        self.times = {}
        self.good = {}
        self.first = re.compile("$.")
        self.kills = collections.Counter()
        self.lock = threading.Lock()

    def learn(self, places, names):
        """Runs all tests of these files without a fault; keeps what passes."""
        known = FOLDER / "unchanged.json"
        if known.exists() and known.stat().st_mtime > (BUILD / "imapgate").stat().st_mtime:
            self.times = json.loads(known.read_text())
        waiting = queue.SimpleQueue()
        for name in names:
            if not any(node_file(node) == name for node in self.times):
                waiting.put(name)

        def work(place):
            place.restore()
            while True:
                try:
                    name = waiting.get_nowait()
                except queue.Empty:
                    return
                done, red = place.run(None, False, [f"tests/e2e/test_{name}.py"])
                for node in red:
                    print(f"# red without a fault: {node}", flush=True)
                with self.lock:
                    self.times.update({node: seconds for node, (outcome, seconds) in done.items()
                                       if outcome == "passed" and node not in FLAKY and node not in red})
                    known.write_text(json.dumps(self.times))

        with concurrent.futures.ThreadPoolExecutor(len(places)) as pool:
            list(pool.map(work, places))

    def is_good(self, place, node, listener):
        """Does it pass without a fault? Through a listener that is asked only when it fails with one."""
        if not listener:
            return True
        with self.lock:
            if node in self.good:
                return self.good[node]
        _, red = place.run([node], True, build=BUILD)
        with self.lock:
            self.good[node] = not red
        return not red

    def order(self, name, files, listener, longest=LONG, cases=CASES):
        """Tests that have seen faults of this file first, then the quick ones, and the first case of each before all others."""
        rank = {file: number for number, file in enumerate(files)}
        found = []
        count = collections.Counter()
        for node, seconds in self.times.items():
            test = node.partition("[")[0]
            if node_file(node) not in rank or seconds > longest:
                continue
            with self.lock:
                kills = self.kills[name, listener, node]
            count[test] += 1
            if count[test] <= cases or kills or self.first.search(node):
                found.append(((not self.first.search(node), -kills / (seconds + 0.3), seconds > SLOW, count[test] > 1, rank[node_file(node)]), node))
        return [node for _, node in sorted(found, key=lambda pair: pair[0])]

    def saw(self, name, listener, node):
        with self.lock:
            self.kills[name, listener, node] += 1


class Fault:
    def __init__(self, path, number, line, other):
        self.file, self.number = path.stem, number
        self.name = f"{path.name}: {line.strip()} => {other.strip()}"
        self.label = f"{path.name}:{number}: {line.strip()} => {other.strip()}"
        lines = path.read_text().split("\n")
        lines[number - 1] = other
        self.text = "\n".join(lines)


def find(place, judge, fault, order, listener):
    """The test of these that sees the fault, if one does."""
    while order:
        _, red = place.run(order, listener, ["-x"])
        if not red:
            return None
        if judge.is_good(place, red[0], listener):
            judge.saw(fault.file, listener, red[0])
            return red[0]
        order = order[order.index(red[0]) + 1:]
    return None


def unit(place, fault):
    """The unit program that sees the fault, if one does."""
    program = UNITS.get(fault.file)
    if program is None:
        return None
    try:
        done = subprocess.run([*ALONE, place.folder / program], start_new_session=True, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=30)
    except subprocess.TimeoutExpired:
        return program
    return program if done.returncode != 0 else None


def verdict(place, judge, fault, originals):
    code = place.code(fault.file, fault.text)
    if code is None:
        return "seen", "the compiler"
    if code == originals[fault.file]:
        return "same code", ""
    place.build(fault.file, fault.text)
    if program := unit(place, fault):
        return "seen", program
    files = TESTS[fault.file].split()
    if node := find(place, judge, fault, judge.order(fault.file, files, False), False):
        return "seen", node
    files = [name for name in files if name in LISTENED and fault.file in BOTH]
    if node := find(place, judge, fault, judge.order(fault.file, files, True), True):
        return "seen", f"{node}, listener"
    return "NOT SEEN", ""


def rest(place, judge, fault):
    place.build(fault.file, fault.text)
    others = [path.stem.removeprefix("test_") for path in sorted((TREE / "tests/e2e").glob("test_*.py"))]
    others = [name for name in others if name not in ELSEWHERE]
    done = set(judge.order(fault.file, TESTS[fault.file].split(), False))
    left = [node for node in judge.order(fault.file, others, False, RUN_SECONDS, RUN_SECONDS) if node not in done]
    if node := find(place, judge, fault, left, False):
        return "seen", f"{node}, in the rest"
    return "NOT SEEN", "nor by the rest"


def draw(faults, size, seed):
    """From each file in proportion, rounded so that the sum is right: the largest remainders get one more."""
    by_file = collections.defaultdict(list)
    for fault in faults:
        by_file[fault.file].append(fault)
    exact = {file: size * len(those) / len(faults) for file, those in by_file.items()}
    counts = {file: int(number) for file, number in exact.items()}
    for file in sorted(exact, key=lambda file: counts[file] - exact[file])[:size - sum(counts.values())]:
        counts[file] += 1
    generator = random.Random(seed)
    return [fault for file in sorted(by_file) for fault in generator.sample(by_file[file], counts[file])]


def equivalents():
    known = (HERE / "equivalent-monitor").read_text().splitlines()
    return {line.strip() for line in known if line.strip() and not line.startswith("#")}


def read_done(path, faults, judge):
    """Returns the results of an earlier run for these faults, and counts the tests that saw them."""
    found = {}
    lines = [line.partition(": ") for line in Path(path).read_text().splitlines()]
    for fault in faults:
        for kind, _, what in lines:
            by = re.fullmatch(re.escape(fault.label) + r"  \[(.*?)(, listener|, in the rest)?\] [0-9]+ s", what)
            if by and kind == "seen":
                judge.saw(fault.file, by.group(2) == ", listener", by.group(1))
            if kind in ("seen", "same code", "NOT SEEN") and (by or what in (fault.label, fault.name)):
                found[fault] = kind, "before"
    return found


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--rest", type=int, default=15)
    parser.add_argument("--again")
    parser.add_argument("--first", default="$.")
    parser.add_argument("--done")
    parser.add_argument("words", nargs="*")
    return parser.parse_args()


def main():
    given = arguments()
    deadline = time.monotonic() + given.seconds
    faults = [Fault(path, *change) for path in sorted((TREE / "src/monitor").glob("*.c")) for change in mutants(path)]
    print(f"# {len(faults)} faults are possible", flush=True)
    # A line that occurs several times may be equivalent in one place only.
    names = collections.Counter(fault.name for fault in faults)
    faults = [fault for fault in faults if not given.words or any(word in fault.label for word in given.words)]
    if given.sample and given.sample < len(faults):
        faults = draw(faults, given.sample, given.seed)
    if given.again:
        left = [line.partition(": ")[2] for line in Path(given.again).read_text().splitlines() if line.startswith(("NOT SEEN: ", "FAILED: "))]
        faults = [fault for fault in faults if any(what.startswith((fault.name, fault.label + "  [")) for what in left)]
    judge = Judge()
    judge.first = re.compile(given.first)
    found = read_done(given.done, faults, judge) if given.done else {}
    FOLDER.mkdir(parents=True, exist_ok=True)
    commands = Commands()
    places = queue.SimpleQueue()
    all_places = [Place(number, commands) for number in range(given.workers)]
    originals = {path.stem: all_places[0].code(path.stem, path.read_text()) for path in (TREE / "src/monitor").glob("*.c")}
    judge.learn(all_places, list(dict.fromkeys(name for fault in faults for name in TESTS[fault.file].split())))
    known = equivalents()
    for place in all_places:
        places.put(place)

    def attempt(fault, how):
        if time.monotonic() > deadline or (fault in found and how is not rest):
            return
        place = places.get()
        began = time.monotonic()
        try:
            alone = names[fault.name] == 1
            found[fault] = ("equivalent", "") if fault.name in known and alone else how(place, judge, fault)
            if found[fault][0] == "NOT SEEN" and fault.name in known:
                found[fault] = "equivalent", ""
        except Exception as error:
            found[fault] = "FAILED", repr(error)
        finally:
            places.put(place)
        kind, by = found[fault]
        print(f"{kind}: {fault.name if kind == 'NOT SEEN' else fault.label}{f'  [{by}]' if by and kind != 'NOT SEEN' else ''}"
              f"{'' if kind != 'seen' else f' {time.monotonic() - began:.0f} s'}", flush=True)

    # Of one file behind each other would teach less.
    random.Random(given.seed).shuffle(faults)
    with concurrent.futures.ThreadPoolExecutor(given.workers) as pool:
        list(pool.map(lambda fault: attempt(fault, lambda *it: verdict(*it, originals)), faults))
        left = [fault for fault in faults if found.get(fault, ("",))[0] == "NOT SEEN"][:given.rest]
        if left and time.monotonic() < deadline:
            print("# the rest of the tests", flush=True)
            names = [path.stem.removeprefix("test_") for path in sorted((TREE / "tests/e2e").glob("test_*.py"))]
            judge.learn(all_places, [name for name in names if name not in ELSEWHERE])
            list(pool.map(lambda fault: attempt(fault, rest), left))
    return summary(faults, found)


def summary(faults, found):
    kinds = ("same code", "equivalent", "seen", "NOT SEEN")
    rows = {fault.file: collections.Counter() for fault in sorted(faults, key=lambda fault: fault.file)}
    for fault, (kind, _) in found.items():
        rows[fault.file][kind] += 1
    total = sum(rows.values(), collections.Counter())
    print(f"{'':14}" + "".join(f"{kind.lower():>12}" for kind in kinds) + "       score")
    for file, row in [*rows.items(), ("all", total)]:
        tried = row["seen"] + row["NOT SEEN"]
        print(f"{file:14}" + "".join(f"{row[kind]:12}" for kind in kinds) + f"{100 * row['seen'] / max(1, tried):10.1f} %")
    print(f"monitor: {len(faults)} faults drawn, {len(faults) - len(found)} not tried, {total['FAILED']} failed to be tried")
    return 1 if total["NOT SEEN"] or total["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
