"""confd beside nginx, in one run.

Subjects, all asked by the same load generator, all answered by the same mock:

    direct  load -> mock
    nginx   load -> nginx -> TLS 1.3 -> nginx -> mock
    confd   load -> confd client -> TLS 1.3 -> confd proxy -> mock

nginx encrypts the connection between the two hops; confd also seals every
request to a key that only the attested proxy has.  The two hops run on core 0,
load and mock on core 1.  The subjects take turns, round by round, and the
median of the rounds counts.  CPU time per unit is the figure to trust on a
machine that is not idle."""

import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = os.environ["BUILD"]
CONFD = os.environ["CONFD"]
SCALE = float(os.environ.get("BENCH_SECONDS", "1"))
ROUNDS = 3
STARTS = 5
PINNED = (os.cpu_count() or 1) > 1 and shutil.which("taskset") is not None
PROXIES = ["taskset", "-c", "0"] if PINNED else []
OTHERS = ["taskset", "-c", "1"] if PINNED else []

# name: options of the load generator, seconds, seconds to warm up
LOADS = {
    "unary": (["--mode", "req", "--conns", "32", "--body", "1024"], 1.0, 0.4),
    "single": (["--mode", "req", "--conns", "1", "--body", "1024"], 0.5, 0.2),
    "prompt": (["--mode", "req", "--conns", "8", "--body", "100000"], 0.5, 0.2),
    "paced": (["--mode", "sse", "--conns", "200", "--events", "100", "--every", "20000"],
              1.5, 0.5),
    "saturated": (["--mode", "sse", "--conns", "200", "--events", "500", "--every", "0"],
                  1.0, 0.5),
}

failures = []


def program(name):
    return os.path.join(BUILD, "test", "bench", name)


def say(*what):
    print(*what, flush=True)


class Missing(Exception):
    """A subject that is not to be had here."""


# ---- processes ------------------------------------------------------------------

def children(pid):
    """All descendants of a process."""
    found = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                for child in f.read().split():
                    found += [int(child), *children(int(child))]
    return found


def arguments(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().decode(errors="replace").split("\0")[:-1]
    return []


def resident(pid):
    """KiB resident, and of these not shared with a file."""
    values = {"VmRSS": 0, "RssAnon": 0}
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/status") as f:
            for line in f:
                name, _, rest = line.partition(":")
                if name in values:
                    values[name] = int(rest.split()[0])
    return values["VmRSS"], values["RssAnon"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, seconds, look):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = look()
        if value:
            return value
        time.sleep(0.02)
    raise Missing(f"{what} did not serve in {seconds} s")


def accepts(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


class Place:
    """A temporary directory, and processes that end with it."""

    def __init__(self):
        # Where syncing a file costs nothing, if there is such a place.
        shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.dir = tempfile.mkdtemp(prefix="confd-bench-", dir=shm)
        self.running = []

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self, argv, **more):
        log = open(self.path("log"), "ab")
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=log,
                             start_new_session=True,
                             **{"stdout": log, **more})
        log.close()
        self.running.append(p)
        return p

    def stop(self, p):
        if p.poll() is None:
            p.send_signal(signal.SIGTERM)
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()

    def tail(self):
        with open(self.path("log"), errors="replace") as f:
            return f.read()[-800:].strip()

    def close(self):
        for p in reversed(self.running):
            self.stop(p)
        shutil.rmtree(self.dir, ignore_errors=True)


# ---- subjects -------------------------------------------------------------------

class Subject:
    def __init__(self, name, address, hops):
        self.name = name
        self.address = address
        self.hops = hops    # name: pid
        self.results = {}   # load: [result of a round]


def start_mock(place):
    mock = place.start([*OTHERS, program("mock")], stdout=subprocess.PIPE)
    return int(mock.stdout.readline())


def direct(_place, mock_port):
    return Subject("direct", f"127.0.0.1:{mock_port}", {})


