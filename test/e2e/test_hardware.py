"""Hardware TEEs and GPUs through the whole product: workers and attestation
services on machines that sign as AMD's, Intel's and NVIDIA's do, under roots of
our own (test/fake/tsm_daemon)."""

import atexit
import contextlib
import copy
import http.client
import json
import os
import re
import shutil
import ssl
import time

from lib import BUILD, CONFD, Place, Skip, check, confd, run, wait_until

DAEMON = os.path.join(BUILD, "test/fake/tsm_daemon")
LEASE = 10  # seconds: the shortest that a manifest may have
NONCE = "ab" * 32

place = Place()
atexit.register(place.close)
state = {}


def p(name):
    return place.path(name)


def machine(name, *what):
    os.mkdir(p(name))
    d = place.start([DAEMON, what[0], p(name), *what[1:]], name + "-machine")
    def there():
        if d.proc.poll() == 77:
            raise Skip("no FUSE here")
        check(d.proc.poll() is None, d.text())
        return os.path.exists(p(name + "/tsm"))
    wait_until(there, 20, name)


def tee(name, collateral=True, helper=False):
    """The options of a daemon that runs on a machine."""
    kind = json.load(open(p(name + "/policy.json")))["tee"]
    args = ["--tee", kind, "--tsm-root", open(p(name + "/tsm")).read().strip()]
    if collateral:
        args += ["--collateral", p(name + "/collateral")]
    if helper:
        args += ["--gpu-helper", p(name + "/helper")]
    return args


def policy(name, **more):
    return dict(copy.deepcopy(json.load(open(p(name + "/policy.json")))), **more)


def manifest(name, service):
    """Each policy has a group of its name."""
    gpus = policy("gpu")["gpus"]
    policies = {
        "snp": policy("snp"),
        "tdx": policy("tdx"),
        "gpu": policy("gpu"),
        "other": policy("snp", measurements=["22" * 48]),
        "newer": policy("snp", min_tcb=dict(policy("snp")["min_tcb"], microcode=131)),
        "registers": policy("tdx", rtmrs=dict(policy("tdx")["rtmrs"], **{"2": ["33" * 48]})),
        "driver": policy("gpu", gpus=dict(gpus, drivers=["999.1"])),
        "none": policy("snp"),
    }
    m = {"version": 1, "name": name, "generation": 1,
         "policies": dict(policies, **{"as": service}),
         "attestation_service": {"policies": ["as"]},
         "workers": {g: {"policies": [g], "images": ["any"], "adapters": ["openai"]}
                     for g in policies},
         "leases": {"worker": LEASE, "certificate": 3600}}
    json.dump(m, open(p(name), "w"))


def service(name, *args, store="memory"):
    d = place.start([CONFD, "as", "--listen", "127.0.0.1:0", "--store", store, "--ready-file",
                     p(name + ".ready"), "--drain", "1", *args], name)
    state[name] = place.ready(d, name + ".ready")["listen"]
    state[name + "-daemon"] = d


def worker(name, group, *args, at="as", trust=True):
    return place.start([CONFD, "worker", "--as", state[at], "--group", group, "--name", name,
                        "--api", "127.0.0.1:0", "--ready-file", p(name + ".ready"), "--drain", "1",
                        *(["--trust-root", p("roots.pem")] if trust else []), *args], name)


def ended(name, d, code, *words):
    wait_until(lambda: d.proc.poll() is not None, 15, name + " to end")
    check(d.proc.returncode == code, name, d.proc.returncode, d.text())
    for word in words:
        check(word in d.text(), name, word, d.text())
    check(not os.path.exists(p(name + ".ready")), name)


def log_of(service_name, *words):
    """The line of a service's log that has all words."""
    lines = state[service_name + "-daemon"].text().splitlines()
    return [line for line in lines if all(w in line for w in words)]


def needed():
    if "as" not in state:
        raise Skip("no machines")


