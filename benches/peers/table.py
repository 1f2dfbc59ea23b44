#!/usr/bin/env python3
"""Prints the medians over all rounds in results/raw as markdown tables: first the project's goals and what was reached of
each, then Ringway beside the limit and its best rival, then all systems with their ratios to the limit.

A cell reads `median (×R)`, R the ratio to the limit named above the table. `--spread` adds min..max,
`--csv` prints every median with its spread instead.
Where both sides spin, or two threads of one runtime work, only runs with the two processors near each other before and
after count (`line_ns` 85 to 250); a dagger marks a cell that had no such run.
"""
import collections
import glob
import json
import os
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SPREAD = "--spread" in sys.argv
DATA = collections.defaultdict(list)
FAR = set()
RAW = os.path.join(HERE, "results", "raw")
# Values of all rounds, and of those the ones that do not count.
COUNTS = [0, 0]


def load():
    paths = glob.glob(os.path.join(RAW, "*.jsonl"))
    for path in sorted(paths, key=lambda p: (len(p), p)):
        for line in open(path):
            try:
                d = json.loads(line)
            except ValueError:
                continue
            params = d["params"]
            # The harness that this one was made of prints it beside the parameters.
            line = map(int, params.pop("line_ns").split()) if "line_ns" in params else d.get("line_ns", [])
            near = all(x == 0 or 85 <= x <= 250 for x in line)
            key = (d["workload"], d["system"], d["unit"]) + tuple(sorted(params.items()))
            spins = d["system"] == "limit" and "futex" not in d["workload"] or params.get("mode") == "spin"
            spins |= d["workload"].startswith("W4-")
            DATA[key].append((near or not spins, d["value"]))
    for key, values in DATA.items():
        good = [v for near, v in values if near]
        if not good:
            FAR.add(id(values))
        COUNTS[0] += len(values)
        COUNTS[1] += len(values) - len(good)
        values[:] = good or [v for _, v in values]


def conditions():
    try:
        print(open(os.path.join(RAW, "conditions.txt")).read().strip())
    except OSError:
        pass
    rounds = len(glob.glob(os.path.join(RAW, "*.jsonl")))
    print(f"\n{rounds} rounds, {COUNTS[0]} values; {COUNTS[1]} were measured with the processors elsewhere, and do not count.")


def get(workload, system, unit, **params):
    return DATA.get((workload, system, unit) + tuple(sorted(params.items())))


def time(ns):
    for div, unit, top in ((1, "ns", 1e3), (1e3, "µs", 1e6), (1e6, "ms", 1e9)):
        if ns < top:
            return f"{ns / div:.3g} {unit}" if ns / div < 100 else f"{ns / div:.0f} {unit}"
    return f"{ns / 1e9:.3g} s"


def count(v):
    for div, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if v >= div:
            return f"{v / div:.3g} {unit}"
    return f"{v:.3g}"


def cell(values, show, limit=None, inverse=False):
    if not values:
        return "–"
    v = statistics.median(values)
    out = show(v) + ("†" if id(values) in FAR else "")
    if limit:
        ratio = statistics.median(limit) / v if inverse else v / statistics.median(limit)
        out += f" (×{ratio:.2g})" if ratio < 10 else f" (×{ratio:.0f})"
    if SPREAD:
        out += f" [{show(min(values))}..{show(max(values))}]"
    return out


