#!/usr/bin/env python3
"""Prints the medians over all rounds in results/raw as markdown tables, with ratios to the limit.

A cell reads `median (×R)`, R the ratio to the limit named above the table. `--spread` adds min..max,
`--csv` prints every median with its spread instead.
Where both sides spin, only runs with the two processors near each other before and after count
(`line_ns` 85 to 250); a dagger marks a cell that had no such run.
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


def load():
    paths = glob.glob(os.path.join(HERE, "results", "raw", "*.jsonl"))
    for path in sorted(paths, key=lambda p: (len(p), p)):
        for line in open(path):
            try:
                d = json.loads(line)
            except ValueError:
                continue
            key = (d["workload"], d["system"], d["unit"]) + tuple(sorted(d["params"].items()))
            spins = d["system"] == "limit" and "futex" not in d["workload"] or d["params"].get("mode") == "spin"
            near = all(x == 0 or 85 <= x <= 250 for x in d.get("line_ns", []))
            DATA[key].append((near or not spins, d["value"]))
    for key, values in DATA.items():
        good = [v for near, v in values if near]
        if not good:
            FAR.add(id(values))
        values[:] = good or [v for _, v in values]


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


OURS = ("ringway", "ringway-threads", "ringway-outside")
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
    ringway()
    limits()
    for small in (True, False):
        ask("p50", small)
    tail()
    stream()
    fan()
    actors()
    rest()
