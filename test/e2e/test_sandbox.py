"""Real workloads in the sandbox that a worker makes: Python of this machine,
with the host's programs and with a root file system of its own, tries what a
workload must not; its limits, its end, and an ordinary user's sandbox."""

import glob
import json
import os
import shutil
import socket
import subprocess

from lib import BUILD, CONFD, Place, Skip, check, confd, free_port, request, run, wait_until

# The workload: an inference server as far as the proxy can tell. Each prompt is a command.
SERVER = r"""
import errno, http.server, json, os, socket
def fails(call, *args):
    try:
        call(*args)
    except OSError as e:
        return errno.errorcode[e.errno]
    return "OK"
def write(path):
    with open(path, "w") as f: f.write("x")
def dial(port):
    socket.create_connection(("127.0.0.1", int(port)), 1).close()
def look(port):
    return {
        "top": sorted(os.listdir("/")), "dev": sorted(os.listdir("/dev")),
        "ids": [os.getuid(), os.geteuid(), os.getgid(), os.getgroups()],
        "fds": len(os.listdir("/proc/self/fd")), "env": sorted(os.environ),
        "pids": [p for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid()],
        "interfaces": socket.if_nameindex(), "host": fails(dial, port),
        "usr": fails(write, "/usr/x"), "root": fails(write, "/x"), "tmp": fails(write, "/tmp/x"),
        "vsock": fails(socket.socket, 40, socket.SOCK_STREAM),
        "packet": fails(socket.socket, 17, socket.SOCK_RAW),
        "user": open("/proc/self/uid_map").read().split(),
        "hostname": os.uname().nodename,
    }
def forks(n):
    made, failed = [], "OK"
    while len(made) < int(n) and failed == "OK":
        try:
            pid = os.fork()
        except OSError as e:
            failed = errno.errorcode[e.errno]
            break
        if pid == 0:
            import time; time.sleep(60); os._exit(0)
        made.append(pid)
    for pid in made:
        os.kill(pid, 9); os.waitpid(pid, 0)
    return [len(made), failed]
def eat(mib):
    return len(bytearray(int(mib) << 20))
def mark(_):
    old = os.path.exists("/tmp/mark")
    write("/tmp/mark")
    return old
def exists(path):
    return os.path.exists(path)
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name, _, arg = body["prompt"].partition(" ")
        data = json.dumps({"found": globals()[name](arg)}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
print("serving", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
"""

PYTHON = "/usr/bin/python3"
OWN = ["dev", "proc", "tmp", ".confd"]

place = Place()
state = {}


def p(name):
    return place.path(name)


def test_set_up():
    if not os.path.exists(PYTHON):
        raise Skip("no " + PYTHON)
    confd("key", "sim-root", "--out", p("root.pem"))
    confd("key", "generate", "--name", "ops", "--key", p("ops.key"), "--cert", p("ops.pem"))
    confd("manifest", "generate", "--sim-root", p("root.pem"), "--group", "g", "--image", "any",
          "--operator", "ops=" + p("ops.pem"), "--logs", "plain", "--out", p("m.json"))
    a = place.start([CONFD, "as", "--listen", "127.0.0.1:0", "--store", "memory", "--sim-root",
                     p("root.pem"), "--ready-file", p("as.ready")], "as")
    state["as"] = place.ready(a, "as.ready")["listen"]
    confd("init", "--as", state["as"], "--manifest", p("m.json"))
    w = place.start([CONFD, "worker", "--as", state["as"], "--group", "g", "--name", "w", "--tee",
                     "sim", "--sim-root", p("root.pem"), "--api", "127.0.0.1:0", "--drain", "1",
                     "--ready-file", p("w.ready")], "worker")
    state["worker"] = place.ready(w, "w.ready")["api"]
    state["worker.pid"] = w.proc.pid


def workload(*args, ok=True):
    if "worker" not in state:
        raise Skip("not set up")
    return confd("workload", args[0], "--worker", state["worker"], "--as", state["as"],
                 "--manifest", p("m.json"), "--cert", p("ops.pem"), "--key", p("ops.key"),
                 *args[1:], ok=ok, timeout=60)


def start(name, *options, command=(PYTHON, "-c", SERVER)):
    done = workload("run", name, "--json", "--port", "8000", "--listen", "https://127.0.0.1:0",
                    *options, "--", *command, ok=False)
    if done.returncode == 77 or "namespace" in done.stderr:
        raise Skip(done.stderr.strip()[:200])
    check(done.returncode == 0, done.stderr)
    client(name, json.loads(done.stdout)["address"])


def client(name, address):
    if name in state:
        state[name + ".client"].stop()  # takes its ready file along
    c = place.start([CONFD, "client", "--listen", "127.0.0.1:0", "--as", state["as"], "--manifest",
                     p("m.json"), "--endpoint", "https://" + address, "--ready-file",
                     p(name + ".ready")], name + ".client")
    state[name + ".client"] = c
    state[name] = place.ready(c, name + ".ready")["listen"]
    wait_until(lambda: "serving" in workload("logs", name).stdout, 20, name + " to serve")