def test_set_up():
    machine("snp", "snp")
    machine("table", "snp", "table")
    machine("tdx", "tdx")
    machine("gpu", "tdx", "gpu")
    with open(p("roots.pem"), "w") as out:
        found = [open(p(m + "/roots.pem")).read() for m in ("snp", "tdx", "gpu")]
        out.write("".join(found))
    confd("key", "sim-root", "--out", p("root.pem"))
    confd("manifest", "generate", "--sim-root", p("root.pem"), "--group", "x", "--image", "any",
          "--out", p("sim.json"))
    sim = list(json.load(open(p("sim.json")))["policies"].values())[0]
    manifest("m.json", sim)
    manifest("m-snp.json", policy("snp"))
    sim_args = ["--tee", "sim", "--sim-root", p("root.pem")]
    service("as", *sim_args, "--trust-root", p("roots.pem"))
    service("strict", *sim_args)
    for name in ("as", "strict"):
        confd("init", "--as", state[name], "--manifest", p("m.json"))


# ---- workers -------------------------------------------------------------------


def test_workers_on_hardware_get_a_lease():
    needed()
    started = [(name, worker(name, group, *args, trust=False))
               for name, group, args in (
                   ("snp-one", "snp", tee("snp")),
                   ("snp-table", "snp", tee("table", collateral=False)),
                   ("tdx-one", "tdx", tee("tdx")),
                   ("gpu-one", "gpu", tee("gpu", helper=True)))]
    for name, d in started:
        place.ready(d, name + ".ready")
        check(len(log_of("as", "worker-leased", name, "renewed=false")) == 1, name)
        check("trust-root" not in d.text(), d.text())
    state["workers"] = started


def test_workers_that_the_manifest_does_not_allow_are_told_the_rule():
    needed()
    bad = [("other-image", "other", tee("snp"), "policy.measurement"),
           ("old-firmware", "newer", tee("snp"), "policy.tcb.reported"),
           ("other-registers", "registers", tee("tdx"), "policy.rtmr2"),
           ("other-driver", "driver", tee("gpu", helper=True), "gpu.policy.driver"),
           ("no-gpus", "gpu", tee("gpu"), "gpu.policy.count"),
           ("too-many-gpus", "tdx", tee("gpu", helper=True), "bundle.extra"),
           ("wrong-tee", "tdx", tee("snp"), "tee.policy"),
           ("bare-snp", "snp", tee("snp", collateral=False), "snp.certs"),
           ("bare-tdx", "tdx", tee("tdx", collateral=False), "tdx.tcb_info")]
    started = [(name, worker(name, group, *args, trust=False), step)
               for name, group, args, step in bad]
    for name, d, step in started:
        ended(name, d, 2, "no lease", step)
        check(len(log_of("as", "worker-refused", name, step)) == 1, name)
        check(not log_of("as", "worker-leased", name), name)


def test_a_service_that_was_not_told_of_the_roots_refuses_them():
    needed()
    for name, group, step in (("snp-strict", "snp", "snp.chain.root"),
                              ("tdx-strict", "tdx", "tdx.chain.root")):
        ended(name, worker(name, group, *tee(group), at="strict"), 2, step)


def test_collateral_that_cannot_be_used_is_named():
    needed()
    folder = p("broken")
    shutil.copytree(p("tdx/collateral"), folder)
    with open(folder + "/tcb_info.json", "ab") as f:
        f.write(b" " * (300 << 10))
    args = ["--tee", "tdx", "--tsm-root", open(p("tdx/tsm")).read().strip(), "--collateral", folder]
    d = worker("broken", "tdx", *args)
    wait_until(lambda: "broken/tcb_info.json" in d.text(), 10, "the file's name")
    check(d.proc.poll() is None and not os.path.exists(p("broken.ready")))
    # Who keeps the folder mends it, and the next attempt succeeds.
    shutil.copy(p("tdx/collateral/tcb_info.json"), folder + "/.new")
    os.rename(folder + "/.new", folder + "/tcb_info.json")
    place.ready(d, "broken.ready")
    check(d.stop() == 0, d.text())


