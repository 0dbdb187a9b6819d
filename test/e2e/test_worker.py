"""The worker: who gets a lease, what may run and how it lives and ends, what
the worker API says to whom, and what is left when the lease or a process ends."""

import atexit
import glob
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import time

from lib import CONFD, Place, Skip, check, confd, free_port, request, run, wait_until

LEASE = 10  # seconds: the shortest that a manifest may have
MODEL = ["/.confd/confd", "demo", "--role", "model", "--port", "8000"]

place = Place()
atexit.register(place.close)
state = {"as": "127.0.0.1:%d" % free_port()}


def p(name):
    return place.path(name)


def other_program():
    """The same program with another measurement."""
    if not os.path.exists(p("other")):
        shutil.copy(CONFD, p("other"))
        with open(p("other"), "ab") as f:
            f.write(b"\0")
    return p("other")


def start_as():
    if os.path.exists(p("as.ready")):
        os.unlink(p("as.ready"))
    d = place.start([CONFD, "as", "--listen", state["as"], "--store", "dir:" + p("as"),
                     "--sim-root", p("root.pem"), "--ready-file", p("as.ready"), "--drain", "1"],
                    "as")
    place.ready(d, "as.ready")
    return d


def worker(name, group, *more, program=None, root="root.pem"):
    return place.start([program or CONFD, "worker", "--as", state["as"], "--group", group, "--name",
                        name, "--tee", "sim", "--sim-root", p(root), "--api", "127.0.0.1:0",
                        "--ready-file", p(name + ".ready"), "--drain", "2", *more], name)


def manifest():
    confd("manifest", "generate", "--sim-root", p("root.pem"), "--group", "open", "--image", "any",
          "--operator", "ops=" + p("ops.pem"), "--logs", "plain", "--lease", str(LEASE), "--out",
          p("m0.json"))
    m = json.load(open(p("m0.json")))
    digest = confd("workload", "digest", "--command", CONFD).stdout.strip()
    m["policies"]["new"] = dict(m["policies"]["sim"], min_svn=99)
    m["workers"]["strict"] = {"policies": ["sim"], "images": [digest, "upstream:http://127.0.0.1:9"],
                              "adapters": ["openai"]}
    m["workers"]["fresh"] = {"policies": ["new"], "images": ["any"], "adapters": ["openai"]}
    json.dump(m, open(p("m.json"), "w"))


def test_set_up():
    confd("key", "sim-root", "--out", p("root.pem"))
    confd("key", "sim-root", "--out", p("root2.pem"))
    for name in ("ops", "eve"):
        confd("key", "generate", "--name", name, "--key", p(name + ".key"), "--cert",
              p(name + ".pem"))
    manifest()


# ---- getting a lease -----------------------------------------------------------


def test_a_worker_waits_for_its_service_and_for_the_manifest():
    d = worker("open", "open")
    wait_until(lambda: d.text().count("registration-failed") >= 2, 10, "attempts")
    check(d.proc.poll() is None and not os.path.exists(p("open.ready")))
    state["as_daemon"] = start_as()
    wait_until(lambda: "no manifest yet" in d.text() or "no manifest" in d.text(), 15, "an answer")
    check(d.proc.poll() is None, d.text())
    confd("init", "--as", state["as"], "--manifest", p("m.json"))
    state["open"] = place.ready(d, "open.ready", 30)["api"]
    state["open_daemon"] = d


def leases():
    done = confd("status", "--as", state["as"], "--manifest", p("m.json"), "--json", "--cert",
                 p("ops.pem"), "--key", p("ops.key"))
    return sorted(w["name"] for w in json.loads(done.stdout)["workers"])


def test_a_worker_that_does_not_meet_the_manifest_ends_with_2_and_says_why():
    json.dump(dict(json.load(open(p("m.json"))), name="other"), open(p("m2.json"), "w"))
    bad = [("program", "measurement", worker("program", "open", program=other_program())),
           ("root", "root", worker("root", "open", root="root2.pem")),
           ("svn", "svn", worker("svn", "fresh")),
           ("group", "group", worker("group", "nope")),
           ("pin", "pinned", worker("pin", "open", "--manifest", p("m2.json")))]
    for name, word, d in bad:
        wait_until(lambda d=d: d.proc.poll() is not None, 15, name + " to end")
        check(d.proc.returncode == 2, name, d.proc.returncode, d.text())
        check("no lease" in d.text() and word in d.text(), name, d.text())
        check(not os.path.exists(p(name + ".ready")), name)
    check(leases() == ["open"], leases())