NGINX = """
daemon off;
master_process off;
pid {dir}/{name}.pid;
error_log {dir}/{name}.log crit;
worker_rlimit_nofile 4096;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    client_body_buffer_size 256k;
    client_body_temp_path {dir}/{name}.body;
    proxy_temp_path {dir}/{name}.proxy;
    fastcgi_temp_path {dir}/{name}.fastcgi;
    uwsgi_temp_path {dir}/{name}.uwsgi;
    scgi_temp_path {dir}/{name}.scgi;
    upstream next {{
        server 127.0.0.1:{to};
        keepalive 512;
        keepalive_requests 1000000000;
        keepalive_timeout 300s;
    }}
    server {{
        listen 127.0.0.1:{port} {tls};
        {server}
        location / {{
            proxy_pass {scheme}://next;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            {location}
        }}
    }}
}}
"""


def start_nginx(place, name, **values):
    conf = place.path(name + ".conf")
    with open(conf, "w") as f:
        f.write(NGINX.format(dir=place.dir, name=name, **values))
    p = place.start([*PROXIES, "nginx", "-p", place.dir, "-c", conf])
    wait_for(name, 10, lambda: p.poll() is not None or accepts(values["port"]))
    if p.poll() is not None:
        raise Missing("nginx ended: " + place.tail())
    return p.pid


def nginx(place, mock_port):
    if shutil.which("nginx") is None or shutil.which("openssl") is None:
        raise Missing("no nginx or openssl here")
    key, cert = place.path("key.pem"), place.path("cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
                    "-days", "2", "-subj", "/CN=bench"], check=True, capture_output=True)
    back, front = free_port(), free_port()
    pids = {"proxy": start_nginx(
        place, "back", port=back, tls="ssl", scheme="http", to=mock_port, location="",
        server=f"ssl_certificate {cert}; ssl_certificate_key {key}; "
               "ssl_protocols TLSv1.3; "
               "ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;")}
    pids["client"] = start_nginx(
        place, "front", port=front, tls="", scheme="https", to=back, server="",
        location="proxy_ssl_protocols TLSv1.3; proxy_ssl_verify off;")
    return Subject("nginx", f"127.0.0.1:{front}", pids)


def confd(place, mock_port):
    ready = place.path("demo.ready")
    p = place.start([*PROXIES, CONFD, "demo", "--upstream", f"http://127.0.0.1:{mock_port}",
                     "--listen", "127.0.0.1:0", "--ready-file", ready, "--quiet"])
    wait_for("confd demo", 60, lambda: p.poll() is not None or os.path.exists(ready))
    if p.poll() is not None:
        raise Missing("confd demo ended: " + place.tail())
    with open(ready) as f:
        info = json.load(f)
    pids = {"client": info["pids"]["client"]}
    for child in children(info["pids"]["worker"]):
        if "proxy" in arguments(child)[:2]:
            pids["proxy"] = child
    if "proxy" not in pids:
        raise Missing("confd worker has no proxy as its child")
    subject = Subject("confd", info["client"], pids)
    subject.info = info
    return subject


# ---- measuring ------------------------------------------------------------------

def run_load(argv):
    done = subprocess.run([*OTHERS, program("load"), *argv], capture_output=True, text=True,
                          timeout=120)
    result = json.loads(done.stdout) if done.stdout.startswith("{") else None
    if done.returncode != 0:
        failures.append(" ".join(argv[:6]))
        say(f"ERROR load {' '.join(argv)}: {done.stderr.strip()}")
    return result


def measure(subject, load):
    options, seconds, warm = LOADS[load]
    names = list(subject.hops)
    seconds = seconds * SCALE
    result = run_load([*options, "--at", subject.address, "--seconds", str(seconds),
                       "--warm", str(warm),
                       "--pids", ",".join(str(subject.hops[n]) for n in names)])
    if result is None or result["units"] == 0:
        return
    result["cpu"] = sum(p["cpu_us"] for p in result["procs"]) / result["units"]
    for name, p in zip(names, result["procs"]):
        result["cpu_" + name] = p["cpu_us"] / result["units"]
        result["rss_" + name] = p["rss_kib"]
    subject.results.setdefault(load, []).append(result)


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
    for load, (options, _, _) in LOADS.items():
        say(f"\n{load}: {' '.join(options)}; median (least-most) of {ROUNDS} rounds")
        say(f"  {'':8}{'per second':>26}{'p50 us':>22}{'p99 us':>26}"
            f"{'CPU us each':>22}  client/proxy")
        for s in subjects:
            hops = "/".join(f"{median(s, load, 'cpu_' + h) or 0:.1f}"
                            for h in ("client", "proxy")) if s.hops else ""
            say(f"  {s.name:8}{spread(s, load, 'per_second'):>26}{spread(s, load, 'p50'):>22}"
                f"{spread(s, load, 'p99'):>26}"
                f"{spread(s, load, 'cpu', '{:.1f}') if s.hops else '-':>22}  {hops}")


