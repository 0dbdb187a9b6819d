"""confd beside nginx, in one run.

Subjects, all asked by the same load generator, all answered by the same mock:

    direct  load -> mock
    nginx1  load -> TLS 1.3 -> nginx -> mock
    nginx2  load -> nginx -> TLS 1.3 -> nginx -> mock
    confd   load -> confd client -> TLS 1.3 -> confd proxy -> mock

nginx2 is the fair peer: it encrypts the connection between its two hops; confd
also seals every request to a key that only the attested proxy has.  nginx1 has
the load generator's own TLS in its latency, and in its rate where that is what
is slow; its CPU time is nginx's alone.  The hops run on core 0, load and mock on core 1.  The subjects take turns, round by
round, and the median of the rounds counts.  CPU time per unit is the figure to
trust on a machine that is not idle.

Each figure is one line:

    P<group> NAME VALUE UNIT [goal >=|<= GOAL ok|MISSED]
    P<group> NAME skipped: WHY

Groups: P1 small requests, P4 paced streams, P5 streams as fast as they go, P7
memory, P8 large bodies, P9 TLS connections, P10 SEV-SNP evidence, P11 TDX
evidence, P14 crypto, P15 parsers, P16 starting, P17 size, P18 GPU evidence.

Evidence is verified beside the bare checks of its signatures, and beside Go's
verifiers where there is Go and its modules can be had (peers/)."""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time

from place import (CONFD, OTHERS, PROXIES, Missing, Place, arguments, children, free_port,
                   memory, program, start_subjects)

SCALE = float(os.environ.get("BENCH_SECONDS", "1"))
STREAMS = int(os.environ.get("BENCH_STREAMS", "1000"))
ROUNDS = 3
STARTS = 5
EVENT_BYTES = 263  # of an event of the mock
BODY = 128_000_000
LONG_STREAM = 200_000  # events

SMALL = ["--mode", "req", "--body", "1024"]
# name: options of the load generator, rounds, seconds, seconds to warm up; a
# load that counts takes as long as it takes.
LOADS = {
    "unary1": ([*SMALL, "--conns", "1"], ROUNDS, 0.7, 0.2),
    "unary16": ([*SMALL, "--conns", "16"], ROUNDS, 1.0, 0.3),
    "prompt100k": (["--mode", "req", "--conns", "8", "--body", "100000"], ROUNDS, 0.7, 0.3),
    "paced": (["--mode", "sse", "--conns", "50", "--events", "50", "--every", "20000"],
              ROUNDS, 1.5, 0.5),
    "saturated": (["--mode", "sse", "--conns", "64", "--events", "500", "--every", "0"],
                  ROUNDS, 1.0, 0.4),
    "body128m": (["--mode", "req", "--conns", "1", "--count", "1", "--body", str(BODY)],
                 2, 0, 0),
    "stream": (["--mode", "sse", "--conns", "1", "--count", "1", "--events", str(LONG_STREAM),
                "--every", "0"], 2, 0, 0),
}
# Megabytes of one unit, where that says more than units do.
SIZES = {"prompt100k": 0.1, "body128m": BODY / 1e6, "stream": EVENT_BYTES / 1e6}