def test_wrong_options_end_at_once():
    for args, code in ((["--as", state["as"], "--group", "A B"], 64), ([], 64),
                       (["--as", state["as"], "--tee", "nope"], None),
                       (["--as", state["as"], "--manifest", p("absent")], None),
                       (["--as", state["as"], "--api", "nowhere:x"], 64)):
        done = confd("worker", "--sim-root", p("root.pem"), *args, ok=False)
        check(done.returncode not in (0, 2) and code in (None, done.returncode), args, done)


# ---- the API -------------------------------------------------------------------


def api(method, path, body=None, cert="ops", headers=None, to=None):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if cert:
        context.load_cert_chain(p(cert + ".pem"), p(cert + ".key"))
    host, port = (to or state["open"]).rsplit(":", 1)
    c = http.client.HTTPSConnection(host, int(port), timeout=30, context=context)
    try:
        if isinstance(body, dict):
            body, headers = json.dumps(body), {"content-type": "application/json"}
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read()
    finally:
        c.close()


def test_strangers_get_403_whatever_they_ask():
    for cert in (None, "eve"):
        for method, path in (("GET", "/v1/workloads"), ("POST", "/v1/workloads"),
                             ("DELETE", "/v1/workloads/x"), ("GET", "/v1/nothing"), ("GET", "/")):
            status, headers, body = api(method, path, cert=cert)
            check(status == 403, cert, method, path, status)
            check(headers["content-type"] == "application/problem+json", headers)
            check(json.loads(body)["type"] == "urn:confd:error:perm", body)
        check(api("GET", "/healthz", cert=cert)[0] == 200)
        check(api("GET", "/readyz", cert=cert)[0] == 200)


def test_refusals_are_problem_documents():
    js = {"content-type": "application/json"}
    good = {"name": "x", "command": ["/bin/true"], "port": 8000}
    rows = [("GET", "/v1/nothing", None, None, 404), ("GET", "/v1/workloads/", None, None, 404),
            ("GET", "/v1/workloads/x", None, None, 404),
            ("GET", "/v1/workloads/UPPER", None, None, 404),
            ("GET", "/v1/workloads/x/../y", None, None, 404),
            ("POST", "/v1/workloads/x/stop", None, None, 404),
            ("PUT", "/v1/workloads", None, None, 405), ("DELETE", "/v1/workloads", None, None, 405),
            ("GET", "/v1/workloads/x/stop", None, None, 405),
            ("GET", "/v1/workloads?from=1", None, None, 400),
            ("GET", "/v1/workloads/x/logs?from=-1", None, None, 400),
            ("POST", "/v1/workloads", "{}", {"content-type": "text/plain"}, 415),
            ("POST", "/v1/workloads", "{}", {}, 415),
            ("POST", "/v1/workloads", "", js, 400), ("POST", "/v1/workloads", "[]", js, 400),
            ("POST", "/v1/workloads", "{", js, 400),
            ("POST", "/v1/workloads", json.dumps(dict(good, surplus=1)), js, 400),
            ("POST", "/v1/workloads", json.dumps(dict(good, name="A")), js, 400),
            ("POST", "/v1/workloads", json.dumps(dict(good, name="x" * 65)), js, 400),
            ("POST", "/v1/workloads", json.dumps(dict(good, name="../x")), js, 400),
            ("POST", "/v1/workloads", json.dumps(dict(good, port=0)), js, 400),
            ("POST", "/v1/workloads", json.dumps(dict(good, port=65536)), js, 400),
            ("POST", "/v1/workloads", json.dumps(dict(good, command=[])), js, 400),
            ("POST", "/v1/workloads", json.dumps(dict(good, command=["a\0b"])), js, 400),
            ("POST", "/v1/workloads", json.dumps(dict(good, command=["bin/true"])), js, 400),
            ("POST", "/v1/workloads", json.dumps(dict(good, upstream="http://x")), js, 400),
            ("POST", "/v1/workloads", json.dumps(dict(good, listen="ftp://x")), js, 400),
            ("POST", "/v1/workloads", json.dumps(dict(good, env={"A=B": "c"})), js, 400),
            ("POST", "/v1/workloads", json.dumps(dict(good, limits={"memory_mib": 1})), js, 400),
            ("POST", "/v1/workloads", " " * (1 << 20), js, 413)]
    for method, path, body, headers, want in rows:
        status, got, text = api(method, path, body, headers=headers)
        check(status == want, method, path, (body or "")[:80], status, text)
        check(got["content-type"] == "application/problem+json", path, got)
        check(json.loads(text)["type"].startswith("urn:confd:error:"), text)
        check(status != 405 or "POST" in got["allow"] or "GET" in got["allow"], got)
    check(json.loads(api("GET", "/v1/workloads")[2]) == [], "something was started")