# ---- goals ----------------------------------------------------------------------

def goal(name, value, limit, least=True, unit=""):
    """One line: least tells whether the value should be at least the limit."""
    if value is None:
        say(f"{name} - goal {limit} skipped: not measured")
        return
    good = value >= limit if least else value <= limit
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}"
    say(f"{name} {text}{unit} goal {'>=' if least else '<='} {limit} {'ok' if good else 'MISSED'}")


def ratio(a, b):
    return a / b if a is not None and b else None


def added(subject, base, load, key):
    a, b = median(subject, load, key), median(base, load, key)
    return a - b if a is not None and b is not None else None


def print_goals(by_name):
    base, peer, us = (by_name.get(n) for n in ("direct", "nginx", "confd"))

    def per_cpu(load, key="cpu"):
        return ratio(median(peer, load, key), median(us, load, key))

    say("\nGoals: ratios are of confd over nginx, per CPU time unless said otherwise")
    goal("P1 unary_nginx_ratio", per_cpu("unary"), 0.9)
    goal("P1 unary_nginx_rate_ratio", ratio(median(us, "unary", "per_second"),
                                            median(peer, "unary", "per_second")), 0.9)
    goal("P1 unary_proxy_nginx_ratio", per_cpu("unary", "cpu_proxy"), 0.9)
    ours, theirs = (added(s, base, "paced", "p50") for s in (us, peer))
    goal("P4 sse_added_p50_us", ours, 120, least=False)
    goal("P4 sse_added_p50_nginx_ratio", ratio(ours, theirs), 1.0, least=False)
    ours, theirs = (added(s, base, "paced", "p99") for s in (us, peer))
    say(f"P4 sse_added_p99_us {ours if ours is None else round(ours)}"
        f" nginx {theirs if theirs is None else round(theirs)}")
    goal("P4 sse_p99_nginx_ratio", ratio(median(us, "paced", "p99"),
                                         median(peer, "paced", "p99")), 2.0, least=False)
    goal("P4 sse_cpu_us_per_event_and_hop", ratio(median(us, "paced", "cpu"), 2), 25, least=False)
    goal("P5 sse_saturated_nginx_ratio", per_cpu("saturated"), 0.85)
    each = median(us, "saturated", "cpu")
    goal("P6 sse_saturated_pair_per_core", 1e6 / each if each else None, 100000)
    goal("P8 prompt_100k_nginx_cpu", ratio(median(us, "prompt", "cpu"),
                                           median(peer, "prompt", "cpu")), 2.5, least=False)


# ---- starting, memory, size -----------------------------------------------------

def time_start(place, name, argv, address=None):
    """Milliseconds from exec to serving, the median of some."""
    times = []
    for i in range(STARTS):
        ready = place.path(f"{name}.{i}.ready")
        mode = ["accept", "--at", address] if address else ["start", "--at", ready]
        argv_i = [a.replace("READY", ready) for a in argv]
        result = run_load(["--mode", *mode, "--", shutil.which(argv_i[0]) or argv_i[0],
                           *argv_i[1:]])
        if result is None:
            return None
        times.append(result["max"] / 1000)
    say(f"start {name}: {statistics.median(times):.2f} ms ({min(times):.2f}-{max(times):.2f})")
    return statistics.median(times)


