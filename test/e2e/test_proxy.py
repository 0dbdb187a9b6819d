"""`confd proxy` standing alone, and what people throw at it; `confd client` at
its edges.  The model server is test/fake/upstream, sealed requests are made by
test/fake/asker."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time

from lib import (BUILD, CONFD, SLOW, Place, check, confd, free_port, raw, request, run, wait_until)

UPSTREAM = os.path.join(BUILD, "test/fake/upstream")
ASKER = os.path.join(BUILD, "test/fake/asker")
place = Place()
proxy = None
upstream = None
V2 = {"content-type": "message/ohttp-chunked-req"}


class Proxy:
    def __init__(self, name, target, *options, scheme="http"):
        self.daemon = place.start([CONFD, "proxy", "--listen", f"{scheme}://127.0.0.1:0",
                                   "--keys", p("keys"), "--upstream", target, "--ready-file",
                                   p(name + ".ready"), *options], name)
        self.info = place.ready(self.daemon, name + ".ready")
        self.address = self.info["listen"]
        self.url = f"{scheme}://{self.address}"
        # The parent has one child: the role that serves.
        with open(f"/proc/{self.info['pid']}/task/{self.info['pid']}/children") as f:
            self.role = int(f.read().split()[0])

    def memory(self):
        """KiB resident in the role."""
        with open(f"/proc/{self.role}/smaps_rollup") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("Rss"))

    def ask(self, *options):
        """The exit status, the status outside, and all the output."""
        done = subprocess.run([ASKER, "--to", self.url, "--keys", p("public"), *options],
                              capture_output=True, timeout=60 * SLOW)
        return done.returncode, done.stdout.decode(errors="replace")

    def begin(self, *options):
        return subprocess.Popen([ASKER, "--to", self.url, "--keys", p("public"), *options],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def well(self):
        status, out = self.ask()
        check(status == 0 and "hello from the fake" in out, status, out)


class Upstream:
    def __init__(self, name, *options, listen="127.0.0.1:0"):
        self.daemon = place.start([UPSTREAM, "--listen", listen, "--port-file", p(name), *options],
                                  name + "-log")
        wait_until(lambda: os.path.exists(p(name)), 10, name)
        with open(p(name)) as f:
            self.address = f.read()
        self.url = self.address if listen.startswith("unix:") else "http://" + self.address

    def stats(self):
        return json.loads(request(self.address, "GET", "/stats")[2])


def p(name):
    return place.path(name)


def problem(answer, kind):
    status, headers, body = answer
    check(headers["content-type"] == "application/problem+json", answer)
    check(json.loads(body)["type"].endswith(kind), answer)
    return status


def sealed(*options):
    """A sealed request, as bytes."""
    subprocess.run([ASKER, "--keys", p("public"), "--save", p("sealed"), *options], check=True)
    with open(p("sealed"), "rb") as f:
        return f.read()


def test_set_up():
    global proxy, upstream
    confd("key", "ohttp", "--out", p("keys"), "--public", p("public"))
    upstream = Upstream("upstream")
    proxy = Proxy("proxy", upstream.url, "--header-timeout", "1", "--idle", "3", "--timeout", "2",
                  "--max-body", "1", "--drain", "5")
    check(proxy.daemon.proc.pid == proxy.info["pid"])


def test_wrong_command_lines_say_what_is_wrong():
    good = ["--listen", "http://127.0.0.1:0", "--keys", p("keys"), "--upstream", upstream.url]
    with open(p("junk"), "w") as f:
        f.write("junk")
    os.chmod(p("junk"), 0o600)
    shutil.copy(p("keys"), p("loose"))
    os.chmod(p("loose"), 0o644)
    for change, code, hint in (
            ({"--upstream": None}, 64, "--upstream"), ({"--keys": None}, 64, "--keys"),
            ({"--keys": p("junk")}, 78, "confd key ohttp"), ({"--keys": p("absent")}, 1, "absent"),
            ({"--keys": p("loose")}, 77, "chmod 600"),
            ({"--listen": "ftp://x"}, 64, "https://"), ({"--upstream": "https://x"}, 64, "TLS"),
            ({"--adapter": "nope"}, 1, "openai"), ({"--max-body": "0"}, 64, "max-body"),
            ({"--cert": p("junk")}, 64, "--cert"), ({"--listen": "http://" + proxy.address}, 1,
                                                     "in use")):
        options = dict(zip(good[::2], good[1::2])) | change
        argv = [word for pair in options.items() if pair[1] is not None for word in pair]
        done = confd("proxy", *argv, ok=False)
        check(done.returncode == code and hint in done.stderr, change, done)


def test_a_chat_over_tls_and_over_a_unix_socket():
    u = Upstream("unix", listen="unix:" + p("model.sock"))
    # The role that connects is nobody, where it can be.
    os.chmod(place.dir, 0o711)
    os.chmod(p("model.sock"), 0o666)
    q = Proxy("tls", u.url, scheme="https")
    q.well()
    status, out = q.ask("--header", "x-fake: echo", "--body", "canary", "--size", "100000")
    check(status == 0 and "canary" + "x" * 1000 in out, out[:300])
    check(q.daemon.stop() == 0, q.daemon.text())
    check(not os.path.exists(p("tls.ready")))


def test_plaintext_is_refused():
    body = json.dumps({"model": "m", "messages": []})
    status, headers, answer = request(proxy.address, "POST", "/v1/chat/completions", body,
                                      {"content-type": "application/json"})
    check(status == 400 and json.loads(answer)["error"]["code"] == "encryption_required", answer)
    status, _, answer = request(proxy.address, "GET", "/metrics")
    check(status == 404 and json.loads(answer)["error"]["code"] == "not_found", answer)
    check(problem(request(proxy.address, "GET", "/confd/v2"), ":method") == 405)
    check(problem(request(proxy.address, "POST", "/confd/v2", "{}"), ":media-type") == 415)


def test_keys_that_are_not_known_and_bytes_that_were_altered():
    good = sealed()
    before = upstream.stats()["requests"]
    other = bytes([good[0] ^ 1]) + good[1:]
    answer = request(proxy.address, "POST", "/confd/v2", other, V2)
    check(problem(answer, "#ohttp-key") == 422)
    for at in (1, 8, 39, 40, len(good) // 2, len(good) - 1):
        bad = good[:at] + bytes([good[at] ^ 1]) + good[at + 1:]
        check(request(proxy.address, "POST", "/confd/v2", bad, V2)[0] in (400, 413), at)
    for n in (0, 1, 7, 38, 39, 40, 60, len(good) - 1):
        answer = request(proxy.address, "POST", "/confd/v2", good[:n], V2)
        check(problem(answer, ":undecryptable") == 400, n)
    check(upstream.stats()["requests"] == before)
    # None of that has used it up; itself does.
    check(request(proxy.address, "POST", "/confd/v2", good, V2)[0] == 200)
    check(problem(request(proxy.address, "POST", "/confd/v2", good, V2), ":replay") == 409)
    check(upstream.stats()["requests"] == before + 1)


def test_what_is_wrong_inside_is_told_inside():
    for options, status, code in (
            (["--path", "/metrics"], 404, "not_found"),
            (["--path", "/v1/chat/completions?a=b"], 404, "not_found"),
            (["--header", "x-http-method-override: GET"], 400, "header_not_allowed"),
            (["--header", "content-encoding: gzip"], 400, "header_not_allowed"),
            (["--body", ""], 400, "body_missing"),
            (["--size", "1100000"], 413, "request_too_large")):
        _, out = proxy.ask(*options)
        check(f"outside 200\ninside {status}\n" in out and code in out, options, out)
    _, out = proxy.ask("--size", "3000000")
    check("413" in out, out)
    proxy.well()


def test_bad_model_servers():
    for mode, status, code in (
            ("garbage", 502, "upstream_invalid"), ("close", 502, "upstream_invalid"),
            ("redirect", 502, "upstream_invalid"), ("long-head", 502, "upstream_invalid"),
            ("many-interim", 502, "upstream_invalid"), ("silent", 504, "upstream_timeout")):
        code_, out = proxy.ask("--header", "x-fake: " + mode, "--header", "x-fake-size: 99999")
        check(code_ == 0 and f"inside {status}\n" in out and code in out, mode, out)
    for mode in ("die", "shrink"):
        code_, out = proxy.ask("--header", "x-fake: " + mode)
        check(code_ != 0, mode, out)
    lonely = Proxy("lonely", f"http://127.0.0.1:{free_port()}")
    code_, out = lonely.ask()
    check(code_ == 0 and "inside 502\n" in out and "upstream_unreachable" in out, out)
    lonely.daemon.stop()
    proxy.well()


STREAM = ("--body", '{"model":"m","stream":true}')


def test_events_come_as_they_are_made():
    a = proxy.begin(*STREAM, "--header", "x-fake-events: 4", "--header", "x-fake-delay: 150")
    times = [time.monotonic() for line in a.stdout if b"token" in line]
    check(a.wait(10 * SLOW) == 0 and len(times) == 4)
    check(times[-1] - times[0] > 0.3, "all at once", times)


def test_a_user_who_leaves_stops_the_model():
    before = upstream.stats()["aborts"]
    a = proxy.begin(*STREAM, "--header", "x-fake-events: 10000", "--header", "x-fake-delay: 20")
    for line in a.stdout:
        if b"token" in line:
            break
    a.kill()
    a.wait()
    a.stdout.close()
    wait_until(lambda: upstream.stats()["aborts"] == before + 1, 1, "abort")


def test_a_model_that_is_killed_is_an_error():
    u = Upstream("doomed")
    q = Proxy("doomed-proxy", u.url)
    a = q.begin(*STREAM, "--header", "x-fake-events: 10000", "--header", "x-fake-delay: 20")
    for line in a.stdout:
        if b"token" in line:
            break
    u.daemon.proc.kill()
    rest = a.stdout.read()
    check(a.wait(5 * SLOW) != 0 and b"[DONE]" not in rest, rest[-300:])
    check(b"upstream_closed" in rest, rest[-300:])
    _, out = q.ask()
    check("inside 502\n" in out, out)
    q.daemon.stop()


def test_requests_that_are_no_http():
    bad = [
        b"POST /confd/v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /confd/v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab",
        b"POST /confd/v2 HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nabcde",
        b"POST /confd/v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST /confd/v2 HTTP/1.1\r\nHost: x\r\nContent-Type: message/ohttp-chunked-req\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n y: z\r\n\r\n",
        b"GET /healthz HTTP/1.1\nHost: x\n\n",
        b"GET /healthz\r\n\r\n",
        b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET http://169.254.169.254/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /" + b"a" * 10000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,
        os.urandom(200),
    ]
    for data in bad:
        got = raw(proxy.address, data)
        if got:
            check(got.startswith(b"HTTP/1.1 4") or got.startswith(b"HTTP/1.1 5"), data[:60], got)
            check(b"application/problem+json" in got and b"urn:confd:error:" in got, got)
            check(got.count(b"\r\nDate: ") == 1, got)
        else:
            check(data[:1] not in b"GPC", "no answer", data[:60])
    proxy.well()


def open_socket():
    host, port = proxy.address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), 10 * SLOW)


def read_all(s):
    got = b""
    with contextlib.suppress(OSError):
        while part := s.recv(65536):
            got += part
    return got


def test_who_is_slow_is_told_so():
    began = time.monotonic()
    with open_socket() as head, open_socket() as body, open_socket() as nothing:
        head.sendall(b"POST /confd/v2 HTTP/1.1\r\nHost:")
        body.sendall(b"POST /confd/v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n"
                     b"Content-Type: message/ohttp-chunked-req\r\n\r\nabc")
        check(read_all(nothing) == b"")
        got = read_all(head)
        check(got.startswith(b"HTTP/1.1 408 ") and b"urn:confd:error:slow" in got, got)
        check(time.monotonic() - began < 4 * SLOW)
        # --idle, and five seconds of it for the model server.
        check(read_all(body).startswith(b"HTTP/1.1 408 "))
        check(time.monotonic() - began < 15 * SLOW)


def test_a_thousand_bad_connections_leave_it_well():
    proxy.well()
    before = proxy.memory()
    junk = sealed()
    held = []
    for i in range(1000):
        with contextlib.suppress(OSError):
            s = open_socket()
            s.sendall((os.urandom(100), b"POST /confd/v2 HTTP/1.1\r\n", b"",
                       b"POST /confd/v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n"
                       b"Content-Type: message/ohttp-chunked-req\r\n\r\n"
                       + bytes([junk[0]]) + os.urandom(20000))[i % 4])
            held.append(s)
        if i % 250 == 249:
            proxy.well()
    proxy.well()
    grown = proxy.memory() - before
    check(SLOW > 1 or grown < 64 * 1024, "KiB", grown)
    for s in held:
        s.close()
    proxy.well()


def test_a_user_who_does_not_read_costs_little():
    data = sealed("--header", "x-fake: huge", "--header", "x-fake-size: 100000000")
    before = proxy.memory()
    aborts = upstream.stats()["aborts"]
    with open_socket() as s:
        s.sendall(b"POST /confd/v2 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
                  b"Content-Type: message/ohttp-chunked-req\r\n\r\n" % len(data) + data)
        time.sleep(0.7)
        grown = proxy.memory() - before
        check(SLOW > 1 or grown < 8 * 1024, "KiB", grown)
        check(upstream.stats()["aborts"] == aborts, "not waited for")
    wait_until(lambda: upstream.stats()["aborts"] == aborts + 1, 3, "abort")


def test_the_end_of_connections_is_waited_for_and_not_for_ever():
    u = Upstream("slow-one")
    q = Proxy("leaving", u.url, "--drain", "2")
    short = q.begin(*STREAM, "--header", "x-fake-events: 5", "--header", "x-fake-delay: 150")
    for line in short.stdout:
        if b"token" in line:
            break
    q.daemon.proc.send_signal(signal.SIGTERM)
    rest = short.stdout.read()
    check(short.wait(5 * SLOW) == 0 and b"[DONE]" in rest, rest)
    check(q.daemon.proc.wait(5 * SLOW) == 0, q.daemon.text())
    q = Proxy("leaving", u.url, "--drain", "1")
    long = q.begin(*STREAM, "--header", "x-fake-events: 10000", "--header", "x-fake-delay: 50")
    for line in long.stdout:
        if b"token" in line:
            break
    began = time.monotonic()
    check(q.daemon.stop() == 0, q.daemon.text())
    check(time.monotonic() - began < 4 * SLOW)
    check(b"[DONE]" not in long.stdout.read() and long.wait(5 * SLOW) != 0)


def test_new_keys_come_with_sighup():
    os.rename(p("keys"), p("keys.old"))
    os.rename(p("public"), p("public.old"))
    # Until its number differs from the old one's, which is drawn by chance.
    while True:
        confd("key", "ohttp", "--out", p("keys"), "--public", p("public"))
        if open(p("public"), "rb").read(3) != open(p("public.old"), "rb").read(3):
            break
        os.remove(p("keys"))
        os.remove(p("public"))
    _, out = proxy.ask()
    check("outside 422" in out, out)
    os.kill(proxy.info["pid"], signal.SIGHUP)
    wait_until(lambda: proxy.ask()[0] == 0, 5, "the new keys")


def test_nothing_of_requests_is_logged():
    proxy.ask("--body", "CANARYBODY", "--header", "authorization: CANARYKEY", "--header",
              "x-fake: garbage")
    text = proxy.daemon.text()
    check("CANARY" not in text, text[-500:])
    check("request" in text, text)


# ---- the user's side ----------------------------------------------------------

def start_client(name, listen, endpoint):
    d = place.start([CONFD, "client", "--listen", listen, "--as", service, "--manifest",
                     p("m.json"), "--endpoint", endpoint, "--ready-file", p(name + ".ready"),
                     "--drain", "1"], name)
    return d, place.ready(d, name + ".ready")["listen"]


def test_an_attestation_service_for_the_clients():
    global service
    confd("key", "sim-root", "--out", p("root.pem"))
    confd("manifest", "generate", "--sim-root", p("root.pem"), "--group", "g", "--image", "any",
          "--out", p("m.json"))
    d = place.start([CONFD, "as", "--listen", "127.0.0.1:0", "--store", "memory", "--tee", "sim",
                     "--sim-root", p("root.pem"), "--ready-file", p("as.ready")], "as")
    service = place.ready(d, "as.ready")["listen"]
    confd("init", "--as", service, "--manifest", p("m.json"))


def over_unix(path, data):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10 * SLOW)
        s.connect(path)
        s.sendall(data)
        return read_all(s)


def test_a_client_on_a_unix_socket_leaves_no_path():
    path = p("client.sock")
    d, address = start_client("unix-client", "unix:" + path, proxy.url)
    check(address == "unix:" + path, address)
    got = over_unix(path, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    check(got.startswith(b"HTTP/1.1 200 "), got)
    check(os.stat(path).st_mode & 0o777 == 0o600)
    check(d.stop() == 0, d.text())
    check(not os.path.exists(path) and not os.path.exists(p("unix-client.ready")))


def test_a_client_that_waits_for_its_service_can_be_stopped():
    with socket.create_server(("127.0.0.1", 0)) as s:
        path = p("early.sock")
        d = place.start([CONFD, "client", "--listen", "unix:" + path, "--as",
                         "127.0.0.1:%d" % s.getsockname()[1], "--manifest", p("m.json"),
                         "--endpoint", proxy.url], "early")
        waiting, _ = s.accept()
        check(os.path.exists(path))
        check(d.stop() == 0, d.text())
        check(not os.path.exists(path))
        waiting.close()


def test_a_client_whose_keys_the_proxy_knows_not():
    before = upstream.stats()["requests"]
    d, address = start_client("stranger", "127.0.0.1:0", proxy.url)
    status, headers, body = request(address, "POST", "/v1/chat/completions", '{"model":"m"}',
                                    {"content-type": "application/json"})
    check(status == 503 and json.loads(body)["error"]["code"] == "keys_changed", body)
    check(upstream.stats()["requests"] == before)
    d.stop()


def test_a_client_whose_endpoint_lies():
    liar = Upstream("liar")
    d, address = start_client("deceived", "127.0.0.1:0", liar.url)
    status, headers, body = request(address, "POST", "/v1/chat/completions", '{"model":"m"}',
                                    {"content-type": "application/json"})
    check(status == 502 and json.loads(body)["error"]["code"] == "answer_not_encrypted", body)
    check(b"hello" not in body)
    d.stop()


def test_wrong_command_lines_of_the_client():
    good = {"--listen": "127.0.0.1:0", "--as": service, "--manifest": p("m.json"),
            "--endpoint": proxy.url}
    for change, code, hint in (
            ({"--endpoint": None}, 64, "--endpoint"), ({"--as": None}, 64, "--as"),
            ({"--group": "nope"}, 64, "--group"), ({"--manifest": p("junk")}, 78, "junk"),
            ({"--listen": proxy.address}, 1, "in use"), ({"--endpoint-ca": p("root.pem")}, 64,
                                                         "--endpoint-ca"),
            ({"--as": f"127.0.0.1:{free_port()}"}, 69, "")):
        options = good | change
        argv = [word for pair in options.items() if pair[1] is not None for word in pair]
        done = confd("client", *argv, ok=False)
        check(done.returncode == code and hint in done.stderr, change, done)


def test_it_all_stops():
    check(proxy.daemon.stop() == 0, proxy.daemon.text()[-500:])
    place.close()


run(globals())