def table(title, head, rows):
    rows = [r for r in rows if any(c != "–" for c in r[1:])]
    if not rows:
        return
    print(f"\n### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for r in rows:
        print("| " + " | ".join(r) + " |")


def pairs(workload):
    """System and mode, fastest kind first: all that measured this workload."""
    seen = {}
    for k in DATA:
        if k[0] == workload:
            seen[(k[1], dict(k[3:]).get("mode"))] = None
    return list(seen)


def name(bytes_):
    return f"{bytes_} B" if bytes_ < 1024 else f"{bytes_ >> 10} KiB" if bytes_ < 1 << 20 else f"{bytes_ >> 20} MiB"


def limits():
    rows = []
    for what, label in (("line-rtt", "cache line there and back"), ("line-one-way", "cache line one way")):
        for stat in ("min", "p50", "p99", "p999", "mean"):
            rows.append([f"{label}, {stat}", cell(get(what, "limit", "ns", stat=stat), time)])
    for cores in ("two", "same"):
        for stat in ("min", "p50", "p99", "mean"):
            v = get("futex-rtt", "limit", "ns", cores=cores, stat=stat)
            rows.append([f"futex wakeup there and back, {cores} core{'s' * (cores == 'two')}, {stat}", cell(v, time)])
    rows.append(["ring of 64-byte slots", cell(get("ring64", "limit", "msg/s"), lambda v: count(v) + "msg/s")])
    for op in ("fill", "copy", "sum"):
        for b in (65536, 1 << 20, 4 << 20):
            v = get("memory", "limit", "GB/s", op=op, bytes=str(b))
            rows.append([f"{op} {name(b)}, one core", cell(v, lambda v: f"{v:.0f} GB/s")])
    for op in ("rdtsc", "clock_gettime", "getppid", "sched_yield"):
        rows.append([op, cell(get("call", "limit", "ns", op=op), time)])
    table("Limit of this machine", ["what", "value"], rows)


SPIN = {"spin"}


def ask(stat, small):
    cols = [(8, "fill"), (64, "fill"), (1024, "fill"), (4096, "fill")]
    if not small:
        cols = [(b, t) for b in (65536, 1 << 20, 4 << 20) for t in ("ends", "fill", "sum")]
    head = ["system, mode"] + [f"{name(b)} {t}" for b, t in cols]
    for spin in (True, False):
        lim = "spin" if spin else "futex"
        rows = []
        for s, mode in pairs("W1"):
            if (mode in SPIN) == spin:
                row = [f"{s}, {mode}"]
                for b, t in cols:
                    p = dict(bytes=str(b), touch=t, stat=stat)
                    row.append(cell(get("W1", s, "ns", mode=mode, **p), time, get("W1", "shm-ring", "ns", mode=lim, **p)))
                rows.append(row)
        kind = "busy-poll" if spin else "blocking"
        table(f"W1 ask round trip, {stat}, {kind}, {'small' if small else 'large'} (ratio to shm-ring {lim})", head, rows)


def tail():
    cols = [("64 B", 64, "fill"), ("64 KiB", 65536, "fill")]
    stats = ("min", "p50", "p99", "p999", "mean")
    head = ["system, mode"] + [f"{c} {s}" for c, _, _ in cols for s in stats]
    rows = []
    for s, mode in pairs("W1"):
        row = [f"{s}, {mode}"]
        for _, b, t in cols:
            row += [cell(get("W1", s, "ns", mode=mode, bytes=str(b), touch=t, stat=st), time) for st in stats]
        rows.append(row)
    table("W1 ask round trip, distribution", head, rows)


def stream():
    small = [(8, "fill"), (64, "fill"), (1024, "fill"), (65536, "ends"), (1 << 20, "ends")]
    large = [(b, t) for b in (65536, 1 << 20) for t in ("fill", "sum")]
    for cols, unit, show in ((small, "msg/s", count), (large, "GB/s", lambda v: f"{v:.3g}")):
        rows = []
        for s, mode in pairs("W2"):
            row = [f"{s}, {mode}"]
            for b, t in cols:
                p = dict(bytes=str(b), touch=t, subs="1")
                row.append(cell(get("W2", s, unit, mode=mode, **p), show, get("W2", "shm-ring", unit, mode="spin", **p), True))
            rows.append(row)
        head = ["system, mode"] + [f"{name(b)} {t}" for b, t in cols]
        table(f"W2 one way, {unit} (ratio: how many times slower than shm-ring spin)", head, rows)


def fan():
    for b in (64, 1 << 20):
        rows = []
        for s, mode in pairs("W3"):
            row = [f"{s}, {mode}"]
            for n in (1, 2, 4, 8):
                p = dict(bytes=str(b), touch="fill", subs=str(n))
                row.append(cell(get("W3", s, "msg/s", mode=mode, **p), count, get("W3", "shm-ring", "msg/s", mode="spin", **p), True))
            rows.append(row)
        table(f"W3 publishes/s, {name(b)}, all received by all", ["system, mode"] + [f"{n} sub" for n in (1, 2, 4, 8)], rows)


LOCAL = [
    ("tell 1→1", "W4-tell", "msg/s", dict(senders="1"), count, True),
    ("tell 4→1", "W4-tell", "msg/s", dict(senders="4"), count, True),
    ("ask p50", "W4-ask", "ns", dict(stat="p50"), time, False),
    ("ask p99", "W4-ask", "ns", dict(stat="p99"), time, False),
    ("ask mean", "W4-ask", "ns", dict(stat="mean"), time, False),
    ("1,000 pairs", "W4-pairs", "msg/s", dict(pairs="1000"), count, True),
    ("spawn call", "W4-spawn", "ns/actor", dict(stat="call"), time, False),
    ("spawn to first answer", "W4-spawn", "ns/actor", dict(stat="first-answer"), time, False),
    ("stop", "W4-spawn", "ns/actor", dict(stat="stop"), time, False),
    ("memory/actor", "W4-memory", "bytes/actor", {}, lambda v: f"{v:.0f} B", False),
]


def actors():
    cols = LOCAL
    rows = []
    for s, _ in pairs("W4-tell"):
        row = [s]
        for _, w, unit, p, show, inverse in cols:
            row.append(cell(get(w, s, unit, **p), show, get(w, "tokio-mpsc", unit, **p), inverse))
        rows.append(row)
    table("W4 actors in one process (ratio to a bare Tokio task with mpsc)", ["system"] + [c[0] for c in cols], rows)
    rows = []
    for s, _ in pairs("W4-spawn"):
        each = {stat: get("W4-spawn", s, "ns/actor", stat=stat) for stat in ("call", "first-answer", "stop")}
        rate = lambda stat: each[stat] and [1e9 / v for v in each[stat]]
        memory = get("W4-memory", s, "bytes/actor")
        rates = [cell(rate(stat), count) for stat in ("call", "stop")]
        rows.append([s] + rates + [cell(each[stat], time) for stat in each] + [cell(memory, lambda v: f"{v:.0f} B")])
    head = ["system", "spawned/s", "stopped/s", "spawn, each", "until each has answered", "stop, each, until it is gone", "memory of an idle one"]
    table("W4 100,000 actors spawned, asked once, stopped", head, rows)
    rows = []
    for s, mode in pairs("chan-tell"):
        row = [f"{s}, {mode}"]
        for n in ("1", "4"):
            row.append(cell(get("chan-tell", s, "msg/s", mode=mode, senders=n), count))
        for st in ("p50", "p99", "mean"):
            row.append(cell(get("chan-rtt", s, "ns", mode=mode, stat=st), time))
        rows.append(row)
    table("W4 channels between two pinned threads", ["channel", "1→1 msg/s", "4→1 msg/s", "RTT p50", "RTT p99", "RTT mean"], rows)


def rest():
    rows = []
    for s, _ in pairs("W5"):
        rows.append([s] + [cell(get("W5", s, "us", stat=st), lambda v: time(v * 1e3)) for st in ("min", "p50", "max")])
    table("W5 process start to first message", ["system", "min", "p50", "max"], rows)
    rows = []
    for s, mode in pairs("W6"):
        rows.append([f"{s}, {mode}", cell(get("W6", s, "us CPU per 5 s", mode=mode), lambda v: time(v * 1e3))])
    table("W6 processor time of an idle receiver in 5 s", ["system, mode", "user + system"], rows)


OURS = ("ringway", "ringway-threads", "ringway-outside", "ringway-topics")
# Where the thread that blocks on the runtime tells and asks, and no task: a row beside that of `ringway-outside`.
OUTSIDE = "tokio-mpsc-outside"


def rival(workload, unit, best, skip=(), **params):
    """The best median of what is neither ours nor a limit, and whose it is."""
    rows = []
    for key, values in DATA.items():
        w, system, u, *rest = key
        p = dict(rest)
        mode = p.pop("mode", None)
        p.pop("subs", None)
        if (w, u) != (workload, unit) or p != params or (mode is not None and (mode in SPIN) != SPINS[0]):
            continue
        if system in OURS or system in ("shm-ring", "limit", "bare", OUTSIDE) or system in skip:
            continue
        rows.append((statistics.median(values), system))
    return best(rows, default=None)


# Whether rivals that spin are looked at, or those that sleep.
SPINS = [True]


def beside(what, ours, limit, other, show, more_is_better):
    """One row: Ringway's median and spread, the limit's, the best rival's, and the ratios that say how many times better."""
    if not ours:
        return None
    mine = statistics.median(ours)
    better = (lambda a, b: a / b) if more_is_better else (lambda a, b: b / a)
    row = [what, show(mine) + ("†" if id(ours) in FAR else ""), f"{show(min(ours))}..{show(max(ours))}"]
    if limit:
        floor = statistics.median(limit)
        row += [show(floor), f"{mine / floor:.2f}"]
    else:
        row += ["–", "–"]
    return row + ([f"{other[1]} {show(other[0])}", f"{better(mine, other[0]):.2f}"] if other else ["–", "–"])


def ringway():
    """Ringway beside the limit and beside its best rival, workload by workload."""
    rows = []
    for spins, mode, floor in ((True, "spin", "spin"), (False, "asleep", "futex")):
        SPINS[0] = spins
        cells = [(8, "fill"), (64, "fill"), (1024, "fill"), (4096, "fill"), (4096, "sum")]
        cells += [(b, t) for b in (65536, 1 << 20, 4 << 20) for t in ("ends", "fill", "sum")]
        for b, t in cells if spins else cells[:1]:
            for stat in ("p50", "p999") if b == 8 and spins else ("p50",):
                p = dict(bytes=str(b), touch=t, stat=stat)
                ours = get("W1", "ringway", "ns", mode=mode, **p)
                lim = get("W1", "shm-ring", "ns", mode=floor, **p)
                best = rival("W1", "ns", min, **p)
                rows.append(beside(f"ask {name(b)} {t}, {mode}, {stat}", ours, lim, best, time, False))
    SPINS[0] = True
    for b, t in [(8, "fill"), (64, "fill"), (1024, "fill")] + [(b, t) for b in (65536, 1 << 20) for t in ("fill", "sum")]:
        unit, show = ("msg/s", count) if b <= 1024 else ("GB/s", lambda v: f"{v:.3g} GB/s")
        p = dict(bytes=str(b), touch=t)
        ours = get("W2", "ringway", unit, mode="spin", subs="1", **p)
        lim = get("W2", "shm-ring", unit, mode="spin", subs="1", **p)
        best = rival("W2", unit, max, **p)
        rows.append(beside(f"stream {name(b)} {t}, {unit}", ours, lim, best, show, True))
        ours = get("W2", "ringway", unit, mode="spin", subs="1", batch="64", **p)
        rows.append(beside(f"stream {name(b)} {t}, told 64 at a time, {unit}", ours, lim, best, show, True))
    one = get("W2", "ringway", "msg/s", mode="spin", subs="1", bytes="8", touch="fill")
    for n in ("2", "4"):
        ours = get("W2", "ringway", "msg/s", mode="spin", subs="1", bytes="8", touch="fill", senders=n)
        rows.append(beside(f"stream 8 B, {n} senders (limit: one sender)", ours, one, None, count, True))
    for b in (64, 1 << 20):
        for n in (1, 2, 4, 8):
            p = dict(bytes=str(b), touch="fill", subs=str(n))
            for mode, floor, theirs in (("spin", "spin", "spin"), ("threads", "futex", "block")):
                other = get("W3", "iceoryx2-pubsub", "msg/s", mode=theirs, **p)
                other = other and (statistics.median(other), "iceoryx2")
                what = f"topic of {name(b)} to {n}, {'spinning' if mode == 'spin' else 'sleeping'}, samples/s"
                rows.append(beside(what, get("W3", "ringway-topics", "msg/s", mode=mode, **p), get("W3", "shm-ring", "msg/s", mode=floor, **p), other, count, True))
    for what, w, unit, p, show, more in LOCAL:
        best = rival(w, unit, max if more else min, ("tokio-mpsc",), **p)
        for system in OURS:
            floor = get(w, OUTSIDE if system == "ringway-outside" else "tokio-mpsc", unit, **p)
            rows.append(beside(f"{system}: {what}", get(w, system, unit, **p), floor, best, show, more))
    us = lambda v: time(v * 1e3)
    rows.append(beside("start to first message", get("W5", "ringway", "us", stat="p50"), get("W5", "bare", "us", stat="p50"), rival("W5", "us", min, stat="p50"), us, False))
    rows.append(beside("asleep for 5 s, processor time", get("W6", "ringway", "us CPU per 5 s", mode="threads"), None, None, us, False))
    head = ["workload", "Ringway", "spread", "limit", "Ringway / limit", "best rival", "times better"]
    table("Ringway beside the limit (in one process: a Tokio task behind its mpsc) and its best rival", head, [r for r in rows if r])


def goals():
    """What the project set itself, one row for each condition, with what the runs say of it."""
    rows = []

    def goal(what, sign, bound, ours, limit=None, show=None, than=""):
        """`ours` over the median of `limit`, or `ours` as it is, against a bound."""
        text = f"{sign} {bound:g}{than}" if limit is not None or show is None else f"{sign} {show(bound)}"
        if not ours or limit is not None and not limit:
            return rows.append([what, text, "–", "–", "not measured"])
        unit = statistics.median(limit) if limit else 1
        reached = statistics.median(ours) / unit
        met = {"≤": reached <= bound, "≥": reached >= bound, "<": reached < bound}[sign]
        digits = lambda v: show(v) if limit is None else f"{v:.2f}"
        mark = "†" if id(ours) in FAR or limit and id(limit) in FAR else ""
        spread = f"{digits(min(ours) / unit)}..{digits(max(ours) / unit)}"
        rows.append([what, text, digits(reached) + mark, spread, "yes" if met else "**no**"])

    ask = lambda s, mode, b, t="fill", stat="p50": get("W1", s, "ns", mode=mode, bytes=str(b), touch=t, stat=stat)
    line = get("line-rtt", "limit", "ns", stat="p50") or []
    goal("ask 8 B, spinning, p50", "≤", 2, ask("ringway", "spin", 8), line, than=" × the cache line's round trip")
    goal("ask 8 B, spinning, p99.9", "≤", 6, ask("ringway", "spin", 8, stat="p999"), line, than=" × the cache line's round trip")
    for b, bound in ((1024, 2), (4096, 1.7)):
        goal(f"ask {name(b)}, filled and read, p50", "≤", bound, ask("ringway", "spin", b), ask("shm-ring", "spin", b) or [], than=" × the bare ring's")
    goal("ask 4 MiB, ends touched, p50", "≤", 2.5, ask("ringway", "spin", 4 << 20, "ends"), ask("shm-ring", "spin", 8) or [], than=" × the bare ring's of 8 B")
    goal("ask 8 B, asleep, p50", "≤", 1.1, ask("ringway", "asleep", 8), ask("shm-ring", "futex", 8) or [], than=" × a bare futex ring's")
    stream = lambda s, b, unit="msg/s", **p: get("W2", s, unit, mode="spin", bytes=str(b), touch="fill", subs="1", **p)
    for b, bound in ((8, 0.5), (32, 0.5), (64, 0.4)):
        for how, p in (("", {}), (", told 64 at a time", dict(batch="64"))):
            goal(f"stream of {b} B, one sender{how}", "≥", bound, stream("ringway", b, **p), stream("shm-ring", b) or [], than=" × the bare ring's")
    for b in (65536, 1 << 20, 4 << 20):
        for t in ("fill", "sum"):
            ours = ask("ringway", "spin", b, t)
            goal(f"ask {name(b)}, {t}, p50", "≤", 1.05, ours, ask("shm-ring", "spin", b, t) or [], than=" × the bare ring's")
            others = [ask(s, "spin", b, t) for s in ("iceoryx2-pubsub", "iceoryx2-reqres")]
            others = min(filter(None, others), key=statistics.median, default=[])
            goal(f"ask {name(b)}, {t}, p50", "<", 1, ours, others, than=" × iceoryx2's")
    goal("stream of 8 B, 4 sending processes together", "≥", 1, stream("ringway", 8, senders="4"), stream("ringway", 8) or [], than=" × one's")
    for b in (65536, 1 << 20):
        goal(f"stream of {name(b)}, filled", "≥", 0.95, stream("ringway", b, "GB/s"), stream("shm-ring", b, "GB/s") or [], than=" × the bare ring's")
    for system, how in (("ringway", "one thread drives"), ("ringway-threads", "two workers")):
        for what, sign, bound, w, unit, p in (
            ("tell 1 to 1", "≥", 1.5, "W4-tell", "msg/s", dict(senders="1")),
            ("tell 4 to 1", "≥", 1.5, "W4-tell", "msg/s", dict(senders="4")),
            ("ask, p50", "≤", 0.8, "W4-ask", "ns", dict(stat="p50")),
            ("1,000 pairs", "≥", 1.5, "W4-pairs", "msg/s", dict(pairs="1000")),
        ):
            goal(f"local {what}, {how}", sign, bound, get(w, system, unit, **p), get(w, "tokio-mpsc", unit, **p) or [], than=" × a Tokio task's behind its mpsc")
        goal(f"spawn, {how}", "≤", 400, get("W4-spawn", system, "ns/actor", stat="call"), show=time)
        goal(f"idle actor, {how}", "≤", 500, get("W4-memory", system, "bytes/actor"), show=lambda v: f"{v:.0f} B")
    goal("a million idle actors", "<", 0.6e9, get("W4-million", "ringway", "bytes"), show=lambda v: f"{v / 1e9:.3g} GB")
    goal("process start to first message, p50", "≤", 3e3, get("W5", "ringway", "us", stat="p50"), show=lambda v: time(v * 1e3))
    beside = lambda size: get("W7", "ringway", "ns", mode="spin", beside=size, stat="middle")
    goal("ask 8 B beside 10,000 idle actors, names and urings", "≤", 1.05, beside("10000"), beside("0") or [], than=" × alone")
    goal("sleeping node, processor time in 5 s", "≤", 0, get("W6", "ringway", "us CPU per 5 s", mode="threads"), show=lambda v: time(v * 1e3))
    fan = lambda s, mode, b, n: get("W3", s, "msg/s", mode=mode, bytes=str(b), touch="fill", subs=str(n))
    for n in (1, 2, 4, 8):
        ours = fan("ringway-topics", "spin", 64, n)
        goal(f"topic of 64 B to {n}, spinning", "≥", 5, ours, fan("iceoryx2-pubsub", "spin", 64, n) or [], than=" × iceoryx2's")
        goal(f"topic of 64 B to {n}, spinning", "≥", 0.4, ours, fan("shm-ring", "spin", 64, n) or [], than=" × the bare ring's")
    for n in (1, 8):
        ours = fan("ringway-topics", "spin", 1 << 20, n)
        goal(f"topic of 1 MiB to {n}, spinning", "≥", 1, ours, fan("iceoryx2-pubsub", "spin", 1 << 20, n) or [], than=" × iceoryx2's")
    goal("ping-pong of 64 B over two topics, spinning, p50", "≤", 2.5, ask("ringway-topics", "spin", 64), line, than=" × the cache line's round trip")
    for n in (1, 8):
        ours = fan("ringway-topics", "threads", 64, n)
        goal(f"topic of 64 B to {n}, who sleep", "≥", 2, ours, fan("iceoryx2-pubsub", "block", 64, n) or [], than=" × iceoryx2's")
    head = ["workload", "goal", "reached", "spread", "met"]
    table("Goals (ratios of medians within one run; spread: the rounds' extremes over the same limit)", head, rows)


def csv():
    print("workload,system,params,unit,median,min,max,runs,far")
    for key in sorted(DATA, key=str):
        v = DATA[key]
        params = " ".join(f"{k}={x}" for k, x in key[3:])
        row = [key[0], key[1], params, key[2], *(f"{x:.6g}" for x in (statistics.median(v), min(v), max(v))), len(v)]
        print(*row, int(id(v) in FAR), sep=",")


if __name__ == "__main__":
    load()
    if "--csv" in sys.argv:
        sys.exit(csv())
    conditions()
    goals()
    ringway()
    limits()
    for small in (True, False):
        ask("p50", small)
    tail()
    stream()
    fan()
    actors()
    rest()
