"""What the end-to-end tests share: the real binary, its daemons, clients.

A test is a function whose name begins with test_; run() calls them all in
order and prints a line each.  Everything listens on loopback, waits are
bounded, and only processes started here are ended here."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import traceback

CONFD = os.environ["CONFD"]
BUILD = os.environ["BUILD"]
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Sanitized programs are several times slower.
SLOW = 4 if "asan" in BUILD or "coverage" in BUILD else 1


class Skip(Exception):
    pass


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(repr(w) for w in what) or "check failed")


def wait_until(condition, seconds=10.0, what="condition"):
    end = time.monotonic() + seconds * SLOW
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("not in time: " + what)


def confd(*args, ok=True, stdin=None, timeout=30, program=None, env=None):
    """Run one command to its end; with ok it must succeed."""
    done = subprocess.run([program or CONFD, *args], input=stdin, text=True,
                          capture_output=True, timeout=timeout * SLOW,
                          env={**os.environ, **(env or {})})
    if ok:
        check(done.returncode == 0, args, done.returncode, done.stderr)
    return done


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Daemon:
    """A process of ours, ended (with SIGTERM, then SIGKILL) at the end."""

    def __init__(self, argv, log, env=None):
        self.log = log
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                     stdout=open(log, "ab"),
                                     stderr=subprocess.STDOUT,
                                     start_new_session=True,
                                     env={**os.environ, **(env or {})})

    def stop(self, seconds=15):
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
            try:
                self.proc.wait(seconds * SLOW)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
                raise AssertionError(f"{self.proc.args[:3]} did not end")
        return self.proc.returncode

    def text(self):
        with open(self.log, errors="replace") as f:
            return f.read()


class Place:
    """A temporary directory with daemons, all gone when the test ends."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="confd-e2e-")
        self.daemons = []

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self, argv, name, env=None):
        d = Daemon(argv, self.path(name + ".log"), env)
        self.daemons.append(d)
        return d

    def ready(self, daemon, name, seconds=20):
        """Wait for a --ready-file, and read it."""
        def look():
            if daemon.proc.poll() is not None:
                raise AssertionError(f"{name} ended: " + daemon.text()[-2000:])
            return os.path.exists(self.path(name))
        wait_until(look, seconds, name)
        with open(self.path(name)) as f:
            return json.load(f)

    def close(self):
        for d in reversed(self.daemons):
            with contextlib.suppress(Exception):
                d.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            for d in self.daemons:
                tail = d.text()[-1500:]
                if tail:
                    print(f"--- {d.log}\n{tail}", file=sys.stderr)
        self.close()


class Demo:
    """confd demo, serving."""

    def __init__(self, place, *options, name="demo", env=None):
        self.place = place
        self.daemon = place.start([CONFD, "demo", "--verbose", "--listen", "127.0.0.1:0",
                                   "--ready-file", place.path(name + ".ready"),
                                   *options], name, env)
        self.info = place.ready(self.daemon, name + ".ready", 60)
        self.client = self.info["client"]

    def request(self, method, path, body=None, headers=None, timeout=30):
        return request(self.client, method, path, body, headers, timeout)

    def chat(self, text, **more):
        body = {"model": "confd-demo", "messages": [{"role": "user", "content": text}], **more}
        status, _, answer = self.request("POST", "/v1/chat/completions", json.dumps(body),
                                         {"content-type": "application/json"})
        return status, answer


def connect(address, timeout=30, tls=False):
    host, port = address.rsplit(":", 1)
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(host, int(port), timeout=timeout * SLOW,
                                           context=context)
    return http.client.HTTPConnection(host, int(port), timeout=timeout * SLOW)


def request(address, method, path, body=None, headers=None, timeout=30, tls=False):
    c = connect(address, timeout, tls)
    try:
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        return r.status, dict((k.lower(), v) for k, v in r.getheaders()), r.read()
    finally:
        c.close()


def raw(address, data, timeout=10, tls=False, shutdown=False):
    """Send bytes, and read until the end."""
    host, port = address.rsplit(":", 1)
    s = socket.create_connection((host, int(port)), timeout * SLOW)
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        s = context.wrap_socket(s)
    with s:
        s.sendall(data)
        if shutdown:
            s.shutdown(socket.SHUT_WR)
        got = b""
        with contextlib.suppress(ConnectionResetError, TimeoutError):
            while part := s.recv(65536):
                got += part
        return got


def events(stream):
    """The data of each server-sent event."""
    for line in stream:
        if line.startswith(b"data: "):
            yield line[6:].strip()


def run(namespace):
    """Run all test_ functions of a module; exit status for the runner."""
    bad = 0
    only = sys.argv[1:]
    for name, function in list(namespace.items()):
        if not name.startswith("test_") or (only and not any(w in name for w in only)):
            continue
        began = time.monotonic()
        try:
            function()
            print(f"ok {name} ({time.monotonic() - began:.1f} s)", flush=True)
        except Skip as why:
            print(f"skip {name}: {why}", flush=True)
        except Exception as why:
            bad += 1
            print(f"FAIL {name}: {str(why)[:400]}", flush=True)
            traceback.print_exc()
    sys.exit(1 if bad else 0)