def print_starts(place, by_name):
    us, peer = by_name.get("confd"), by_name.get("nginx")
    say(f"\nFrom exec to serving, median (least-most) of {STARTS}")
    if us is not None:
        d = us.info["dir"]
        root, manifest = os.path.join(d, "sim-root.pem"), os.path.join(d, "manifest.json")
        common = ["--quiet", "--ready-file", "READY"]
        first = time_start(place, "as", [CONFD, "as", "--listen", "127.0.0.1:0", "--store", "memory",
                                 "--tee", "sim", "--sim-root", root, *common])
        time_start(place, "client", [CONFD, "client", "--listen", "127.0.0.1:0", "--as",
                                     us.info["as"], "--manifest", manifest, "--endpoint",
                                     "https://" + us.info["proxy"], *common])
        keys = place.path("keys")
        done = subprocess.run([CONFD, "key", "ohttp", "--out", keys], capture_output=True)
        ours = None
        if done.returncode == 0:
            ours = time_start(place, "proxy", [
                CONFD, "proxy", "--listen", "https://127.0.0.1:0", "--upstream",
                "http://127.0.0.1:9", "--keys", keys, *common])
        goal("P16 start_ms", ours or first, 3, least=False)
    if peer is not None:
        port = free_port()
        with open(place.path("front.conf")) as f:
            text = f.read().replace(peer.address, f"127.0.0.1:{port}")
        conf = place.path("start.conf")
        with open(conf, "w") as f:
            f.write(text)
        time_start(place, "nginx", ["nginx", "-p", place.dir, "-c", conf], f"127.0.0.1:{port}")


def roles(info):
    """name: pid of every process of the demo's daemons."""
    found = {}
    for name in ("as", "worker", "client"):
        pid = info["pids"][name]
        found[name] = pid
        for child in children(pid):
            words = arguments(child)
            role = words[words.index("--role") + 1] if "--role" in words[:-1] else "child"
            applet = words[1] if len(words) > 1 else "?"
            found[f"{applet} {role}"] = child
    return found


def print_memory(subject, when):
    say(f"\nMemory {when}, KiB: resident, of these anonymous")
    for name, pid in roles(subject.info).items():
        rss, anon = resident(pid)
        say(f"  {name:16}{rss:>8}{anon:>8}")


def print_idle_goal(subject):
    most = max(resident(pid)[0] for pid in subject.hops.values())
    goal("P7 idle_rss_mib", most / 1024, 3, least=False)


def print_size():
    stripped = CONFD + ".stripped"
    if os.path.exists(stripped):
        goal("size_stripped_mib", os.path.getsize(stripped) / 2**20, 4.77, least=False)


def print_micro():
    values = {}
    for name in ("crypto", "parse"):
        say(f"\n{name}: CPU time of one core")
        with subprocess.Popen([*PROXIES, program(name)], stdout=subprocess.PIPE,
                              text=True) as p:
            for line in p.stdout:
                say(" ", line.rstrip())
                words = line.split()
                values[words[0]] = float(words[1])
        if p.returncode != 0:
            failures.append(name)
    return values


def openssl_speed(size):
    """MB/s of OpenSSL's AES-256-GCM, where there is one."""
    if shutil.which("openssl") is None:
        return None
    done = subprocess.run([*PROXIES, "openssl", "speed", "-mr", "-seconds", "1", "-bytes", str(size),
                           "-evp", "aes-256-gcm"], capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if line.startswith("+F:"):
            return float(line.split(":")[-1]) / 1e6
    return None


def print_micro_goals(values):
    for size, name, limit in ((256, "256", 1.0), (16384, "16k", 0.8)):
        goal(f"P14 aes256gcm_{name}_openssl_ratio",
             ratio(values.get("aes256gcm_seal_" + name), openssl_speed(size)), limit)
    goal("P15 json_check_100k_mbs", values.get("json_check_100k"), 1000)


# ---- the run --------------------------------------------------------------------

def start_subjects(place, mock_port):
    subjects = []
    for make in (direct, nginx, confd):
        try:
            subjects.append(make(place, mock_port))
        except (Missing, OSError, subprocess.SubprocessError, KeyError, ValueError) as e:
            say(f"{make.__name__}: left out: {e}")
    return subjects


def main():
    began = time.monotonic()
    place = Place()
    try:
        subjects = start_subjects(place, start_mock(place))
        by_name = {s.name: s for s in subjects}
        us = by_name.get("confd")
        if us is not None:
            print_memory(us, "idle")
            print_idle_goal(us)
        for _ in range(ROUNDS):
            for load in LOADS:
                for s in subjects:
                    measure(s, load)
        print_table(subjects)
        if us is not None:
            print_memory(us, "after all loads")
        print_starts(place, by_name)
    finally:
        place.close()
    values = print_micro()
    print_goals(by_name)
    print_micro_goals(values)
    print_size()
    say(f"\n{time.monotonic() - began:.0f} s, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}")
    if failures:
        say("errors while measuring: " + "; ".join(failures))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
