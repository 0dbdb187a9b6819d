"""The attestation service as its operator and a hostile stranger meet it:
start, init, status, restart, sealed, relays, ends of roles, bad stores, bad
manifests, wrong command lines."""

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

from lib import CONFD, SLOW, Place, Skip, check, confd, request, run, wait_until

place = Place()
service = None  # the daemon of the main line, and its address
address = None
SECRET = b"a static inference secret, 40 bytes long"
assert len(SECRET) == 40


def p(name):
    return place.path(name)


def start(name, *more, program=None, root="root.pem", store=None, before=()):
    """confd as; (daemon, address)."""
    argv = [*before, program or CONFD, "as", "--listen", "127.0.0.1:0", "--store",
            store or "dir:" + p(name + ".store"), "--tee", "sim", "--sim-root", p(root),
            "--ready-file", p(name + ".ready"), "--drain", "2", *more]
    d = place.start(argv, name)
    return d, place.ready(d, name + ".ready")["listen"]


def fails(name, code, *words, argv=(), **more):
    """confd as that ends by itself, with this exit status."""
    listen = [] if "--listen" in argv else ["--listen", "127.0.0.1:0"]
    d = place.start([CONFD, "as", *listen, "--ready-file", p(name + ".ready"), *argv], name,
                    **more)
    wait_until(lambda: d.proc.poll() is not None, 15, name + " to end")
    check(d.proc.returncode == code, name, d.proc.returncode, d.text())
    for word in words:
        check(word in d.text(), word, d.text())
    check(not os.path.exists(p(name + ".ready")))


