"""A real inference server, llama.cpp with a tiny model, as a workload in its
namespace, run by an operator; skipped where it is not on this machine."""

import glob
import json
import os
import shutil
import subprocess

from lib import (CONFD, SLOW, TOP, Place, Skip, check, confd, connect, events, request, run, wait_until)

place = Place()
state = {}


def p(name):
    return place.path(name)


def llama_root():
    """The server's root file system, set up once."""
    kit = os.environ.get("CONFD_LLAMA", os.path.join(os.path.dirname(TOP), "shared", "llama"))
    setup = os.path.join(kit, "setup_llama.sh")
    if not os.path.exists(setup):
        raise Skip("no llama.cpp kit here (CONFD_LLAMA)")
    if os.geteuid() != 0:
        raise Skip("needs root")
    if SLOW > 1:
        raise Skip("a sanitized shim is not static: it cannot run in a root of its own")
    directory = os.path.join(TOP, "build", "llama")
    root = os.path.join(directory, "root")
    if not os.path.exists(os.path.join(directory, "done")):
        done = subprocess.run(["bash", setup, directory], capture_output=True, text=True,
                              timeout=240)
        check(done.returncode == 0, done.stderr[-800:])
        open(os.path.join(directory, "done"), "w").close()
    return root


def test_set_up():
    root = llama_root()
    digest = confd("workload", "digest", "--dir", root, timeout=120).stdout.strip()
    confd("key", "sim-root", "--out", p("root.pem"))
    confd("key", "generate", "--name", "ops", "--key", p("ops.key"), "--cert", p("ops.pem"))
    confd("manifest", "generate", "--sim-root", p("root.pem"), "--group", "llama", "--image",
          digest, "--operator", "ops=" + p("ops.pem"), "--logs", "plain", "--out", p("m.json"))
    a = place.start([CONFD, "as", "--listen", "127.0.0.1:0", "--store", "dir:" + p("as"),
                     "--sim-root", p("root.pem"), "--ready-file", p("as.ready")], "as")
    state["as"] = place.ready(a, "as.ready")["listen"]
    confd("init", "--as", state["as"], "--manifest", p("m.json"))
    w = place.start([CONFD, "worker", "--as", state["as"], "--group", "llama", "--name", "w1",
                     "--sim-root", p("root.pem"), "--tee", "sim", "--api", "127.0.0.1:0",
                     "--ready-file", p("w.ready")], "worker")
    state["worker"] = place.ready(w, "w.ready")["api"]
    state["root"] = root


def workload(*args, **more):
    if "worker" not in state:
        raise Skip("not set up")
    return confd("workload", *args[:1], "--worker", state["worker"], "--as", state["as"],
                 "--manifest", p("m.json"), "--cert", p("ops.pem"), "--key", p("ops.key"),
                 *args[1:], timeout=120, **more)


def test_another_root_is_refused():
    os.makedirs(p("other/bin"), exist_ok=True)
    shutil.copy("/bin/sh", p("other/bin/sh"))
    done = workload("run", "evil", "--port", "8000", "--root", p("other"), "--listen",
                    "https://127.0.0.1:0", "--", "/bin/sh", ok=False)
    check(done.returncode != 0 and "images" in done.stderr, done)


def test_llama_runs_in_its_namespace_and_answers():
    done = workload("run", "chat", "--json", "--port", "8000", "--root", state.get("root", "/"),
                    "--listen", "https://127.0.0.1:0", "--memory", "2048", "--",
                    "/usr/bin/llama-server", "-m", "/model/tiny-chat-q8_0.gguf", "--alias",
                    "tiny-chat", "--host", "127.0.0.1", "--port", "8000", "--offline", "-c",
                    "32768", "-np", "8", "-t", "1", "--poll", "0", "--temp", "0")
    endpoint = "https://" + json.loads(done.stdout)["address"]
    c = place.start([CONFD, "client", "--listen", "127.0.0.1:0", "--as", state["as"],
                     "--manifest", p("m.json"), "--endpoint", endpoint, "--ready-file",
                     p("c.ready")], "client")
    state["client"] = place.ready(c, "c.ready")["listen"]

    def served():
        status, _, body = request(state["client"], "GET", "/v1/models")
        return status == 200 and b"tiny-chat" in body
    wait_until(served, 60, "the model")


def chat(stream):
    if "client" not in state:
        raise Skip("not set up")
    body = {"model": "tiny-chat", "stream": stream, "max_tokens": 24,
            "messages": [{"role": "user", "content": "Hello"}]}
    c = connect(state["client"], 60)
    c.request("POST", "/v1/chat/completions", json.dumps(body),
              {"content-type": "application/json"})
    return c.getresponse()


def test_plain_chat_with_llama():
    r = chat(False)
    answer = json.loads(r.read())
    check(r.status == 200 and answer["choices"][0]["message"]["content"] is not None, answer)


def test_streaming_chat_with_llama():
    said, last = "", None
    for last in events(chat(True)):
        if last != b"[DONE]":
            for choice in json.loads(last)["choices"]:
                said += choice["delta"].get("content") or ""
    check(last == b"[DONE]" and len(said) > 0, last, said)


def test_management_routes_stay_inside():
    if "client" not in state:
        raise Skip("not set up")
    for path in ("/metrics", "/slots", "/props", "/health"):
        check(request(state["client"], "GET", path)[0] == 404, path)


def test_stop_and_remove():
    check(json.loads(workload("ps", "--json").stdout)[0]["state"] == "running")
    workload("stop", "chat")
    wait_until(lambda: json.loads(workload("ps", "--json").stdout)[0]["state"] == "stopped", 15,
               "stopped")
    status, _, body = request(state["client"], "GET", "/v1/models")
    check(status in (502, 503), status)
    workload("rm", "chat")
    check(workload("ps", "--json").stdout.strip() == "[]")


def test_everything_ends():
    for d in reversed(place.daemons):
        check(d.stop() == 0, d.text()[-500:])
    place.close()


run(globals())