# ---- the life of a workload ----------------------------------------------------


def workload(verb, *args, to="open", cert="ops", ok=True, timeout=30):
    verb_args = list(args)
    options = ["--worker", state[to], "--as", state["as"], "--manifest", p("m.json"), "--cert",
               p(cert + ".pem"), "--key", p(cert + ".key")]
    at = verb_args.index("--") if "--" in verb_args else len(verb_args)
    return confd("workload", verb, *verb_args[:at], *options, *verb_args[at:], ok=ok,
                 timeout=timeout)


def start(name, *command, ok=True, to="open", options=()):
    return workload("run", name, "--listen", "https://127.0.0.1:0", "--port", "8000", "--json",
                    *options, "--", *command, to=to, ok=ok)


def shell(name, text, **more):
    return start(name, "/bin/sh", "-c", text, **more)


def get(name, to="open"):
    for w in json.loads(workload("ps", "--json", to=to).stdout):
        if w["name"] == name:
            return w
    return None


def logs(name):
    return workload("logs", name).stdout


def sandboxes():
    """Whether they can be built here; else the reason."""
    if "sandbox" not in state:
        done = shell("try", "sleep 100", ok=False)
        state["sandbox"] = done.returncode != 77
        state["why"] = done.stderr.strip()[-200:]
        if done.returncode == 0:
            workload("rm", "try")
    if not state["sandbox"]:
        raise Skip(state["why"])


def test_an_operator_with_a_wrong_certificate_is_told_so():
    done = workload("ps", cert="eve", ok=False)
    check(done.returncode == 77 and "operators" in done.stderr, done)
    done = confd("workload", "ps", "--worker", state["open"], "--as", state["as"], ok=False)
    check(done.returncode == 64 and "--cert" in done.stderr, done)
    done = confd("workload", "ps", "--worker", state["as"], "--as", state["as"], "--cert",
                 p("ops.pem"), "--key", p("ops.key"), ok=False)
    check(done.returncode not in (0, 77), done)  # not of the mesh: nothing is asked


def test_run_ps_logs_stop_start_rm():
    sandboxes()
    w = json.loads(shell("one", "echo hello $A; exec sleep 100", options=["--env", "A=b c"]).stdout)
    check(w["name"] == "one" and w["state"] == "running" and w["tls"], w)
    wait_until(lambda: "hello b c\n" in logs("one"), 5, "its output")
    check("one" in workload("ps").stdout)
    check(start("one", "/bin/true", ok=False).returncode == 1)  # the name is taken
    check(json.loads(workload("stop", "one", "--json").stdout)["state"] == "stopped")
    check("hello" in logs("one"))
    check(json.loads(workload("stop", "one", "--json").stdout)["state"] == "stopped")
    check(json.loads(workload("start", "one", "--json").stdout)["state"] == "running")
    workload("rm", "one")
    check(get("one") is None)
    check(workload("logs", "one", ok=False).returncode == 1)
    check(workload("rm", "one", ok=False).returncode == 1)


def test_a_workload_that_ends_at_once_says_its_last_words():
    sandboxes()
    done = shell("brief", "echo wrong path to weights >&2; exit 3", ok=False)
    if done.returncode == 0:  # its proxy was there first
        wait_until(lambda: get("brief")["state"] == "failed", 5, "the end")
        check("wrong path" in logs("brief"))
        workload("rm", "brief")
    else:
        check(done.returncode == 1 and "wrong path to weights" in done.stderr, done)
    check(get("brief") is None)
    done = start("none", "/bin/nothing", ok=False)
    if done.returncode == 0:
        wait_until(lambda: get("none")["state"] == "failed", 5, "the end")
        check(get("none")["end"] == "not-run", get("none"))
        workload("rm", "none")


def test_a_workload_that_dies_is_failed_and_its_proxy_gone():
    sandboxes()
    address = json.loads(shell("mortal", "sleep 1; exit 7").stdout)["address"]
    wait_until(lambda: get("mortal")["state"] == "failed", 10, "the end")
    check(get("mortal")["end"] == "error", get("mortal"))
    try:
        request(address, "GET", "/healthz", tls=True, timeout=2)
        check(False, "its proxy still serves")
    except OSError:
        pass
    workload("rm", "mortal")