def test_wrong_options_end_at_once():
    needed()
    sim = ["--tee", "sim", "--sim-root", p("root.pem")]
    for args, word in ((["--collateral", p("absent")], "absent"),
                       (["--collateral", p("m.json")], "m.json"),
                       (["--gpu-helper", "helper"], "path from the root"),
                       (["--gpu-helper", p("m.json")], "m.json")):
        done = confd("worker", "--as", state["as"], *sim, *args, ok=False)
        check(done.returncode == 78 and word in done.stderr, args, done)
    done = confd("worker", "--as", state["as"], "--tee", "tdx", "--tsm-root", p("absent"), ok=False)
    check(done.returncode not in (0, 2) and "absent" in done.stderr, done)
    done = confd("worker", "--as", state["as"], *tee("snp")[2:4], "--tee", "tdx", ok=False)
    check(done.returncode not in (0, 2) and "expected provider tdx_guest" in done.stderr, done)


def test_a_helper_that_fails_gives_no_lease():
    needed()
    with open(p("sick"), "w") as f:
        f.write("#!/bin/sh\necho no GPU answers >&2\nexit 3\n")
    os.chmod(p("sick"), 0o755)
    d = worker("sick", "gpu", *tee("gpu"), "--gpu-helper", p("sick"))
    wait_until(lambda: "found 3" in d.text(), 10, "the helper's end")
    check("no GPU answers" in d.text(), d.text())
    check(not log_of("as", "worker-leased", "sick"))
    check(d.stop() == 0, d.text())


# ---- a service on hardware -----------------------------------------------------


def test_a_service_on_hardware_is_verified_by_its_admin():
    needed()
    service("snp-as", *tee("snp"), "--trust-root", p("roots.pem"), store="dir:" + p("store"))
    check(log_of("snp-as", "not-kept"))
    args = ["init", "--as", state["snp-as"], "--manifest", p("m-snp.json")]
    done = confd(*args, ok=False)
    check(done.returncode == 2 and "snp.chain.root" in done.stderr, done)
    confd(*args, "--trust-root", p("roots.pem"))
    done = confd("verify", "service", state["snp-as"], "--manifest", p("m-snp.json"), ok=False)
    check(done.returncode == 2 and "snp.chain.root" in done.stdout, done)
    args = ["verify", "service", state["snp-as"], "--trust-root", p("roots.pem")]
    done = confd(*args, "--manifest", p("m-snp.json"), "--json")
    check(json.loads(done.stdout)["verdict"] == "ok", done)
    done = confd(*args, "--at", "2090-01-01T00:00:00Z", ok=False)
    check(done.returncode == 3 and "snp.chain.time" in done.stdout, done)
    d = worker("tdx-at-snp", "tdx", *tee("tdx"), at="snp-as")
    place.ready(d, "tdx-at-snp.ready")
    d = worker("blind", "tdx", *tee("tdx"), at="snp-as", trust=False)
    ended("blind", d, 2, "snp.chain.root")


def test_a_service_reads_its_collateral_anew_each_time():
    needed()
    file, kept = p("snp/collateral/crl.der"), p("crl")
    os.rename(file, kept)
    with open(file, "w") as f:
        f.write("junk")
    args = ["init", "--as", state["snp-as"], "--manifest", p("m-snp.json"), "--trust-root",
            p("roots.pem")]
    done = confd(*args, ok=False)
    check(done.returncode == 69 and "its log says why" in done.stderr, done)
    check("crl.der" not in done.stderr, done)
    check(log_of("snp-as", "collateral", "crl.der"), state["snp-as-daemon"].text())
    os.rename(kept, file)
    done = confd(*args, ok=False)
    check(done.returncode not in (0, 2, 69), done)  # initialized already


