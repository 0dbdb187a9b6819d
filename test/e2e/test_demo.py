"""The demo as a newcomer uses it: what it prints, what its options do, and
that nothing is left of it however it ends."""

import atexit
import glob
import http.server
import json
import os
import re
import signal
import socket
import socketserver
import subprocess
import threading
import time

from lib import CONFD, Demo, Place, Skip, check, confd, free_port, run, wait_until

place = Place()
atexit.register(place.close)


def p(name):
    return place.path(name)


def tmp():
    """A directory for temporary files, to see what is left there."""
    os.makedirs(p("tmp"), mode=0o777, exist_ok=True)
    os.chmod(place.dir, 0o755)
    os.chmod(p("tmp"), 0o1777)
    return {"TMPDIR": p("tmp")}


def stat_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return fields[0], int(fields[1])
    except (OSError, IndexError):
        return None, None


def tree(pid):
    """All processes below pid."""
    found, parents = [], {pid}
    while parents:
        below = {int(d[6:]) for d in glob.glob("/proc/[0-9]*") if stat_of(d[6:])[1] in parents}
        found += sorted(below)
        parents = below
    return found


def lives(pid):
    return stat_of(pid)[0] not in (None, "Z", "X")


def check_nothing_left(pids, what):
    wait_until(lambda: not any(lives(pid) for pid in pids), 5, what + ": the end of all")
    check(os.listdir(p("tmp")) == [], what, os.listdir(p("tmp")))
    for pid in pids:
        check(glob.glob(f"/sys/fs/cgroup/**/confd-{pid}-*", recursive=True) == [], what)


def stop(demo, name, act):
    """Have act end the demo; its exit status."""
    pids = tree(demo.daemon.proc.pid)
    check(len(pids) >= 8, name, pids)
    act(demo)
    demo.daemon.proc.wait(20)
    check_nothing_left(pids, name)
    check(not os.path.exists(p(name + ".ready")), name)
    return demo.daemon.proc.returncode


def test_a_question_is_answered_and_nothing_stays():
    done = confd("demo", "--listen", "127.0.0.1:0", "--ask", "one two three", env=tmp())
    check("3 words" in done.stdout and done.stdout.count("\n") == 1, done)
    check("[7/7]" in done.stderr and os.listdir(p("tmp")) == [], done)


def test_a_long_question_is_not_cut_within_a_character():
    done = confd("demo", "--quiet", "--listen", "127.0.0.1:0", "--ask", "x" + "\u00e9" * 300)
    check(done.stdout.endswith("\u00e9\n"), done)


def test_signals_end_it_cleanly():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        name = number.name
        demo = Demo(place, name=name, env=tmp())
        status = stop(demo, name, lambda d, n=number: d.daemon.proc.send_signal(n))
        check(status == 0, name, status, demo.daemon.text()[-500:])


def test_a_signal_in_the_middle_of_its_start_leaves_nothing():
    for wait in (0.02, 0.1, 0.2, 0.3):
        d = place.start([CONFD, "demo", "--listen", "127.0.0.1:0"], "early", tmp())
        time.sleep(wait)
        pids = tree(d.proc.pid)
        d.proc.send_signal(signal.SIGINT)
        d.proc.wait(20)
        check_nothing_left(pids, f"after {wait} s")


def test_a_signal_during_a_stream_does_not_wait_for_it():
    demo = Demo(place, name="stream", env=tmp())
    host, port = demo.client.rsplit(":", 1)
    body = json.dumps({"model": "m", "stream": True, "messages": [
        {"role": "user", "content": "a " * 100}]})
    with socket.create_connection((host, int(port)), 10) as s:
        s.sendall(("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: "
                   f"application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}").encode())
        check(s.recv(100).startswith(b"HTTP/1.1 200"))
        check(stop(demo, "stream", lambda d: d.daemon.proc.send_signal(signal.SIGINT)) == 0)


def test_a_daemon_that_is_killed_ends_it_with_an_error():
    for which in ("as", "worker", "client"):
        demo = Demo(place, name="kill-" + which, env=tmp())
        status = stop(demo, "kill-" + which,
                      lambda d, w=which: os.kill(d.info["pids"][w], signal.SIGKILL))
        check(status == 69, which, status)
        check(f"'confd {which}' was killed" in demo.daemon.text(), demo.daemon.text()[-300:])


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as s:
        at = "127.0.0.1:%d" % s.getsockname()[1]
        done = confd("demo", "--listen", at, "--ask", "x", ok=False, env=tmp())
    check(done.returncode == 1 and at + ": the address is in use" in done.stderr, done)
    check(os.listdir(p("tmp")) == [])