def test_logs_are_a_ring_and_can_be_followed():
    sandboxes()
    shell("talker", "i=0; while [ $i -lt 40000 ]; do echo line $i of many; i=$((i+1)); done; "
          "echo the end; exec sleep 100")
    wait_until(lambda: logs("talker").endswith("the end\n"), 20, "its last line")
    text = logs("talker")
    check(200000 < len(text) <= 262144 and "line 39999 of" in text, len(text))
    workload("rm", "talker")
    shell("slow", "for i in 1 2 3 4; do echo part $i; sleep 0.4; done")
    done = workload("logs", "slow", "--follow")
    check(done.stdout == "".join(f"part {i}\n" for i in (1, 2, 3, 4)), done)
    check(get("slow")["state"] == "stopped", get("slow"))
    workload("rm", "slow")


def test_two_workloads_live_side_by_side():
    sandboxes()
    a = json.loads(start("a", *MODEL).stdout)
    b = json.loads(start("b", *MODEL).stdout)  # the same port, inside
    check(a["address"] != b["address"])
    for w in (a, b):
        wait_until(lambda w=w: request(w["address"], "GET", "/readyz", tls=True)[0] == 200, 10,
                   "its proxy")
    done = workload("run", "c", "--listen", "https://" + a["address"], "--port", "8000", "--",
                    *MODEL, ok=False)
    check(done.returncode == 1 and "in use" in done.stderr, done)
    workload("rm", "a")
    check(get("b")["state"] == "running")
    check(request(b["address"], "GET", "/healthz", tls=True)[0] == 200)
    workload("rm", "b")


def test_a_workload_has_no_network():
    sandboxes()
    if not os.path.exists("/bin/bash"):
        raise Skip("no bash here")
    text = ("cat /proc/net/dev; for a in %s 10.255.255.1/80 169.254.169.254/80; do "
            "(exec 3<>/dev/tcp/$a) && echo reached $a; echo tried $a; done; exec sleep 100"
            % state["as"].replace(":", "/"))
    start("prisoner", "/bin/bash", "-c", text)
    wait_until(lambda: logs("prisoner").count("tried ") == 3, 30, "its attempts")
    out = logs("prisoner")
    check("reached" not in out and "refused" in out and "unreachable" in out, out)
    interfaces = [l.split(":")[0].strip() for l in out.splitlines()[2:] if l.startswith("  ")]
    check(interfaces == ["lo"], out)
    workload("rm", "prisoner")


def test_the_manifest_bounds_what_runs():
    d = worker("strict", "strict", "--manifest", p("m.json"))
    state["strict"] = place.ready(d, "strict.ready")["api"]
    sandboxes()
    for args, word in ((["--port", "8000", "--", "/bin/sh", "-c", "sleep 100"], "images"),
                       (["--port", "8000", "--", "demo"], None),
                       (["--port", "8000", "--adapter", "anthropic", "--", *MODEL], "adapters"),
                       (["--port", "8000", "--logs", "plain", "--", *MODEL], "logs"),
                       (["--upstream", "http://127.0.0.1:10"], "images")):
        done = workload("run", "bad", "--listen", "https://127.0.0.1:0", *args, to="strict",
                        ok=False)
        check(done.returncode == (2 if word else 64), args, done)
        check(word is None or word in done.stderr, args, done)
    check(json.loads(workload("ps", "--json", to="strict").stdout) == [])
    start("good", *MODEL, to="strict")
    workload("run", "up", "--listen", "https://127.0.0.1:0", "--upstream", "http://127.0.0.1:9",
             to="strict")
    check(workload("logs", "good", to="strict").stdout == "")
    check(d.stop() == 0, d.text()[-500:])


# ---- processes -----------------------------------------------------------------


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


def groups(pid):
    return [g for g in glob.glob(f"/sys/fs/cgroup/**/confd-{pid}-*", recursive=True)]


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().split(b"\0")
    except OSError:
        return []


def test_a_proxy_that_dies_takes_its_workload_along():
    sandboxes()
    w = json.loads(start("m", *MODEL).stdout)
    pids = tree(state["open_daemon"].proc.pid)
    proxy = [pid for pid in pids if command_of(pid)[1:2] == [b"proxy"]]
    inside = [pid for pid in pids if b"model" in command_of(pid)]
    check(len(proxy) == 1 and inside, pids)
    os.kill(proxy[0], signal.SIGKILL)
    wait_until(lambda: get("m")["state"] == "failed", 10, "the end")
    check(get("m")["end"] == "proxy")
    check(not any(lives(pid) for pid in inside))
    check(json.loads(workload("start", "m", "--json").stdout)["state"] == "running")
    workload("rm", "m")
    check(groups(state["open_daemon"].proc.pid) == [])
    check(w["name"] == "m")