def test_collects_evidence_that_verifies():
    needed()
    zeros = "00" * 32
    expect = [f"--expect={n}={v}" for n, v in (
        ("nonce", NONCE), ("exporter", "none"), ("manifest", "none"), ("spki", zeros),
        ("keys", zeros))]
    for name in ("snp", "gpu"):
        done = confd("verify", "collect", *tee(name, helper=name == "gpu"), "--nonce", NONCE)
        check(("gpus" in json.loads(done.stdout)) == (name == "gpu"))
        args = ["verify", "bundle", "--purpose", "user-data", *expect, "-"]
        told = confd(*args, "--trust-root", p("roots.pem"), stdin=done.stdout)
        check("Not proven: any protection by hardware" in told.stdout, told.stdout)
        told = confd(*args, stdin=done.stdout, ok=False)
        check(told.returncode == 2 and "chain.root" in told.stdout, told)
    done = confd("verify", "collect", *tee("snp"), "--report-data", "0102")
    said = json.loads(done.stdout)
    check(said["tee"] == "snp" and set(said["collateral"]) == {"vcek", "chain", "crl"}, said)
    done = confd("verify", "collect", *tee("gpu", helper=True), "--report-data", "0102", ok=False)
    check(done.returncode == 64, done)


def knock(source):
    """A connection to the slow service from an address of this machine."""
    host, port = state["slow-as"].rsplit(":", 1)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    c = http.client.HTTPSConnection(host, int(port), timeout=60, context=context,
                                    source_address=(source, 0))
    c.connect()
    return c


def ask(c, path="/v1/attest"):
    """Send one request; the answer is for later."""
    body = json.dumps({"nonce": NONCE}) if path == "/v1/attest" else None
    c.request("POST" if body else "GET", path, body, {"content-type": "application/json"})
    return c


def flood(n):
    return [ask(c) for c in [knock("127.0.0.2") for _ in range(n)]]


def status(source, path="/v1/attest"):
    with contextlib.closing(ask(knock(source), path)) as c:
        return c.getresponse().status


def close(connections):
    for c in connections:
        c.close()


def test_who_asks_a_slow_tee_all_the_time_delays_only_himself():
    needed()
    machine("slow", "snp", "slow")
    service("slow-as", *tee("slow"), "--trust-root", p("slow/roots.pem"))
    with open(p("m-slow.json"), "w") as f:
        m = json.load(open(p("m-snp.json")))
        m["policies"]["as"] = policy("slow")
        json.dump(m, f)
    confd("init", "--as", state["slow-as"], "--manifest", p("m-slow.json"), "--trust-root",
          p("slow/roots.pem"))
    asked = flood(40)
    began = time.monotonic()
    check(status("127.0.0.2", "/v1/nonce") == 200)
    check(status("127.0.0.1") == 200)
    check(time.monotonic() - began < 3)
    # Nor does a worker wait for all of them: the judge's word comes between.
    d = worker("in-between", "snp", *tee("snp"), at="slow-as")
    place.ready(d, "in-between.ready", 4)
    check(d.stop() == 0, d.text())
    check([c.getresponse().status for c in asked[:2]] == [200, 200])
    # Nobody makes a report for those who have left.
    close(asked)
    began = time.monotonic()
    check(status("127.0.0.2") == 200)
    check(time.monotonic() - began < 3)
    # From one address only so many may wait.
    asked = flood(80)
    check(asked[-1].getresponse().status == 503)
    check(status("127.0.0.1") == 200)
    close(asked)


# ---- later ---------------------------------------------------------------------


def test_leases_are_renewed_with_fresh_evidence():
    needed()
    for name, d in state["workers"]:
        wait_until(lambda name=name: log_of("as", "worker-leased", name, "renewed=true"), 10,
                   name + " to renew")
        check(d.proc.poll() is None, d.text())


def test_all_end_well():
    needed()
    for name, d in state["workers"]:
        check(d.stop() == 0, name, d.text())
    for name in ("as", "strict", "snp-as", "slow-as"):
        check(state[name + "-daemon"].stop() == 0, name, state[name + "-daemon"].text())
    check(not re.search("leaked|runtime error", state["as-daemon"].text()))


run(globals())