def test_wrong_options():
    for option, value in (("--listen", "nowhere"), ("--upstream", "ftp://x"), ("--via", "x"),
                          ("--upstream", "https://127.0.0.1:1"), ("--via", "http://h/path")):
        done = confd("demo", option, value, "--ask", "x", ok=False, env=tmp())
        check(done.returncode == 64, option, value, done)
    check(os.listdir(p("tmp")) == [])


def test_a_directory_is_kept_and_gone_on_with():
    for text in ("first", "second"):
        done = confd("demo", "--dir", p("kept"), "--listen", "127.0.0.1:0", "--ask", text)
        check(text in done.stdout, done)
    check("earlier demo" in done.stderr)
    check(os.stat(p("kept")).st_mode & 0o777 == 0o700)
    check({"manifest.json", "operator.key", "operator.pem", "sim-root.pem", "as"} ==
          set(os.listdir(p("kept"))), os.listdir(p("kept")))


# ---- a server in place of the model ------------------------------------------------


class Upstream(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def answer(self, body):
        body = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer({"object": "list", "data": [{"id": "a/model", "object": "model"}]})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.answer({"choices": [{"index": 0, "message": {
            "role": "assistant", "content": asked["model"] + " heard you"}}]})


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def get_request(self):
        s, _ = self.socket.accept()
        return s, ("unix", 0)


def serve(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def curl_of(text):
    return re.search(r"  (curl -N .*?)\n\n", text, re.S).group(1)


def test_an_upstream_over_tcp_and_the_printed_line():
    server = serve(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream))
    demo = Demo(place, "--upstream", "http://127.0.0.1:%d" % server.server_port, name="tcp")
    text = wait_until(lambda: "Ctrl-C" in demo.daemon.text() and demo.daemon.text(), 5, "its text")
    check("INSECURE" in text and f"http://{demo.client}/v1" in text)
    done = subprocess.run(["bash", "-c", curl_of(text)], capture_output=True, text=True, timeout=20)
    check(done.returncode == 0 and "a/model heard you" in done.stdout, done)
    check(demo.daemon.stop() == 0)
    server.shutdown()


def test_an_upstream_at_a_unix_socket():
    os.chmod(place.dir, 0o755)
    server = serve(UnixServer(p("model.sock"), Upstream))
    os.chmod(p("model.sock"), 0o666)
    done = confd("demo", "--quiet", "--listen", "127.0.0.1:0", "--upstream",
                 "unix:" + p("model.sock"), "--ask", "x")
    check(done.stdout == "a/model heard you\n", done)
    server.shutdown()


def test_via_an_address_in_clear_the_proxy_listens_in_clear():
    port = free_port()
    demo = Demo(place, "--via", f"http://127.0.0.1:{port}", name="via")
    host, at = demo.info["proxy"].rsplit(":", 1)
    with socket.create_connection((host, int(at)), 5) as s:
        s.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        check(s.recv(100).startswith(b"HTTP/1.1 200"))
    status, _ = demo.chat("nobody is there")
    check(status == 502, status)
    check(demo.daemon.stop() == 0)


def test_an_ordinary_user_can_run_it():
    if os.geteuid() != 0:
        raise Skip("is one already")
    try:
        with open("/proc/sys/user/max_user_namespaces") as f:
            allowed = int(f.read()) > 0
    except OSError:
        allowed = False
    home = tmp()
    done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                           CONFD, "demo", "--listen", "127.0.0.1:0", "--ask", "as nobody"],
                          capture_output=True, text=True, timeout=60,
                          env={**os.environ, **home, "HOME": p("tmp")})
    if done.returncode == 126 or "setpriv" in done.stderr:
        raise Skip("that user cannot execute " + CONFD)
    check(os.listdir(p("tmp")) == [], os.listdir(p("tmp")))
    if done.returncode == 77 and ("sysctl" in done.stderr or not allowed):
        raise Skip("no user namespaces here, and it said so")
    check(done.returncode == 0 and "2 words" in done.stdout, done)


run(globals())
