"""What was measured, and the tables of it: medians over the repetitions, ratios first."""

import statistics
import sys
from collections import defaultdict

MODES = ("plain", "starttls", "tls")


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


class Results:
    def __init__(self, order):
        self.order = order                                          # of rows
        self.loads = defaultdict(lambda: defaultdict(list))         # by server and mode, then by what
        self.held = defaultdict(lambda: defaultdict(list))          # by part, server, mode, stage and number

    def add_load(self, server, mode, done, spent_us, apart_us, other):
        if done["errors"] or not done["logins"]:
            say(f"{server.name} {mode}: {done['errors']} FAILED logins, {done['logins']} that did not")
        if not done["logins"]:
            return
        row = self.loads[server.name, mode]
        for name, value in (("cpu", spent_us / done["logins"]), ("apart", apart_us / done["logins"]), ("other", other),
                            ("rate", done["logins"] / done["seconds"]), ("p50", done["p50_us"] / 1000),
                            ("p99", done["p99_us"] / 1000), ("greeting", done["greeting_us"] / 1000), ("errors", done["errors"])):
            row[name].append(value)

    def add_held(self, part, server, mode, stage, result, idle_kb, pss_kb, memory_before, memory):
        n = result["logins"]
        if result["errors"] or not n:
            say(f"{server.name} {mode}: {result['errors']} connections FAILED, {n} are held")
        if not n:
            return
        row = self.held[part, server.name, mode, stage, n]
        row["pss"].append((pss_kb - idle_kb) / n)
        row["idle"].append(idle_kb)
        row["seconds"].append(result["seconds"])
        if memory is not None:
            row["memory"].append((memory - memory_before) / n)

    # --- tables

    def _median(self, row, name, form="{:.0f}"):
        return form.format(statistics.median(row[name]) + 0.0) if row.get(name) else "-"

    def _floor(self):
        floor = self.loads.get(("floor", "plain"))
        return statistics.median(floor["cpu"]) if floor else None

    def _ratio(self, server, mode):
        row, floor = self.loads.get((server, mode)), self._floor()
        if not row:
            return "-"
        cpu = statistics.median(row["cpu"])
        return f"{cpu / floor:.1f} ({cpu:.0f})" if floor else f"({cpu:.0f})"

    def _load_table(self):
        return ("CPU per login, as multiples of the floor (in brackets: us)\n\n" + table(
            ["server", *MODES], [[name, *(self._ratio(name, mode) for mode in MODES)] for name in self.order
                                 if any((name, mode) in self.loads for mode in MODES)]))

    def _pace_table(self):
        rows = [[name, mode, self._median(row, "rate"), self._median(row, "p50", "{:.1f}"), self._median(row, "p99", "{:.1f}"),
                 self._median(row, "greeting", "{:.1f}"), f"{min(row['cpu']):.0f} to {max(row['cpu']):.0f}",
                 self._median(row, "apart"), self._median(row, "other", "{:.2f}"), f"{sum(row['errors']):.0f}"]
                for name in self.order for mode in MODES if (row := self.loads.get((name, mode)))]
        return "Pace: one core, all clients on another\n\n" + table(
            ["server", "mode", "logins/s", "p50 ms", "p99 ms", "to greeting ms", "CPU us, least to most", "mailbox apart us",
             "others' load", "errors"], rows)

    def _held_table(self, part, title):
        rows = [[name, mode, "logged in" if stage == "authenticated" else "not logged in", str(n), self._median(row, "pss"),
                 self._median(row, "memory"), self._median(row, "seconds", "{:.2f}"), self._median(row, "idle")]
                for name in self.order for mode in MODES for (p, server, m, stage, n), row in sorted(self.held.items())
                if (p, server, m) == (part, name, mode)]
        return f"{title}\n\n" + table(["server", "mode", "state", "held", "PSS kB each", "anon + kernel kB each", "s to open",
                                       "idle server's PSS kB"], rows)

    def tables(self):
        parts = []
        if self.loads:
            parts += [self._load_table(), self._pace_table()]
        if any(key[0] == "memory" for key in self.held):
            parts.append(self._held_table("memory", "Memory of each idle connection; PSS without the mailbox program"))
        if any(key[0] == "growth" for key in self.held):
            parts.append(self._held_table("growth", "Growth: connections that are not logged in"))
        return "\n".join(parts)
