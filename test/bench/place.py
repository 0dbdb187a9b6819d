"""Processes to measure: a temporary place for them, what they use, and the
subjects, all of which are answered by the same mock."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BUILD = os.environ["BUILD"]
CONFD = os.environ["CONFD"]
PINNED = (os.cpu_count() or 1) > 1 and shutil.which("taskset") is not None
PROXIES = ["taskset", "-c", "0"] if PINNED else []
OTHERS = ["taskset", "-c", "1"] if PINNED else []


def program(name):
    return os.path.join(BUILD, "test", "bench", name)


class Missing(Exception):
    """A subject that is not to be had here."""


# ---- what processes use ---------------------------------------------------------

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


def fields(path, wanted):
    """KiB of those lines of a file of /proc; 0 where there is none."""
    values = dict.fromkeys(wanted, 0)
    with contextlib.suppress(OSError):
        with open(path) as f:
            for line in f:
                name, _, rest = line.partition(":")
                if name in values:
                    values[name] = int(rest.split()[0])
    return [values[name] for name in wanted]


def memory(pid):
    """KiB resident, of these its share, and of these its alone."""
    rss, = fields(f"/proc/{pid}/status", ["VmRSS"])
    pss, clean, dirty = fields(f"/proc/{pid}/smaps_rollup",
                               ["Pss", "Private_Clean", "Private_Dirty"])
    return rss, pss, clean + dirty


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

    def serve(self, argv, ready):
        """Start a program of ours; what its ready file says."""
        p = self.start([*argv, "--quiet", "--ready-file", ready])
        wait_for(argv[-1], 60, lambda: p.poll() is not None or os.path.exists(ready))
        if p.poll() is not None:
            raise Missing(f"confd ended: {self.tail()}")
        with open(ready) as f:
            return p, json.load(f)

    def stop(self, p):
        if p.poll() is None:
            p.send_signal(signal.SIGTERM)
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        if p in self.running:
            self.running.remove(p)

    def tail(self):
        with open(self.path("log"), errors="replace") as f:
            return f.read()[-800:].strip()

    def close(self):
        for p in list(reversed(self.running)):
            self.stop(p)
        shutil.rmtree(self.dir, ignore_errors=True)


# ---- subjects -------------------------------------------------------------------

class Subject:
    def __init__(self, name, address, hops, more=()):
        self.name = name
        self.address = address
        self.hops = hops        # name: pid
        self.more = list(more)  # options of the load generator
        self.results = {}       # load: [result of a round]
        self.info = {}


def start_mock(place):
    mock = place.start([*OTHERS, program("mock")], stdout=subprocess.PIPE)
    return int(mock.stdout.readline())


def make_direct(_place, port, _done):
    return Subject("direct", f"127.0.0.1:{port}", {})


NGINX = """
daemon off;
master_process off;
pid {dir}/{name}.pid;
error_log {dir}/{name}.log crit;
worker_rlimit_nofile 40000;
events {{ worker_connections 25000; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    client_max_body_size 0;
    proxy_request_buffering off;
    proxy_buffering off;
    proxy_read_timeout 600s;
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


def make_nginx1(place, port, _done):
    if shutil.which("nginx") is None or shutil.which("openssl") is None:
        raise Missing("no nginx or openssl here")
    key, cert = place.path("key.pem"), place.path("cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
                    "-days", "2", "-subj", "/CN=bench"], check=True, capture_output=True)
    back = free_port()
    pid = start_nginx(
        place, "back", port=back, tls="ssl", scheme="http", to=port, location="",
        server=f"ssl_certificate {cert}; ssl_certificate_key {key}; "
               "ssl_protocols TLSv1.3; "
               "ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;")
    return Subject("nginx1", f"127.0.0.1:{back}", {"proxy": pid}, ["--tls", "1"])


def make_nginx2(place, _port, done):
    if "nginx1" not in done:
        raise Missing("without nginx1 there is no second hop")
    front, back = free_port(), done["nginx1"]
    pid = start_nginx(
        place, "front", port=front, tls="", scheme="https", server="",
        to=back.address.rpartition(":")[2],
        location="proxy_ssl_protocols TLSv1.3; proxy_ssl_verify off;")
    return Subject("nginx2", f"127.0.0.1:{front}", {"client": pid, **back.hops})


def make_confd(place, port, _done):
    _, info = place.serve([*PROXIES, CONFD, "demo", "--upstream", f"http://127.0.0.1:{port}",
                           "--listen", "127.0.0.1:0"], place.path("demo.ready"))
    pids = {"client": info["pids"]["client"]}
    for child in children(info["pids"]["worker"]):
        if "proxy" in arguments(child)[:2]:
            pids["proxy"] = child
    if "proxy" not in pids:
        raise Missing("confd worker has no proxy as its child")
    subject = Subject("confd", info["client"], pids)
    subject.info = info
    return subject


def start_subjects(place, say):
    """name: subject, of those that are to be had here."""
    port = start_mock(place)
    done = {}
    for make in (make_direct, make_nginx1, make_nginx2, make_confd):
        try:
            subject = make(place, port, done)
            done[subject.name] = subject
        except (Missing, OSError, subprocess.SubprocessError, KeyError, ValueError) as e:
            say(f"{make.__name__.removeprefix('make_')}: left out: {e}")
    return done