def ask(name, prompt):
    """What the workload finds; None when it did not answer."""
    if name not in state:
        raise Skip("not started")
    status, _, body = request(state[name], "POST", "/v1/completions",
                              json.dumps({"model": "m", "prompt": prompt}),
                              {"content-type": "application/json"})
    return json.loads(body)["found"] if status == 200 else None


def listed(name):
    return next(w for w in json.loads(workload("ps", "--json").stdout) if w["name"] == name)


def check_walls(found):
    check(found["ids"] == [1000, 1000, 1000, []], found["ids"])
    check(found["user"][1] != "0", found["user"])
    check(found["env"] == ["HOME", "LC_CTYPE", "PATH"] or found["env"] == ["HOME", "PATH"],
          found["env"])
    # Its own server's and connection's descriptors, and the one that lists them.
    check(found["fds"] <= 7, found["fds"])
    check(found["pids"] == [], found["pids"])
    check([n for _, n in found["interfaces"]] == ["lo"], found["interfaces"])
    check(found["host"] == "ECONNREFUSED", found["host"])
    check(found["usr"] == "EROFS" and found["root"] == "EROFS" and found["tmp"] == "OK", found)
    check(found["vsock"] == "EPERM" and found["packet"] == "EPERM", found)
    check(found["hostname"] == "sandbox", found["hostname"])
    check(set(found["dev"]) == {"null", "zero", "full", "random", "urandom", "fd", "stdin",
                                "stdout", "stderr", "shm"}, found["dev"])


def look(name):
    with socket.create_server(("127.0.0.1", 0)) as host:
        found = ask(name, f"look {host.getsockname()[1]}")
    check(found is not None, "no answer")
    return found


def test_python_with_the_programs_of_the_host():
    start("plain", "--memory", "256", "--pids", "60")
    found = look("plain")
    check_walls(found)
    check(set(found["top"]) <= {"bin", "lib", "lib32", "lib64", "sbin", "usr", "etc", *OWN},
          found["top"])
    for path in (place.dir, "/home", "/root", "/var", "/etc/shadow", "/etc/ssl/private",
                 "/sys", "/run", os.path.dirname(os.path.abspath(__file__))):
        check(ask("plain", "exists " + path) is False, path)


def make_root():
    """A root file system of Python and what it is linked with."""
    root = p("rootfs")
    real = os.path.realpath(PYTHON)
    lib = os.path.dirname(os.path.realpath(os.__file__))
    if not lib.startswith("/usr/lib/"):
        # These tests may run under another Python than the one they copy.
        lib = subprocess.run([PYTHON, "-c", "import os; print(os.path.dirname(os.__file__))"],
                             capture_output=True, text=True, check=True).stdout.strip()
    shutil.copytree(lib, root + lib, symlinks=True, ignore=shutil.ignore_patterns(
        "__pycache__", "test", "tests", "dist-packages", "idlelib", "tkinter", "config-*",
        "sitecustomize.py"))
    files = {real}
    for program in [real, *glob.glob(lib + "/lib-dynload/*.so")]:
        out = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
        files |= {w for w in out.split() if w.startswith("/")}
    for path in files:
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        shutil.copy(path, root + path)
    os.symlink("usr/bin", root + "/bin")
    if not os.path.lexists(root + PYTHON):
        os.symlink(real, root + PYTHON)
    os.makedirs(root + "/data")
    with open(root + "/data/canary", "w") as f:
        f.write("weights")
    # What an image may bring, and what must not matter.
    os.symlink("/proc/1/root", root + "/out")
    os.mkfifo(root + "/pipe")
    shutil.copy(real, root + "/data/setuid")
    os.chmod(root + "/data/setuid", 0o4755)
    os.makedirs(root + "/proc/fake")
    os.chmod(root, 0o755)
    return root


def test_python_with_a_root_of_its_own():
    if "asan" in BUILD:
        raise Skip("the first process is not static in this build")
    state["root"] = make_root()
    os.chmod(place.dir, 0o711)
    start("own", "--root", state["root"])
    found = look("own")
    check_walls(found)
    have = set(os.listdir(state["root"])) - {"pipe"}
    check(set(found["top"]) == have | set(OWN), found["top"])
    check(ask("own", "exists /data/canary") is True)
    for path in ("/usr/bin/env", "/usr/share", "/etc/passwd", "/out/etc", "/proc/fake",
                 place.dir):
        check(ask("own", "exists " + path) is False, path)
    check(not os.path.exists(state["root"] + "/x"), "the workload wrote into its root")


