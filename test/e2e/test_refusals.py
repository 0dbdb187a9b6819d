"""Who is not what the manifest says gets nothing; and errors say what to do."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import threading

from lib import CONFD, Place, check, confd, free_port, request, run, wait_until

place = Place()
as_address = None


def p(name):
    return place.path(name)


def other_program():
    """The same program with another measurement."""
    if not os.path.exists(p("other")):
        shutil.copy(CONFD, p("other"))
        with open(p("other"), "ab") as f:
            f.write(b"\0")
    return p("other")


def start_as(name, program=None, root="root.pem"):
    d = place.start([program or CONFD, "as", "--listen", "127.0.0.1:0", "--store", "memory",
                     "--tee", "sim", "--sim-root", p(root), "--ready-file", p(name)], name + "-as")
    return place.ready(d, name)["listen"]


def test_set_up():
    global as_address
    confd("key", "sim-root", "--out", p("root.pem"))
    confd("key", "sim-root", "--out", p("root2.pem"))
    confd("key", "generate", "--name", "ops", "--key", p("ops.key"), "--cert", p("ops.pem"))
    confd("key", "generate", "--name", "eve", "--key", p("eve.key"), "--cert", p("eve.pem"))
    confd("manifest", "generate", "--sim-root", p("root.pem"), "--group", "llama", "--image",
          "any", "--operator", "ops=" + p("ops.pem"), "--out", p("m.json"))
    as_address = start_as("as.ready")


def test_wrong_command_lines_exit_64_with_a_hint():
    for args, hint in ((["clinet"], "client"), (["as", "--lisen", "x"], "--listen"),
                       (["manifest", "chek"], "check"), (["init"], "--as"),
                       (["key", "generate"], "--key"), (["status", "--as"], "--as")):
        done = confd(*args, ok=False)
        check(done.returncode == 64 and hint in done.stderr, args, done)


def test_bad_manifests_exit_78_with_file_line_and_member():
    good = json.load(open(p("m.json")))
    def broken(change):
        m = json.loads(json.dumps(good))
        change(m)
        with open(p("bad.json"), "w") as f:
            json.dump(m, f, indent=1)
        done = confd("manifest", "check", p("bad.json"), ok=False)
        check(done.returncode == 78, done)
        check("bad.json:" in done.stderr, done.stderr)
        return done.stderr
    check("surplus" in broken(lambda m: m.update(surplus=1)))
    check("measurements" in broken(lambda m: m["policies"]["sim"].update(measurements=[])))
    check("policies" in broken(lambda m: m["workers"]["llama"].update(policies=["nope"])))
    check("generation" in broken(lambda m: m.update(generation="1")))
    check("vbios" in broken(lambda m: m["policies"]["sim"].update(vbios=[])))
    with open(p("bad.json"), "w") as f:
        f.write('{"version":1,"version":1}')
    check(confd("manifest", "check", p("bad.json"), ok=False).returncode == 78)
    check(confd("manifest", "check", p("absent.json"), ok=False).returncode != 0)


def test_an_as_of_another_program_gets_nothing_from_init():
    address = start_as("other.ready", other_program())
    done = confd("init", "--as", address, "--manifest", p("m.json"), ok=False)
    check(done.returncode == 2 and "measurement" in done.stderr, done)
    status, _, body = request(address, "GET", "/readyz", tls=True)
    check(status == 503, status, body)


def test_an_as_under_another_root_gets_nothing_from_init():
    address = start_as("root2.ready", None, "root2.pem")
    done = confd("init", "--as", address, "--manifest", p("m.json"), ok=False)
    check(done.returncode == 2, done)


class Relay(threading.Thread):
    """Terminates TLS with its own key and passes genuine answers on."""

    def __init__(self, target):
        super().__init__(daemon=True)
        self.target = target
        self.seen = b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(p("eve.pem"), p("eve.key"))
        self.start()

    def run(self):
        while True:
            try:
                s, _ = self.listener.accept()
                threading.Thread(target=self.relay, args=(s,), daemon=True).start()
            except OSError:
                return

    def relay(self, s):
        client = ssl.create_default_context()
        client.check_hostname = False
        client.verify_mode = ssl.CERT_NONE
        host, port = self.target.rsplit(":", 1)
        try:
            a = self.server.wrap_socket(s, server_side=True)
            b = client.wrap_socket(socket.create_connection((host, int(port)), 10))
            def pump(x, y, keep):
                try:
                    while data := x.recv(65536):
                        if keep:
                            self.seen += data
                        y.sendall(data)
                except OSError:
                    pass
            t = threading.Thread(target=pump, args=(b, a, False), daemon=True)
            t.start()
            pump(a, b, True)
        except OSError:
            pass


def test_a_relay_with_genuine_evidence_is_refused():
    relay = Relay(as_address)
    done = confd("init", "--as", relay.address, "--manifest", p("m.json"), ok=False)
    check(done.returncode == 2 and "exporter" in done.stderr, done)
    check(b"/v1/attest" in relay.seen, "the relay was not used")
    check(b"/v1/init" not in relay.seen, "the relay got the manifest")


def test_init_works_directly_and_only_once():
    done = confd("init", "--as", as_address, "--manifest", p("m.json"))
    check("genuine" in done.stdout)
    check(confd("init", "--as", as_address, "--manifest", p("m.json"), ok=False).returncode == 1)


def test_the_relay_is_refused_by_status_verify_and_client_too():
    relay = Relay(as_address)
    for args in (["status", "--as", relay.address], ["verify", "service", relay.address]):
        for pin in ([], ["--manifest", p("m.json")]):
            done = confd(*args, *pin, ok=False)
            check(done.returncode == 2, args, done)
    done = confd("client", "--listen", "127.0.0.1:0", "--as", relay.address, "--manifest",
                 p("m.json"), "--endpoint", "http://127.0.0.1:1", ok=False)
    check(done.returncode == 2, done)


def test_another_manifest_than_the_pinned_one_is_refused():
    m = json.load(open(p("m.json")))
    m["name"] = "other"
    with open(p("m2.json"), "w") as f:
        json.dump(m, f)
    for args in (["status"], ["client", "--listen", "127.0.0.1:0", "--endpoint",
                              "http://127.0.0.1:1"]):
        done = confd(*args, "--as", as_address, "--manifest", p("m2.json"), ok=False)
        check(done.returncode == 2 and "pinned" in done.stderr, args, done)


def worker(name, *more, program=None, root="root.pem"):
    return place.start([program or CONFD, "worker", "--as", as_address, "--group", "llama",
                        "--name", name, "--tee", "sim", "--sim-root", p(root), "--api",
                        "127.0.0.1:0", "--ready-file", p(name + ".ready"), *more], name)


def leases():
    done = confd("status", "--as", as_address, "--manifest", p("m.json"), "--json", "--cert",
                 p("ops.pem"), "--key", p("ops.key"))
    return json.loads(done.stdout)["workers"]


def test_workers_that_do_not_meet_the_manifest_get_nothing():
    bad = [worker("w-program", program=other_program()), worker("w-root", root="root2.pem")]
    for d in bad:
        wait_until(lambda d=d: "refused" in d.text() or d.proc.poll() is not None, 15, "refusal")
        check("refused" in d.text(), d.text())
    check(leases() == [])
    for d, name in zip(bad, ("w-program", "w-root")):
        check(not os.path.exists(p(name + ".ready")))
        d.stop()


def test_a_worker_of_a_group_that_is_not_there_gets_nothing():
    d = place.start([CONFD, "worker", "--as", as_address, "--group", "nope", "--name", "x",
                     "--tee", "sim", "--sim-root", p("root.pem"), "--api", "127.0.0.1:0",
                     "--ready-file", p("x.ready")], "x")
    wait_until(lambda: "group" in d.text(), 15, "refusal")
    check(not os.path.exists(p("x.ready")))
    d.stop()


def test_a_good_worker_gets_a_lease_and_strangers_get_no_workloads():
    d = worker("good", "--manifest", p("m.json"))
    api = place.ready(d, "good.ready")["api"]
    check([w["name"] for w in leases()] == ["good"])
    eve = ["--worker", api, "--as", as_address, "--manifest", p("m.json"), "--cert", p("eve.pem"),
           "--key", p("eve.key")]
    done = confd("workload", "ps", *eve, ok=False)
    check(done.returncode == 77, done)
    ops = ["--worker", api, "--as", as_address, "--manifest", p("m.json"), "--cert", p("ops.pem"),
           "--key", p("ops.key")]
    check(confd("workload", "ps", *ops, "--json").stdout.strip() == "[]")
    check(confd("workload", "ps", "--worker", as_address, *ops[2:], ok=False).returncode != 0)
    done = confd("status", "--as", as_address, "--manifest", p("m.json"), "--cert", p("eve.pem"),
                 "--key", p("eve.key"), ok=False)
    check(done.returncode == 77, done)
    check(d.stop() == 0)


def test_the_as_refuses_what_is_malformed_and_goes_on():
    bad = [("POST", "/v1/attest", "{}"), ("POST", "/v1/attest", '{"nonce":"00"}'),
           ("POST", "/v1/attest", "[" * 10000), ("POST", "/v1/workers", '{"group":1}'),
           ("GET", "/v1/nothing", None), ("DELETE", "/v1/manifest", None),
           ("GET", "/v1/workers", None), ("GET", "/v1/ohttp-keys/nope", None)]
    for method, path, body in bad:
        status, headers, text = request(as_address, method, path, body, tls=True)
        check(400 <= status < 500, method, path, status)
        check(headers["content-type"] == "application/problem+json")
        check(json.loads(text)["type"].startswith("urn:confd:error:"))
    status, _, _ = request(as_address, "POST", "/v1/init", "x" * (1 << 20) + "y", tls=True)
    check(status == 413, status)
    check(request(as_address, "GET", "/healthz", tls=True)[0] == 200)


def test_the_as_stops_cleanly():
    for d in reversed(place.daemons):
        if d.proc.poll() is None:
            check(d.stop() == 0, d.text()[-500:])
    place.close()


run(globals())