STRIPPED = CONFD + ".stripped"
VECTORS = os.environ.get("CONFD_VECTORS", os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../../../shared/vectors"))

failures = []


def say(*what):
    print(*what, flush=True)


def ratio(a, b):
    return a / b if a is not None and b else None


def figure(group, name, value, unit, goal=None):
    """goal: (">=" or "<=", limit)."""
    if value is None:
        say(f"P{group} {name} skipped: not measured")
        return
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    line = f"P{group} {name} {text} {unit}"
    if goal is not None:
        sign, limit = goal
        good = value >= limit if sign == ">=" else value <= limit
        line += f" goal {sign} {limit} {'ok' if good else 'MISSED'}"
    say(line)


# ---- measuring ------------------------------------------------------------------

def run_load(argv):
    done = subprocess.run([*OTHERS, program("load"), *argv], capture_output=True, text=True,
                          timeout=300)
    result = json.loads(done.stdout) if done.stdout.startswith("{") else None
    if done.returncode != 0:
        failures.append(" ".join(argv[:6]))
        say(f"ERROR load {' '.join(argv)}: {done.stderr.strip()}")
    return result


def measure(subject, load):
    options, _, seconds, warm = LOADS[load]
    names = list(subject.hops)
    result = run_load([*options, *subject.more, "--at", subject.address,
                       "--seconds", str(seconds * SCALE), "--warm", str(warm),
                       "--pids", ",".join(str(subject.hops[n]) for n in names)])
    if result is None or result["units"] == 0:
        return
    result["cpu"] = sum(p["cpu_us"] for p in result["procs"]) / result["units"]
    for name, p in zip(names, result["procs"]):
        result["cpu_" + name] = p["cpu_us"] / result["units"]
    result["mbs"] = result["per_second"] * SIZES.get(load, 0)
    subject.results.setdefault(load, []).append(result)


def measure_all(subjects):
    for i in range(ROUNDS):
        for load, (_, rounds, _, _) in LOADS.items():
            for s in subjects.values() if i < rounds else ():
                measure(s, load)


def median(subject, load, key):
    values = [r[key] for r in subject.results.get(load, []) if key in r] if subject else []
    return statistics.median(values) if values else None


def spread(subject, load, key, form="{:.0f}"):
    values = [r[key] for r in subject.results.get(load, []) if key in r]
    if not values:
        return "-"
    return (form + " (" + form + "-" + form + ")").format(
        statistics.median(values), min(values), max(values))


def print_table(subjects):
    for load, (options, rounds, _, _) in LOADS.items():
        say(f"\n{load}: {' '.join(options)}; median (least-most) of {rounds} rounds")
        say(f"  {'':8}{'MB/s' if load in SIZES else 'per second':>26}{'p50 us':>24}"
            f"{'p99 us':>26}{'CPU us each':>26}  client/proxy")
        key, form = ("mbs", "{:.1f}") if load in SIZES else ("per_second", "{:.0f}")
        for s in subjects.values():
            hops = "/".join(f"{median(s, load, 'cpu_' + h) or 0:.1f}" for h in s.hops)
            say(f"  {s.name:8}{spread(s, load, key, form):>26}{spread(s, load, 'p50'):>24}"
                f"{spread(s, load, 'p99'):>26}"
                f"{spread(s, load, 'cpu', '{:.1f}') if s.hops else '-':>26}  {hops}")


# ---- what the loads say ---------------------------------------------------------

def print_subject(subjects, name, load, group):
    """Rate and latency of one subject, and the rate beside direct."""
    s, direct = subjects.get(name), subjects.get("direct")
    key, unit = ("mbs", "MB/s") if load in SIZES else ("per_second", "/s")
    rate = median(s, load, key)
    figure(group, f"{load}_{name}_rate", rate, unit)
    if name != "direct":
        figure(group, f"{load}_{name}_rate_of_direct",
               ratio(rate, median(direct, load, key)), "x")
        figure(group, f"{load}_{name}_cpu_each", median(s, load, "cpu"), "us")
    if group == 1:
        figure(group, f"{load}_{name}_p50", median(s, load, "p50"), "us")
        figure(group, f"{load}_{name}_p99", median(s, load, "p99"), "us")


def print_small(subjects):
    peer, us = subjects.get("nginx2"), subjects.get("confd")
    for load in ("unary1", "unary16"):
        for name in ("direct", "nginx1", "nginx2", "confd"):
            print_subject(subjects, name, load, 1)
        for key, better in (("per_second", True), ("p50", False), ("p99", False)):
            a, b = median(us, load, key), median(peer, load, key)
            figure(1, f"{load}_confd_{key}_of_nginx2", ratio(a, b), "x",
                   (">=" if better else "<=", 0.9 if better else 1.2))
        figure(1, f"{load}_nginx2_cpu_of_confd",
               ratio(median(peer, load, "cpu"), median(us, load, "cpu")), "x", (">=", 0.9))
    figure(1, "unary16_nginx_hop_cpu_of_confd_proxy",
           ratio(median(peer, "unary16", "cpu_proxy"), median(us, "unary16", "cpu_proxy")), "x",
           (">=", 0.9))


def print_paced(subjects):
    direct = subjects.get("direct")

    def added(name, key):
        a, b = median(subjects.get(name), "paced", key), median(direct, "paced", key)
        return a - b if a is not None and b is not None else None

    for key in ("p50", "p99"):
        figure(4, f"paced_direct_{key}", median(direct, "paced", key), "us")
        for name in ("nginx1", "nginx2", "confd"):
            figure(4, f"paced_{name}_added_{key}", added(name, key), "us")
        figure(4, f"paced_confd_added_{key}_of_nginx2",
               ratio(added("confd", key), added("nginx2", key)), "x",
               ("<=", 1.0 if key == "p50" else 2.0))
    for name in ("nginx1", "nginx2", "confd"):
        figure(4, f"paced_{name}_cpu_each", median(subjects.get(name), "paced", "cpu"), "us")


def print_bulk(subjects):
    peer, us = subjects.get("nginx2"), subjects.get("confd")
    goals = {"saturated": (">=", 0.85), "stream": (">=", 0.85)}
    for load in ("saturated", "stream", "prompt100k", "body128m"):
        group = 5 if load in goals else 8
        for name in ("direct", "nginx1", "nginx2", "confd"):
            print_subject(subjects, name, load, group)
        figure(group, f"{load}_nginx2_cpu_of_confd",
               ratio(median(peer, load, "cpu"), median(us, load, "cpu")), "x",
               goals.get(load, (">=", 0.4)))
    each = median(us, "saturated", "cpu")
    figure(5, "saturated_confd_pair_per_core", 1e6 / each if each else None, "/s",
           (">=", 100000))


# ---- TLS connections, idle streams ----------------------------------------------

def print_handshakes(subjects):
    us, peer = subjects.get("confd"), subjects.get("nginx1")
    cpu = {}
    for name, subject, address in (("nginx", peer, peer and peer.address),
                                   ("confd", us, us and us.info["proxy"])):
        result = subject and run_load(["--mode", "shake", "--at", address, "--seconds", "1",
                                       "--pids", str(subject.hops["proxy"])])
        if result:
            cpu[name] = result["procs"][0]["cpu_us"] / result["units"]
        figure(9, f"tls_handshake_{name}_rate", result and result["per_second"], "/s")
        figure(9, f"tls_handshake_{name}_cpu", cpu.get(name), "us")
    figure(9, "tls_handshake_nginx_cpu_of_confd", ratio(cpu.get("nginx"), cpu.get("confd")), "x",
           (">=", 0.8))


def most_streams():
    """Two descriptors a stream in each hop, and ports of one address."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return max(0, min(STREAMS, 20000, (files - 300) // 2))


def hold(name, subject, n):
    """Memory of n streams that say nothing; KiB each, a hop."""
    before = {hop: memory(pid) for hop, pid in subject.hops.items()}
    result = run_load(["--mode", "hold", "--conns", str(n), "--events", "2", "--every",
                       "600000000", "--seconds", "1", *subject.more, "--at", subject.address,
                       "--pids", ",".join(map(str, subject.hops.values()))])
    after = {hop: p["rss_kib"] for hop, p in zip(subject.hops, result["procs"])} if result else {}
    for hop in subject.hops:
        grown = after[hop] - before[hop][0] if result and not result["errors"] else None
        figure(7, f"idle_stream_{name}_{hop}", ratio(grown, n), "KiB")
    figure(7, f"idle_streams_{name}_begun", result and result["per_second"], "/s")


def print_streams(subjects):
    n = most_streams()
    figure(7, "idle_streams", n, "streams")
    for name in ("nginx2", "confd"):
        if name in subjects:
            hold(name, subjects[name], n)
        else:
            figure(7, f"idle_stream_{name}_proxy", None, "KiB")


# ---- starting, memory, size -----------------------------------------------------

def daemons(place, us):
    """name: command line of each daemon, alone."""
    d = us.info["dir"]
    # What is installed: the software TEE measures the whole file.
    confd = STRIPPED if os.path.exists(STRIPPED) else CONFD
    keys, public = place.path("keys"), place.path("keys.pub")
    subprocess.run([CONFD, "key", "ohttp", "--out", keys, "--public", public], check=True,
                   capture_output=True)
    return {
        "as": [confd, "as", "--listen", "127.0.0.1:0", "--store", "memory", "--tee", "sim",
               "--sim-root", os.path.join(d, "sim-root.pem")],
        "proxy": [confd, "proxy", "--listen", "https://127.0.0.1:0", "--upstream",
                  "http://127.0.0.1:9", "--keys", keys],
        "client": [confd, "client", "--listen", "127.0.0.1:0", "--as", us.info["as"],
                   "--manifest", os.path.join(d, "manifest.json"), "--endpoint",
                   "https://" + us.info["proxy"]],
    }


def time_start(place, name, argv, address=None, goal=None):
    """Milliseconds from exec to serving, the median of some."""
    times = []
    for i in range(STARTS):
        ready = place.path(f"{name}.{i}.ready")
        mode = ["accept", "--at", address] if address else ["start", "--at", ready]
        more = [] if address else ["--quiet", "--ready-file", ready]
        result = run_load(["--mode", *mode, "--", shutil.which(argv[0]) or argv[0], *argv[1:],
                           *more])
        if result is None:
            break
        times.append(result["max"] / 1000)
    figure(16, f"start_{name}", statistics.median(times) if times else None, "ms", goal)


def print_idle(place, name, argv):
    """Memory of a daemon that has nothing to do, all of its processes."""
    try:
        p, _ = place.serve(argv, place.path(name + ".idle"))
    except Missing as e:
        say(f"P7 idle_{name} skipped: {e}")
        return
    time.sleep(0.2)
    each = {pid: memory(pid) for pid in (p.pid, *children(p.pid))}
    for pid, (rss, pss, own) in each.items():
        words = arguments(pid)
        role = words[words.index("--role") + 1] if "--role" in words[:-1] else "parent"
        say(f"  {name + ' ' + role:20}{rss:>8}{pss:>8}{own:>8}")
    for i, kind in enumerate(("rss", "pss", "private")):
        values = [m[i] for m in each.values()]
        figure(7, f"idle_{name}_{kind}", sum(values), "KiB")
    figure(7, f"idle_{name}_largest_rss", max(m[0] for m in each.values()) / 1024, "MiB",
           ("<=", 3))
    place.stop(p)


def print_starts(place, subjects):
    us, peer = subjects.get("confd"), subjects.get("nginx2")
    if us is None:
        say("P16 start_confd skipped: not measured")
    else:
        argvs = daemons(place, us)
        for name, argv in argvs.items():
            time_start(place, name, argv, goal=("<=", 3))
        say("  KiB of each process:     resident, share, its alone")
        for name, argv in argvs.items():
            print_idle(place, name, argv)
    if peer is None:
        say("P16 start_nginx skipped: not measured")
        return
    port = free_port()
    with open(place.path("front.conf")) as f:
        text = f.read().replace(peer.address, f"127.0.0.1:{port}")
    conf = place.path("start.conf")
    with open(conf, "w") as f:
        f.write(text)
    time_start(place, "nginx", ["nginx", "-p", place.dir, "-c", conf], f"127.0.0.1:{port}")
    figure(7, "idle_nginx_rss", memory(peer.hops["client"])[0], "KiB")


def print_size():
    there = os.path.exists(STRIPPED)
    figure(17, "size_stripped", os.path.getsize(STRIPPED) if there else None, "bytes",
           ("<=", 5000000))


# ---- primitives and parsers -----------------------------------------------------

def print_micro():
    """The programs print NAME VALUE UNIT TIME."""
    values = {}
    for name, group in (("crypto", 14), ("parse", 15)):
        with subprocess.Popen([*PROXIES, program(name)], stdout=subprocess.PIPE,
                              text=True) as p:
            for line in p.stdout:
                words = line.split()
                values[words[0]] = float(words[1])
                figure(group, words[0], values[words[0]], words[2])
        if p.returncode != 0:
            failures.append(name)
    return values


def openssl_speed(size):
    """MB/s of OpenSSL's AES-256-GCM, where there is one."""
    if shutil.which("openssl") is None:
        return None
    done = subprocess.run([*PROXIES, "openssl", "speed", "-mr", "-seconds", "1", "-bytes",
                           str(size), "-evp", "aes-256-gcm"], capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if line.startswith("+F:"):
            return float(line.split(":")[-1]) / 1e6
    return None


def print_micro_goals(values):
    for size, name, limit in ((256, "256", 1.0), (1024, "1k", 0.8), (16384, "16k", 0.8)):
        figure(14, f"aes256gcm_{name}_of_openssl",
               ratio(values.get("aes256gcm_seal_" + name), openssl_speed(size)), "x",
               (">=", limit))
    figure(15, "json_check_100k_goal", values.get("json_check_100k"), "MB/s", (">=", 1000))


# ---- hardware evidence ----------------------------------------------------------

EVIDENCE = {"snp": 10, "tdx": 11, "gpu": 18}
EVIDENCE_GOALS = {"snp_verify_cached": (">=", 500), "tdx_verify_cached": (">=", 450)}


def print_lines(lines):
    """NAME VALUE UNIT [TIME], or NAME skipped: WHY; the values by name."""
    values = {}
    for line in lines:
        words = line.split()
        group = EVIDENCE.get(words[0].split("_")[0].rstrip(":"), 10)
        if words[1] == "skipped:":
            say(f"P{group} {line.strip()}")
            continue
        values[words[0]] = float(words[1])
        goal = ("<=", 1.10) if words[0].endswith("_of_bare") else EVIDENCE_GOALS.get(words[0])
        figure(group, words[0], values[words[0]], words[2], goal)
    return values


def go_peers(place):
    """Lines of Go's verifiers; one that says why there are none."""
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if go is None:
        return ["go_peers skipped: no Go here"]
    top, program_at = place.path("peers"), place.path("peers.bin")
    shutil.copytree(os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers"), top)
    try:
        subprocess.run([go, "build", "-o", program_at, "."], cwd=top, capture_output=True,
                       text=True, timeout=180, check=True)
        done = subprocess.run([*PROXIES, program_at, VECTORS], capture_output=True, text=True,
                              timeout=120, check=True, env={**os.environ, "GOMAXPROCS": "1"})
    except (OSError, subprocess.SubprocessError) as e:
        why = (getattr(e, "stderr", None) or str(e)).strip().splitlines()
        return [f"go_peers skipped: {why[-1] if why else e}"]
    return done.stdout.splitlines()


def print_evidence(place):
    done = subprocess.run([*PROXIES, program("verify")], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "CONFD_VECTORS": VECTORS})
    if done.returncode != 0:
        failures.append("verify")
    us = print_lines(done.stdout.splitlines())
    if not us:
        return
    them = print_lines(go_peers(place))
    for name, ours, theirs in (("snp_of_go_sev_guest", "snp_verify", "snp_go_sev_guest"),
                               ("tdx_of_go_tdx_guest", "tdx_verify", "tdx_go_tdx_guest"),
                               ("tdx_quote_of_go_tdx_guest", "tdx_verify_cached",
                                "tdx_go_tdx_guest_quote")):
        figure(EVIDENCE[name[:3]], name, ratio(us.get(ours), them.get(theirs)), "x")


# ---- the run --------------------------------------------------------------------

def main():
    began = time.monotonic()
    place = Place()
    try:
        subjects = start_subjects(place, say)
        print_size()
        print_starts(place, subjects)
        measure_all(subjects)
        print_table(subjects)
        say("")
        print_small(subjects)
        print_paced(subjects)
        print_bulk(subjects)
        print_handshakes(subjects)
        print_streams(subjects)
        print_evidence(place)
    finally:
        place.close()
    print_micro_goals(print_micro())
    say(f"\n{time.monotonic() - began:.0f} s, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}")
    if failures:
        say("errors while measuring: " + "; ".join(failures))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