def roles(pid):
    """{role: pid} of a daemon's children."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError):
            with open(f"/proc/{entry}/stat") as f:
                if int(f.read().rsplit(")", 1)[1].split()[1]) != pid:
                    continue
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                argv = f.read().split(b"\0")
            found[argv[argv.index(b"--role") + 1].decode()] = int(entry)
    return found


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def init(to, *more, manifest="m.json", ok=True):
    return confd("init", "--as", to, "--manifest", p(manifest), "--secret",
                 "team-a=@" + p("team-a"), *more, ok=ok)


def status(to, *more, ok=True):
    return confd("status", "--as", to, "--json", *more, ok=ok)


# ---- the main line --------------------------------------------------------


def test_set_up():
    confd("key", "sim-root", "--out", p("root.pem"))
    confd("key", "sim-root", "--out", p("root2.pem"))
    for who in ("ops", "eve"):
        confd("key", "generate", "--name", who, "--key", p(who + ".key"), "--cert",
              p(who + ".pem"))
    confd("manifest", "generate", "--sim-root", p("root.pem"), "--group", "llama", "--image",
          "any", "--operator", "ops=" + p("ops.pem"), "--admin", "ops=" + p("ops.pem"),
          "--secret", "team-a", "--out", p("m.json"))
    with open(p("team-a"), "wb", opener=lambda f, flags: os.open(f, flags, 0o600)) as f:
        f.write(SECRET)


def test_a_new_service_is_not_initialized_and_says_so():
    global service, address
    service, address = start("main")
    for args in (["status", "--as", address], ["verify", "service", address],
                 ["status", "--as", address, "--manifest", p("m.json")],
                 ["manifest", "get", "--as", address]):
        done = confd(*args, ok=False)
        check(done.returncode == 69 and "uninitialized" in done.stderr, args, done)
        check(done.stdout == "", done)
    check(request(address, "GET", "/readyz", tls=True)[0] == 503)
    check(request(address, "GET", "/healthz", tls=True)[0] == 200)


def test_init_refuses_wrong_secrets_before_it_sends_anything():
    with open(p("open"), "wb") as f:
        f.write(SECRET)
    os.chmod(p("open"), 0o644)
    base = ["init", "--as", address, "--manifest", p("m.json")]
    for args, code, word in (
            ([], 64, "1 static secrets"),
            (["--secret", "team-a=" + SECRET.decode()], 64, "NAME=@FILE"),
            (["--secret", "team-b=@" + p("team-a")], 78, "team-b"),
            (["--secret", "team-a=@" + p("open")], 77, "chmod"),
            (["--secret", "team-a=@" + p("absent")], 1, "absent"),
            (["--secret", "team-a=@" + p("team-a"), "--secret", "team-a=@" + p("team-a")], 64,
             "twice")):
        done = confd(*base, *args, ok=False)
        check(done.returncode == code and word in done.stderr, args, done)
        check(SECRET.decode() not in done.stderr.replace(" ".join(args), ""), done.stderr)
    check(confd("status", "--as", address, ok=False).returncode == 69)


def test_init_status_and_verify():
    done = init(address, "--json")
    set_ = json.loads(done.stdout)
    check(set(set_) == {"digest", "generation", "head"} and set_["generation"] == 1)
    s = json.loads(status(address, "--manifest", p("m.json")).stdout)
    check(s["state"] == "serving" and s["pinned"] and s["tee"] == "sim", s)
    check(s["manifest"]["digest"] == set_["digest"] and s["manifest"]["head"] == set_["head"])
    check(s["log"]["size"] == 1 and "workers" not in s)
    s = json.loads(status(address, "--cert", p("ops.pem"), "--key", p("ops.key")).stdout)
    check(s["workers"] == [] and not s["pinned"], s)
    check(status(address, "--cert", p("eve.pem"), "--key", p("eve.key"),
                 ok=False).returncode == 77)
    v = json.loads(confd("verify", "service", address, "--json", "--manifest",
                         p("m.json")).stdout)
    check(v["verdict"] == "ok" and all(t["outcome"] == "ok" for t in v["trace"]), v)
    steps = {t["step"] for t in v["trace"]}
    check({"statement.nonce", "statement.exporter", "statement.spki", "statement.keys",
           "statement.manifest", "sim.signature", "policy"} <= steps, steps)
    text = confd("verify", "service", address).stdout
    check("Not proven: that this is the manifest you want" in text, text)
    check("Not proven: any protection by hardware" in text, text)
    done = confd("manifest", "get", "--as", address)
    with open(p("m.json")) as f:
        check(done.stdout == f.read())
    again = init(address, ok=False)
    check(again.returncode == 1 and "already" in again.stderr, again)


def test_nothing_secret_is_in_store_or_log():
    seen = service.text().encode()
    for name in os.listdir(p("main.store")):
        with open(os.path.join(p("main.store"), name), "rb") as f:
            seen += f.read()
    for canary in (SECRET, base64.b64encode(SECRET), b"PRIVATE KEY", b"llama"):
        check(canary not in seen, canary)
    check(os.stat(p("main.store")).st_mode & 0o777 == 0o700)


def test_two_services_cannot_have_one_store():
    fails("second", 1, "another process uses it",
          argv=["--store", "dir:" + p("main.store"), "--tee", "sim", "--sim-root",
                p("root.pem")])


def test_a_restart_goes_on_with_the_same_state():
    global service, address
    before = json.loads(status(address).stdout)
    children = roles(service.proc.pid)
    check(set(children) == {"net", "keeper", "judge"}, children)
    check(service.stop() == 0, service.text()[-500:])
    check(not os.path.exists(p("main.ready")))
    check(not any(alive(pid) for pid in children.values()))
    service, address = start("main")
    after = json.loads(status(address, "--manifest", p("m.json")).stdout)
    check(after["manifest"] == before["manifest"] and after["log"] == before["log"])
    check(init(address, ok=False).returncode == 1)


def copy_store(to):
    shutil.rmtree(p(to), ignore_errors=True)
    shutil.copytree(p("main.store"), p(to))
    os.chmod(p(to), 0o700)


def sealed(name, **how):
    d, at = start(name, **how)
    check("sealed" in d.text(), d.text())
    for args in (["status", "--as", at], ["status", "--as", at, "--manifest", p("m.json")],
                 ["verify", "service", at]):
        done = confd(*args, ok=False)
        check(done.returncode == 69 and "sealed" in done.stderr, args, done)
    done = init(at, ok=False)
    check(done.returncode == 1 and "sealed" in done.stderr, done)
    check(request(at, "GET", "/v1/manifest", tls=True)[0] == 503)
    body = json.dumps({"manifest": "e30="})
    check(request(at, "POST", "/v1/init", body, {"content-type": "application/json"},
                  tls=True)[0] == 409)
    check(d.stop() == 0, d.text()[-500:])


def test_another_program_or_machine_finds_it_sealed_and_leaves_it_alone():
    shutil.copy(CONFD, p("other"))
    with open(p("other"), "ab") as f:
        f.write(b"\0")
    copy_store("copy1.store")
    sealed("copy1", program=p("other"))
    sealed("copy1", root="root2.pem")
    d, at = start("copy1")  # and the one that may, still can
    check(json.loads(status(at, "--manifest", p("m.json")).stdout)["state"] == "serving")
    check(d.stop() == 0)


def test_a_damaged_store_is_sealed_and_not_taken_for_a_new_one():
    copy_store("copy2.store")
    file = os.path.join(p("copy2.store"), "state")
    with open(file, "rb") as f:
        good = f.read()
    for bad in (b"", good[:-1], good[:9], b"\0" * len(good),
                good[:50] + bytes([good[50] ^ 1]) + good[51:]):
        with open(file, "wb") as f:
            f.write(bad)
        sealed("copy2")
    with open(file, "wb") as f:
        f.write(good)
    d, at = start("copy2")
    check(json.loads(status(at).stdout)["state"] == "serving")
    check(d.stop() == 0)


# ---- who is not genuine ---------------------------------------------------


class Tls(threading.Thread):
    """A TLS server with a key of its own; handle(s) a connection."""

    def __init__(self, handle):
        super().__init__(daemon=True)
        self.handle = handle
        self.seen = b""
        self.conns = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(p("eve.pem"), p("eve.key"))
        self.start()

    def run(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.conns += 1
            threading.Thread(target=self.one, args=(s,), daemon=True).start()

    def one(self, s):
        with contextlib.suppress(OSError, ValueError):
            self.handle(self, self.context.wrap_socket(s, server_side=True))


def relay_to(target):
    """Everything passes through in clear, and is kept."""
    def handle(server, a):
        client = ssl.create_default_context()
        client.check_hostname = False
        client.verify_mode = ssl.CERT_NONE
        host, port = target.rsplit(":", 1)
        b = client.wrap_socket(socket.create_connection((host, int(port)), 10))

        def back():
            with contextlib.suppress(OSError, ValueError):
                while data := b.recv(65536):
                    a.sendall(data)
        threading.Thread(target=back, daemon=True).start()
        while data := a.recv(65536):
            server.seen += data
            b.sendall(data)
    return Tls(handle)


def answer_with(body, kind="application/json", head="200 OK"):
    """Whatever is asked, this is answered; the request is kept."""
    def handle(server, a):
        while data := a.recv(65536):
            server.seen += data
            if b"\r\n\r\n" in server.seen:
                a.sendall(b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
                          % (head.encode(), kind.encode(), len(body), body))
    return Tls(handle)


def nothing_leaked(server, done, code=2):
    check(done.returncode == code, done)
    check(b"POST /v1/attest" in server.seen, "it was not even asked")
    check(b"/v1/init" not in server.seen, server.seen)
    for canary in (SECRET, base64.b64encode(SECRET), b"secrets", b"team-a"):
        check(canary not in server.seen, canary)


def test_init_through_a_relay_sends_no_secret():
    d, at = start("behind", store="memory")
    relay = relay_to(at)
    done = init(relay.address, ok=False)
    nothing_leaked(relay, done)
    check("exporter" in done.stderr, done.stderr)
    check(confd("status", "--as", at, ok=False).returncode == 69)  # still not initialized
    init(at)
    for args in (["status"], ["status", "--manifest", p("m.json")],
                 ["manifest", "get"]):
        done = confd(*args, "--as", relay.address, ok=False)
        check(done.returncode == 2 and done.stdout == "", args, done)
    done = confd("verify", "service", relay.address, "--json", ok=False)
    v = json.loads(done.stdout)
    check(done.returncode == 2 and v["verdict"] == "refused", done)
    check([t["step"] for t in v["trace"] if t["outcome"] != "ok"], v)
    check(d.stop() == 0)


def recorded_answer(at, nonce="00" * 32):
    code, _, body = request(at, "POST", "/v1/attest", json.dumps({"nonce": nonce}),
                            {"content-type": "application/json"}, tls=True)
    check(code == 200)
    return body


def test_a_replayed_or_made_up_answer_gets_no_secret():
    d, at = start("recorded", store="memory")
    genuine = recorded_answer(at)
    check(d.stop() == 0)
    other = json.loads(genuine)
    other["bundle"]["tee"] = "snp"
    for body in (genuine, json.dumps(other).encode(), b"", b"{}", b"[]", b"null", b"\xff",
                 b"[" * 100000, b"x" * (5 << 20),
                 b'{"bundle":{},"keys":"","manifest":null,"log":{"size":0,"root":"' + b"0" * 64 +
                 b'"},"state":"uninitialized"}'):
        fake = answer_with(body)
        nothing_leaked(fake, init(fake.address, ok=False))


def test_answers_that_are_no_answers_are_told_as_what_they_are():
    for head, code in (("404 Not Found", 1), ("500 Oops", 69), ("302 Found", 2),
                       ("403 No", 77)):
        fake = answer_with(b"{}", head=head)
        nothing_leaked(fake, init(fake.address, ok=False), code)


def test_an_as_of_another_program_or_root_gets_nothing():
    for name, how, word in (("p", {"program": p("other")}, "measurement"),
                            ("r", {"root": "root2.pem"}, "root")):
        d, at = start("bad-" + name, store="memory", **how)
        done = init(at, ok=False)
        check(done.returncode == 2 and word in done.stderr, done)
        check(request(at, "GET", "/readyz", tls=True)[0] == 503)
        check(d.stop() == 0)


# ---- who does not answer --------------------------------------------------


def quick(args, code=69, seconds=14):
    began = time.monotonic()
    done = confd(*args, ok=False, timeout=40)
    took = time.monotonic() - began
    check(done.returncode == code, args, done)
    check(took < seconds * SLOW, args, took)
    return done


def all_ask(at):
    return [["init", "--as", at, "--manifest", p("m.json"), "--secret",
             "team-a=@" + p("team-a")], ["status", "--as", at], ["verify", "service", at]]


def in_parallel(cases):
    bad = []

    def one(case):
        try:
            quick(*case)
        except AssertionError as why:
            bad.append(str(why))
    threads = [threading.Thread(target=one, args=(c,)) for c in cases]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check(not bad, bad)


def test_who_accepts_and_stays_silent_does_not_hang_anybody():
    mute = socket.create_server(("127.0.0.1", 0))  # not even a handshake
    at_mute = "127.0.0.1:%d" % mute.getsockname()[1]
    silent = Tls(lambda server, s: time.sleep(60))  # a handshake, and no answer

    def drip(server, s):
        s.recv(65536)
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(60):
            s.sendall(b" ")
            time.sleep(1)
    dripping = Tls(drip)
    in_parallel([(a,) for at in (at_mute, silent.address, dripping.address)
                 for a in all_ask(at)])
    mute.close()


def test_who_is_not_there_or_hangs_up_is_told_at_once():
    closing = Tls(lambda server, s: s.close())
    for a in all_ask("127.0.0.1:1"):
        quick(a, 69, 5)
    for a in all_ask(closing.address):
        quick(a, 74, 5)
    plain = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                s, _ = plain.accept()
                s.recv(100)
                s.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                s.close()
    threading.Thread(target=serve, daemon=True).start()
    for a in all_ask("127.0.0.1:%d" % plain.getsockname()[1]):
        done = confd(*a, ok=False)
        check(done.returncode in (2, 74, 69), done)
    plain.close()


# ---- ends of roles --------------------------------------------------------


def test_when_one_role_dies_all_end_with_an_error():
    for role in ("net", "keeper", "judge"):
        d, at = start("die-" + role, store="memory")
        children = roles(d.proc.pid)
        os.kill(children[role], signal.SIGKILL)
        wait_until(lambda: d.proc.poll() is not None, 8, role)
        check(d.proc.returncode == 74, role, d.proc.returncode)
        check(f"role {role} ended by signal 9" in d.text(), d.text())
        check(not any(alive(pid) for pid in children.values()))
        check(not os.path.exists(p(f"die-{role}.ready")))


def test_when_the_parent_dies_nobody_stays():
    d, at = start("orphan", store="memory")
    children = roles(d.proc.pid)
    d.proc.kill()
    d.proc.wait()
    wait_until(lambda: not any(alive(pid) for pid in children.values()), 5, "roles to end")


def test_after_a_kill_the_state_is_there():
    d, at = start("killed")
    init(at)
    digest = json.loads(status(at).stdout)["manifest"]["digest"]
    children = roles(d.proc.pid)
    os.kill(children["keeper"], signal.SIGKILL)
    wait_until(lambda: d.proc.poll() is not None, 8, "end")
    d, at = start("killed")
    check(json.loads(status(at).stdout)["manifest"]["digest"] == digest)
    check(d.stop() == 0)


def test_sigterm_finishes_what_is_under_way():
    d, at = start("drain", store="memory")
    host, port = at.rsplit(":", 1)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    body = json.dumps({"nonce": "11" * 32}).encode()
    s = context.wrap_socket(socket.create_connection((host, int(port)), 10))
    s.sendall(b"POST /v1/attest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
              b"Content-Length: %d\r\n\r\n" % len(body) + body[:20])
    idle = context.wrap_socket(socket.create_connection((host, int(port)), 10))
    time.sleep(0.3)
    d.proc.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    check(d.proc.poll() is None)
    s.sendall(body[20:])
    got = b""
    with contextlib.suppress(OSError):
        while part := s.recv(65536):
            got += part
    check(got.startswith(b"HTTP/1.1 200") and b'"bundle"' in got, got[:200])
    wait_until(lambda: d.proc.poll() is not None, 5, "end")
    check(d.proc.returncode == 0, d.proc.returncode, d.text())
    idle.close()
    d, at = start("drain2", store="memory")  # who never finishes is cut off
    host, port = at.rsplit(":", 1)
    s = context.wrap_socket(socket.create_connection((host, int(port)), 10))
    s.sendall(b"POST /v1/attest HTTP/1.1\r\n")
    time.sleep(0.3)
    began = time.monotonic()
    check(d.stop() == 0, d.text())
    check(time.monotonic() - began < 6 * SLOW)


def test_roles_are_confined():
    d, at = start("walls", store="memory")
    for role, pid in roles(d.proc.pid).items():
        with open(f"/proc/{pid}/status") as f:
            fields = dict(line.split(":\t", 1) for line in f if ":\t" in line)
        check(fields["NoNewPrivs"].strip() == "1", role)
        if SLOW == 1:  # sanitizers and counting need more than the filter allows
            check(fields["Seccomp"].strip() == "2", role, fields["Seccomp"])
        if os.geteuid() == 0 and role != "keeper":
            check(fields["Uid"].split()[0] == "65534", role, fields["Uid"])
            check(int(fields["CapEff"], 16) == 0, role)
        with contextlib.suppress(PermissionError):
            names = [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
            files = [n for n in names if n.startswith("/") and n != "/dev/null" and
                     not n.endswith(".log")]
            check(not files or role == "keeper", role, files)
    check(d.stop() == 0)


# ---- stores and options that cannot work ----------------------------------


def sim(*more):
    return ["--tee", "sim", "--sim-root", p("root.pem"), *more]


def test_a_start_that_cannot_work_says_what_is_wrong():
    os.mkdir(p("wide"))
    os.chmod(p("wide"), 0o755)
    with open(p("file"), "w") as f:
        f.write("x")
    os.symlink(p("main.store"), p("link"))
    fails("s1", 77, "chmod 700", argv=sim("--store", "dir:" + p("wide")))
    fails("s2", 77, "not a directory", argv=sim("--store", "dir:" + p("link")))
    fails("s3", 74, "ot a directory", argv=sim("--store", "dir:" + p("file") + "/x"))
    fails("s4", 64, "dir:PATH", argv=sim("--store", "etcd://127.0.0.1:2379"))
    fails("s5", 78, "nope", argv=["--tee", "nope", "--store", "memory"])
    fails("s6", 1, "absent", argv=["--tee", "sim", "--store", "memory", "--sim-root",
                                   p("absent")])
    fails("s7", 64, "port", argv=sim("--store", "memory", "--listen", "127.0.0.1:99999"))
    fails("s8", 1, "in use", argv=sim("--store", "memory", "--listen", address))


def test_a_ready_file_that_cannot_be_written_is_an_error():
    d = place.start([CONFD, "as", "--listen", "127.0.0.1:0", "--store", "memory", *sim(),
                     "--ready-file", p("nowhere/ready")], "unready")
    wait_until(lambda: d.proc.poll() is not None, 10, "end")
    check(d.proc.returncode != 0 and "nowhere" in d.text(), d.text())


def test_a_store_is_made_with_its_parents():
    d, at = start("deep", store="dir:" + p("a/b/c"))
    check(os.stat(p("a/b/c")).st_mode & 0o777 == 0o700)
    check(d.stop() == 0)


def test_a_store_that_cannot_be_written_refuses_init_and_keeps_nothing():
    os.mkdir(p("ro.store"), 0o700)
    before = ()
    if os.geteuid() == 0:
        script = f"mount --bind {p('ro.store')} {p('ro.store')} && " \
            f"mount -o remount,bind,ro {p('ro.store')} && exec \"$@\""
        before = ("unshare", "-m", "sh", "-c", script, "sh")
        if subprocess.run([*before, "true"], capture_output=True).returncode != 0:
            raise Skip("no mounts here")
    else:
        os.chmod(p("ro.store"), 0o500)
    d, at = start("ro", before=before)
    done = init(at, ok=False)
    check(done.returncode == 69 and "500" in done.stderr, done)
    check(p("ro.store") not in done.stderr, "a path of theirs is told to a stranger")
    check("ro.store" in d.text(), "and not to the operator", d.text())
    check(confd("status", "--as", at, ok=False).returncode == 69)
    check(request(at, "GET", "/healthz", tls=True)[0] == 200)
    check(d.stop() == 0)


# ---- manifests ------------------------------------------------------------


def generated():
    with open(p("m.json")) as f:
        return json.load(f)


def complaint(text):
    with open(p("bad.json"), "w") as f:
        f.write(text)
    done = confd("manifest", "check", p("bad.json"), ok=False)
    check(done.returncode == 78, text[:200], done)
    check(done.stderr.startswith("confd manifest: " + p("bad.json") + ":"), done.stderr)
    check(done.stdout == "", done)
    line = done.stderr[len("confd manifest: " + p("bad.json") + ":"):].split(":")[0]
    check(line.isdigit() and int(line) >= 1, done.stderr)
    return int(line), done.stderr


def test_each_mistake_in_a_manifest_is_told_with_file_line_member_and_expected():
    def drop(o, name):
        del o[name]
    cases = [
        (lambda m: m.update(surplus=1), "surplus", "no such member"),
        (lambda m: m.update(Version=1), "Version", "did you mean version"),
        (lambda m: drop(m, "version"), "version", "expected"),
        (lambda m: m.update(version=2), "version", "expected"),
        (lambda m: m.update(version="1"), "version", "expected"),
        (lambda m: m.update(name=""), "name", "expected"),
        (lambda m: m.update(name="A b"), "name", "expected"),
        (lambda m: m.update(generation=0), "generation", "expected"),
        (lambda m: m.update(generation=1.5), "generation", "expected"),
        (lambda m: m.update(generation=-1), "generation", "expected"),
        (lambda m: m["policies"]["sim"].update(tee="sgx"), "policies.sim.tee", "expected"),
        (lambda m: m["policies"]["sim"].update(measurements=[]), "policies.sim.measurements",
         "expected"),
        (lambda m: m["policies"]["sim"].update(measurements=["00"]),
         "policies.sim.measurements[0]", "expected"),
        (lambda m: m["policies"]["sim"].update(root="XYZ"), "policies.sim.root", "expected"),
        (lambda m: drop(m["policies"]["sim"], "root"), "policies.sim.root", "expected"),
        (lambda m: m["attestation_service"].update(policies=["x"]),
         "attestation_service.policies[0]", "expected"),
        (lambda m: m["attestation_service"].update(policies=[]),
         "attestation_service.policies", "expected"),
        (lambda m: m["workers"]["llama"].update(adapters=["opanai"]),
         "workers.llama.adapters[0]", "expected"),
        (lambda m: m["workers"]["llama"].update(images=["latest"]),
         "workers.llama.images[0]", "expected"),
        (lambda m: m["workers"]["llama"].update(logs="on"), "workers.llama.logs", "expected"),
        (lambda m: m["workers"].update({"../x": m["workers"]["llama"]}), "workers", "expected"),
        (lambda m: m["admins"].update(threshold=2), "admins.threshold", "expected"),
        (lambda m: m["operators"][0].update(spki_sha256="00"), "operators[0].spki_sha256",
         "expected"),
        (lambda m: m["operators"].append(m["operators"][0]), "operators[1]", ""),
        (lambda m: m["leases"].update(worker=1), "leases.worker", "expected"),
        (lambda m: m["leases"].update(worker=10**30), "leases.worker", "expected"),
        (lambda m: m["secrets"].update(static=["a", "a"]), "secrets.static[1]", ""),
        (lambda m: m.update(workers=[]), "workers", "expected"),
    ]
    for change, member, expected in cases:
        m = generated()
        change(m)
        text = json.dumps(m, indent=1)
        line, said = complaint(text)
        check(member in said and expected in said, member, said)
        check(line <= text.count("\n") + 1, said)


def test_texts_that_are_no_json_are_told_with_their_line():
    good = json.dumps(generated(), indent=1)
    for text, line in (("", 1), ("{", 1), ('{"version":1,\n"version":1}', 2), ("\n\n]", 3),
                       (good + "\nx", good.count("\n") + 2), ("\ufeff" + good, 1),
                       (good.replace('"version"', "'version'"), 2),
                       ('{"a":"\\ud800"}', 1), ('{"a":NaN}', 1), ("[" * 5000, 1)):
        found, said = complaint(text)
        check(found == line, text[:40], said)


def test_the_line_is_that_of_the_member():
    m = generated()
    m["leases"]["worker"] = 1
    text = json.dumps(m, indent=1)
    line, said = complaint(text)
    check('"worker": 1' in text.splitlines()[line - 1], said)


def test_manifests_that_are_not_there_or_not_files():
    for name, code in (("absent.json", 74), (".", 74)):
        done = confd("manifest", "check", p(name), ok=False)
        check(done.returncode == code and p(name) in done.stderr, done)
    with open(p("huge.json"), "w") as f:
        f.write(" " * (2 << 20))
    done = confd("manifest", "check", p("huge.json"), ok=False)
    check(done.returncode in (1, 78) and "larger" in done.stderr, done)


def test_a_good_manifest_gives_its_digest():
    done = json.loads(confd("manifest", "check", p("m.json"), "--json").stdout)
    check(done["name"] == "confd" and len(done["digest"]) == 64)
    check("ok" in confd("manifest", "check", p("m.json")).stdout)


# ---- command lines --------------------------------------------------------


def test_wrong_words_are_refused_with_the_near_one():
    for args, hint in (
            (["statsu"], "'status'"), (["intt"], "'init'"), (["xyzzy"], "confd help"),
            (["as", "--strore", "x"], "--store"), (["as", "--sim-rot", "x"], "--sim-root"),
            (["as", "--drain", "-1"], "0 to 3600"), (["as", "--drain", "3601"], "0 to 3600"),
            (["as", "operand"], "expected none"), (["as", "--log", "xml"], "text or json"),
            (["as", "--verbose", "--quiet"], "exclude"),
            (["manifest", "genrate"], "'generate'"), (["manifest"], "--help"),
            (["key", "generate", "--key", p("x"), "--curve", "p521"], "p256 or p384"),
            (["key", "generate", "--key", p("x"), "--days", "0"], "1 to 36500"),
            (["status", "--as", "x", "--cert", p("ops.pem")], "--key"),
            (["status", "--as", "127.0.0.1:0x1"], "port"),
            (["verify", "service"], "HOST:PORT"),
            (["verify", "bundle", p("m.json"), "--manifest", p("m.json"), "--expect",
              "nonce=xyz"], "64 hex digits"),
            (["verify", "bundle", p("m.json"), "--manifest", p("m.json"), "--at", "today"],
             "2026"),
            (["verify", "bundle", p("m.json"), "--manifest", p("m.json"), "--purpose", "x"],
             "as, worker"),
            (["verify", "bundle", p("m.json"), "--manifest", p("m.json"), "--group", "x"],
             "not in the manifest"),
            (["help", "statuss"], "status"), (["--completion", "tcsh"], "bash, zsh or fish"),
            (["--versoin"], "confd help")):
        done = confd(*args, ok=False)
        check(done.returncode == 64, args, done)
        check(hint in done.stderr, args, done.stderr)
        check(done.stdout == "", args, done.stdout)
    check(not os.path.exists(p("x")))


def test_help_version_doctor_and_completion():
    overview = confd("help").stdout
    check(overview == confd().stdout == confd("--help").stdout)
    applets = [line.split()[0] for line in overview.splitlines() if line.startswith("  ")]
    check({"as", "init", "status", "verify", "key", "manifest", "doctor", "help"} <= set(applets))
    for a in applets:
        text = confd("help", a).stdout
        check(text.startswith(f"confd {a}: ") and text == confd(a, "--help").stdout, a)
        check("--role" not in text, a, "an internal option is shown")
    text = confd("--version").stdout
    check(text.startswith("confd ") and "Mbed TLS 3.6" in text and "sim" in text, text)
    checks = json.loads(confd("doctor", "--json", ok=False).stdout)
    names = {c["check"] for c in checks}
    check({"kernel", "seccomp", "cgroups", "clock", "TEE"} <= names, names)
    for c in checks:
        check(c["verdict"] == "ok" or c["hint"], c)
    shell = {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "--no-execute"]}
    for name, checker in shell.items():
        script = confd("--completion", name).stdout
        check(script == confd("help", "--completion", name).stdout)
        check(all(a in script for a in applets), name)
        if shutil.which(checker[0]):
            done = subprocess.run(checker, input=script, text=True, capture_output=True)
            check(done.returncode == 0, name, done.stderr)
    script = confd("--completion", "bash").stdout + \
        "COMP_WORDS=(confd as --st); COMP_CWORD=2; _confd; echo \"${COMPREPLY[@]}\"\n"
    done = subprocess.run(["bash"], input=script, text=True, capture_output=True)
    check(done.stdout.strip() == "--store", done)


def test_a_full_standard_output_is_an_error():
    with open("/dev/full", "w") as full:
        done = subprocess.run([CONFD, "help"], stdout=full, stderr=subprocess.PIPE, text=True)
    check(done.returncode == 74, done)


def test_symlinks_are_applets():
    os.mkdir(p("bin"))
    confd("--install", p("bin"))
    done = confd("--help", program=os.path.join(p("bin"), "confd-status"))
    check(done.stdout.startswith("confd status:"), done.stdout)


def test_key_files_are_never_overwritten_nor_left_half():
    done = confd("key", "generate", "--key", p("ops.key"), ok=False)
    check(done.returncode == 1 and "exists" in done.stderr, done)
    done = confd("key", "ohttp", "--out", p("k1"), "--public", p("nowhere/k"), ok=False)
    check(done.returncode != 0 and not os.path.exists(p("k1")), done)
    check(os.stat(p("ops.key")).st_mode & 0o777 == 0o600)


def test_all_end_cleanly():
    for d in reversed(place.daemons):
        if d.proc.poll() is None:
            check(d.stop() == 0, d.text()[-500:])
    place.close()


run(globals())
