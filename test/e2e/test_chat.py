"""The main job, through `confd demo`: chat, streams, aborts, size, errors."""

import concurrent.futures
import json
import os
import re
import subprocess
import time

from lib import (CONFD, Demo, Place, check, connect, events, raw, request, run,
                 wait_until)

place = Place()
demo = None


def test_demo_starts_and_says_so():
    global demo
    demo = Demo(place)
    wait_until(lambda: "INSECURE" in demo.daemon.text(), 5, "the banner")
    check(set(demo.info["pids"]) >= {"as", "worker", "client"})


def test_curl_as_printed_works():
    line = next(l for l in demo.daemon.text().splitlines() if l.strip().startswith("curl"))
    text = demo.daemon.text()
    command = text[text.index(line):].split("\n\n")[0]
    out = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30)
    check(out.returncode == 0 and "data: [DONE]" in out.stdout, out)


def test_plain_chat():
    status, answer = demo.chat("three small words")
    check(status == 200, status, answer)
    text = json.loads(answer)["choices"][0]["message"]["content"]
    check("3 words" in text and text.endswith("three small words"), text)


def test_models():
    status, headers, body = demo.request("GET", "/v1/models")
    check(status == 200 and json.loads(body)["data"][0]["id"] == "confd-demo")
    check("server" not in headers, headers)


def test_streaming_comes_as_it_is_made():
    c = connect(demo.client)
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "a b c d"}]}
    c.request("POST", "/v1/chat/completions", json.dumps(body),
              {"content-type": "application/json"})
    r = c.getresponse()
    check(r.status == 200 and r.getheader("content-type") == "text/event-stream")
    times, last = [], None
    for data in events(r):
        times.append(time.monotonic())
        last = data
    check(last == b"[DONE]", last)
    check(len(times) > 20 and times[-1] - times[0] > 0.15, "all at once", times[-1] - times[0])


def test_non_ascii_and_escapes_pass_unchanged():
    text = "Grüße \u4f60\u597d \U0001f600 \" \\ \n tab\t"
    status, answer = demo.chat(text)
    check(status == 200)
    check(json.loads(answer)["choices"][0]["message"]["content"].endswith(text.strip("")))


def test_error_of_the_model_is_passed_through():
    status, headers, body = demo.request("POST", "/v1/chat/completions", "{}",
                                         {"content-type": "application/json"})
    check(status == 400, status, body)
    check("messages" in json.loads(body)["error"]["message"], body)
    check(headers.get("confd-authenticated") != "no", headers)


def test_unknown_routes_are_404_in_the_apis_shape():
    for method, path in (("GET", "/metrics"), ("POST", "/v1/nope"), ("GET", "/"),
                         ("POST", "/slots"), ("GET", "/v1/chat/completions"),
                         ("GET", "/v1/../metrics"), ("GET", "/v1/models/%2e%2e")):
        status, _, body = demo.request(method, path)
        check(status in (400, 404, 405), method, path, status)
        check("message" in json.loads(body)["error"], body)


def test_five_megabyte_prompt():
    text = "canary " * (5 * 1024 * 1024 // 7)
    status, answer = demo.chat(text)
    check(status == 200, status, answer[:300])
    check(f"{len(text)} bytes" in json.loads(answer)["choices"][0]["message"]["content"])


def test_fifty_streams_at_once():
    def one(i):
        c = connect(demo.client, 60)
        body = {"model": "m", "stream": True,
                "messages": [{"role": "user", "content": f"stream number {i}"}]}
        c.request("POST", "/v1/chat/completions", json.dumps(body),
                  {"content-type": "application/json"})
        r = c.getresponse()
        check(r.status == 200, r.status)
        said = ""
        for data in events(r):
            if data == b"[DONE]":
                return said
            for choice in json.loads(data)["choices"]:
                said += choice["delta"].get("content", "")
        raise AssertionError("no [DONE]")
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        for i, said in enumerate(pool.map(one, range(50))):
            check(said.endswith(f"stream number {i}"), said)


def test_an_abort_leaves_the_others_alone():
    c = connect(demo.client)
    body = {"model": "m", "stream": True,
            "messages": [{"role": "user", "content": "word " * 40}]}
    c.request("POST", "/v1/chat/completions", json.dumps(body),
              {"content-type": "application/json"})
    r = c.getresponse()
    r.read(200)
    r.close()
    c.close()
    status, _ = demo.chat("still there")
    check(status == 200)


def test_smuggling_and_bad_requests_are_refused_by_the_client():
    bad = [
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nabcde",
        b"GET /v1/models HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /v1/models HTTP/1.1\nHost: x\n\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET http://169.254.169.254/ HTTP/1.1\r\nHost: x\r\n\r\n",
    ]
    for data in bad:
        got = raw(demo.client, data)
        check(got.split(b"\r\n")[0].split(b" ")[1][:1] in (b"4", b"5"), data, got[:100])
        check(len(re.findall(rb"HTTP/1.1 \d", got)) == 1, got)


def test_plaintext_on_the_proxy_is_refused():
    body = json.dumps({"model": "m", "messages": []})
    status, _, answer = request(demo.info["proxy"], "POST", "/v1/chat/completions", body,
                                {"content-type": "application/json"}, tls=True)
    check(status == 400, status, answer)
    check(json.loads(answer)["error"]["code"] == "encryption_required", answer)
    status, _, _ = request(demo.info["proxy"], "GET", "/metrics", tls=True)
    check(status == 404, status)


def test_garbage_to_the_proxy_is_refused_and_it_goes_on():
    for body, kind in ((b"", "message/ohttp-chunked-req"), (b"x" * 60, "message/ohttp-req"),
                       (os.urandom(4000), "message/ohttp-chunked-req"),
                       (b"{}", "application/json")):
        status, _, _ = request(demo.info["proxy"], "POST", "/confd/v2", body,
                               {"content-type": kind}, tls=True)
        check(400 <= status < 500, status, kind)
    check(demo.chat("hello")[0] == 200)


def test_idle_roles_are_small():
    for name, pid in demo.info["pids"].items():
        with open(f"/proc/{pid}/smaps_rollup") as f:
            rss = next(int(l.split()[1]) for l in f if l.startswith("Rss"))
        check(rss < 200 * 1024, name, rss)


def test_the_demo_stops_cleanly_and_leaves_nothing():
    import signal
    directory = demo.info["dir"]
    demo.daemon.proc.send_signal(signal.SIGINT)
    check(demo.daemon.proc.wait(30) == 0)
    check(not os.path.exists(directory))
    for pid in demo.info["pids"].values():
        check(not os.path.exists(f"/proc/{pid}"), pid)
    place.close()


def test_ask():
    out = subprocess.run([CONFD, "demo", "--quiet", "--listen", "127.0.0.1:0", "--ask", "one two"],
                         capture_output=True, text=True, timeout=60)
    check(out.returncode == 0 and "2 words" in out.stdout, out)


run(globals())