def test_sigterm_ends_everything():
    sandboxes()
    d = worker("mild", "open")
    state["mild"] = place.ready(d, "mild.ready")["api"]
    start("m1", *MODEL, to="mild")
    start("m2", *MODEL, to="mild")
    pids = tree(d.proc.pid)
    check(len(pids) >= 7, pids)  # net, and for each a proxy, the shim, the model
    check(d.stop() == 0, d.text()[-800:])
    check(not any(lives(pid) for pid in pids), pids)
    check(groups(d.proc.pid) == [] and not os.path.exists(p("mild.ready")))


def test_sigkill_of_the_worker_ends_everything():
    sandboxes()
    d = worker("harsh", "open")
    state["harsh"] = place.ready(d, "harsh.ready")["api"]
    start("m1", *MODEL, to="harsh")
    pids = tree(d.proc.pid)
    d.proc.kill()
    d.proc.wait()
    wait_until(lambda: not any(lives(pid) for pid in pids), 10, "the end of all")


def test_a_net_process_that_dies_ends_the_worker():
    d = worker("torn", "open")
    place.ready(d, "torn.ready")
    net = [pid for pid in tree(d.proc.pid) if b"net" in command_of(pid)]
    os.kill(net[0], signal.SIGKILL)
    wait_until(lambda: d.proc.poll() is not None, 10, "its end")
    check(d.proc.returncode not in (0, 2), d.proc.returncode)
    check("net" in d.text() and not os.path.exists(p("torn.ready")))


# ---- the lease -----------------------------------------------------------------


def chat(client):
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    return request(client, "POST", "/v1/chat/completions", json.dumps(body),
                   {"content-type": "application/json"})


def test_without_the_service_the_worker_serves_until_its_lease_ends():
    sandboxes()
    w = json.loads(start("model", *MODEL).stdout)
    c = place.start([CONFD, "client", "--listen", "127.0.0.1:0", "--as", state["as"], "--manifest",
                     p("m.json"), "--group", "open", "--endpoint", "https://" + w["address"],
                     "--ready-file", p("client.ready")], "client")
    state["client"] = place.ready(c, "client.ready")["listen"]
    wait_until(lambda: chat(state["client"])[0] == 200, 5, "an answer")
    time.sleep(LEASE / 2 + 1)  # over a renewal
    check(chat(state["client"])[0] == 200)
    state["as_daemon"].proc.kill()
    state["as_daemon"].proc.wait()
    began = time.monotonic()
    check(chat(state["client"])[0] == 200)
    check(request(w["address"], "GET", "/readyz", tls=True)[0] == 200)
    wait_until(lambda: chat(state["client"])[0] == 503, LEASE + 3, "the end of the lease")
    check(time.monotonic() - began > 1.0)
    check(request(w["address"], "GET", "/readyz", tls=True)[0] == 503)
    # Its own clock has no whole seconds: the proxies are first.
    wait_until(lambda: "lease-ended" in state["open_daemon"].text(), 5, "the worker's word")
    wait_until(lambda: api("GET", "/readyz")[0] == 503, 2, "readyz to fail")
    check(api("GET", "/healthz")[0] == 200)
    state["address"] = w["address"]


def test_without_a_lease_nothing_new_starts_but_operators_can_look_and_stop():
    if "client" not in state:
        raise Skip("no sandboxes here")
    listed = json.loads(api("GET", "/v1/workloads")[2])
    check([(w["name"], w["state"]) for w in listed] == [("model", "running")], listed)
    status, _, body = api("POST", "/v1/workloads", {"name": "late", "command": ["/bin/true"],
                                                    "port": 8000})
    check(status == 503 and "lease" in json.loads(body)["detail"], status, body)
    check(api("GET", "/v1/workloads", cert="eve")[0] == 403)


def test_a_service_that_comes_back_with_its_store_renews_the_lease():
    if "client" not in state:
        raise Skip("no sandboxes here")
    state["as_daemon"] = start_as()
    wait_until(lambda: chat(state["client"])[0] == 200, 35, "an answer again")
    check(request(state["address"], "GET", "/readyz", tls=True)[0] == 200)
    check(api("GET", "/readyz")[0] == 200)
    check(get("model")["state"] == "running")
    check(leases() == ["open"], leases())


def test_all_stop_cleanly():
    d = state["open_daemon"]
    pids = tree(d.proc.pid)
    check(d.stop() == 0, d.text()[-800:])
    check(not any(lives(pid) for pid in pids), pids)
    check(not os.path.exists(p("open.ready")))


run(globals())