def test_the_root_of_the_host_is_refused():
    done = workload("run", "all", "--port", "8000", "--root", "/", "--listen",
                    "https://127.0.0.1:0", "--", PYTHON, "-c", "1", ok=False)
    check(done.returncode != 0 and "root" in done.stderr, done)
    workload("rm", "all", ok=False)


def test_processes_are_limited():
    made, failed = ask("plain", "forks 500") or (0, "")
    check(5 <= made < 60 and failed == "EAGAIN", made, failed)
    check(listed("plain")["state"] == "running")


def test_scratch_space_is_new_after_a_restart():
    check(ask("own", "mark") is False and ask("own", "mark") is True)
    workload("stop", "own")
    wait_until(lambda: listed("own")["state"] == "stopped", 15, "stopped")
    workload("start", "own")
    wait_until(lambda: listed("own")["state"] == "running", 15, "running")
    client("own", listed("own")["address"])
    check(ask("own", "mark") is False, "a file of the last run")


def test_memory_is_limited():
    if not listed("plain")["limits"]["memory"]:
        raise Skip("no memory cgroup may be made")
    check(ask("plain", "eat 600") is None)
    wait_until(lambda: listed("plain")["state"] == "failed", 15, "failed")
    check(listed("plain")["end"] == "memory", listed("plain"))
    check(ask("own", "exists /data") is True, "the other workload")


def test_every_way_out_is_tried():
    probe = os.path.join(BUILD, "test", "hostile", "sandbox_probe")
    if not os.path.exists(probe) or os.path.abspath(probe).startswith("/tmp/"):
        raise Skip("no probe, or in /tmp, which is the sandbox's own")
    spaces = " ".join(os.readlink("/proc/self/ns/" + n) for n in
                      ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts"))
    with socket.create_server(("127.0.0.1", 0)) as host, socket.socket(socket.AF_UNIX) as local:
        local.bind("\0confd-e2e-%d" % os.getpid())
        local.listen()
        workload("run", "probe", "--port", "8000", "--listen", "https://127.0.0.1:0",
                 "--env", "HOST_PORT=%d" % host.getsockname()[1],
                 "--env", "HOST_ABSTRACT=confd-e2e-%d" % os.getpid(),
                 "--env", "HOST_NS=" + spaces, "--env", "ASAN_OPTIONS=detect_leaks=0",
                 "--", os.path.abspath(probe), ok=False)
        wait_until(lambda: listed("probe")["state"] in ("failed", "stopped"), 15, "its end")
    said = workload("logs", "probe").stdout.splitlines()
    # The path of the command is the one thing of the host that is seen.
    top = "/" + os.path.abspath(probe).split("/")[1]
    leaks = [l for l in said if l.startswith("LEAK") and not l.startswith("LEAK /:")
             and not l.startswith(f"LEAK {top}:")]
    check(leaks == [], leaks)
    check(sum(l.startswith("ok ") for l in said) > 200, len(said))


def below(pid):
    """All processes that come from one."""
    parents = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as f:
                text = f.read()
        except OSError:
            continue
        parents[int(path.split("/")[2])] = int(text[text.rindex(")") + 2:].split()[1])
    found = {pid}
    while more := {p for p, parent in parents.items() if parent in found and p not in found}:
        found |= more
    return found - {pid}


def test_nothing_is_left():
    if "worker" not in state:
        raise Skip("not set up")
    # The two processes of a sandbox, and the proxy, at least.
    before = below(state["worker.pid"])
    check(len(before) >= 3 or "own" not in state, before)
    for name in ("plain", "own", "probe"):
        workload("rm", name, ok=False)
    check(workload("ps", "--json").stdout.strip() == "[]")
    left = below(state["worker.pid"])
    check(len(left) <= 1, "more than the worker's net role", left)
    gone = before - left
    check(not any(os.path.exists(f"/proc/{pid}") for pid in gone), gone)
    with open("/proc/self/mountinfo") as f:
        check(place.dir not in f.read(), "a mount is left")
    for d in reversed(place.daemons):
        d.stop()
    place.close()


def test_an_ordinary_user_has_a_sandbox_too():
    if os.geteuid() != 0:
        raise Skip("the tests above were an ordinary user's")
    with Place() as other:
        os.chmod(other.dir, 0o777)
        program = other.path("confd")
        shutil.copy(CONFD, program)
        os.chmod(program, 0o755)
        done = subprocess.run([program, "demo", "--quiet", "--listen", "127.0.0.1:%d" % free_port(),
                               "--ask", "one two"], capture_output=True, text=True, timeout=120,
                              user=65534, group=65534, extra_groups=[], cwd=other.dir,
                              env={"PATH": os.environ["PATH"], "TMPDIR": other.dir})
        if "namespace" in done.stderr and "sysctl" in done.stderr:
            raise Skip(done.stderr.strip()[-200:])
        check(done.returncode == 0 and "2 words" in done.stdout, done)


run(globals())
