"""nginx as the untrusted load balancer between client and proxy, in clear and
with TLS; and a capture of every hop, which must not show what was said."""

import json
import os
import re
import shutil
import subprocess
import time

from lib import (CONFD, Demo, Place, Skip, check, confd, connect, events, free_port, request, run,
                 wait_until)

CANARIES = {
    "prompt": "CANARYPROMPT7f3a",
    "key": "sk-CANARYKEY91bc",
    "model": "CANARYMODEL55d0",
    "path": "/v1/chat/completions",
    "answer": "I only count",
}


def nginx_config(place, port, proxy, tls):
    listen = f"listen 127.0.0.1:{port}" + (" ssl" if tls else "") + ";"
    certs = (f"ssl_certificate {place.path('lb.pem')}; ssl_certificate_key "
             f"{place.path('lb.key')};" if tls else "")
    scheme = "https" if tls else "http"
    text = f"""
daemon off; worker_processes 1; pid {place.path('nginx.pid')};
error_log {place.path('nginx.err')};
events {{ worker_connections 512; }}
http {{
  access_log {place.path('nginx.access')};
  client_body_temp_path {place.path('b')}; proxy_temp_path {place.path('p')};
  fastcgi_temp_path {place.path('f')}; uwsgi_temp_path {place.path('u')};
  scgi_temp_path {place.path('s')};
  server {{
    {listen} {certs} ssl_protocols TLSv1.3;
    client_max_body_size 200m;
    location / {{
      proxy_pass {scheme}://{proxy}; proxy_http_version 1.1; proxy_buffering off; proxy_ssl_protocols TLSv1.3;
      proxy_request_buffering off; proxy_set_header Connection "";
    }}
  }}
}}
"""
    with open(place.path("nginx.conf"), "w") as f:
        f.write(text)


def start_balanced(place, tls):
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if nginx is None:
        raise Skip("no nginx here")
    port = free_port()
    confd("key", "generate", "--name", "lb", "--key", place.path("lb.key"), "--cert",
          place.path("lb.pem"))
    scheme = "https" if tls else "http"
    demo = Demo(place, "--via", f"{scheme}://127.0.0.1:{port}")
    demo.balancer = f"127.0.0.1:{port}"
    nginx_config(place, port, demo.info["proxy"], tls)
    place.start([nginx, "-p", place.dir, "-c", place.path("nginx.conf")], "nginx")
    wait_until(lambda: os.path.exists(place.path("nginx.pid")), 10, "nginx")
    time.sleep(0.2)
    return demo


def talk(demo):
    body = {"model": CANARIES["model"],
            "messages": [{"role": "user", "content": CANARIES["prompt"] + " said"}]}
    headers = {"content-type": "application/json",
               "authorization": "Bearer " + CANARIES["key"]}
    status, _, answer = demo.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    check(status == 200, status, answer)
    check(CANARIES["prompt"].encode() in answer and CANARIES["answer"].encode() in answer, answer)
    c = connect(demo.client)
    c.request("POST", "/v1/chat/completions", json.dumps({**body, "stream": True}), headers)
    r = c.getresponse()
    check(r.status == 200, r.status)
    last = None
    for last in events(r):
        pass
    check(last == b"[DONE]", last)
    return len(answer)


def test_through_nginx_in_clear():
    with Place() as place:
        demo = start_balanced(place, False)
        talk(demo)
        with open(place.path("nginx.access")) as f:
            log = f.read()
        check("POST /confd/v2" in log, log)
        for name in ("prompt", "key", "model", "path"):
            check(CANARIES[name] not in log, name)


def test_through_nginx_with_tls():
    with Place() as place:
        talk(start_balanced(place, True))


def test_an_unreachable_endpoint_is_an_error_in_the_apis_shape():
    with Place() as place:
        demo = Demo(place, "--via", f"http://127.0.0.1:{free_port()}")
        status, answer = demo.chat("hello")
        check(status in (502, 503), status)
        check("message" in json.loads(answer)["error"], answer)


def test_a_capture_shows_nothing():
    tcpdump = shutil.which("tcpdump", path=os.environ["PATH"] + ":/usr/sbin:/usr/bin")
    if tcpdump is None or os.geteuid() != 0:
        raise Skip("needs tcpdump and root")
    with Place() as place:
        demo = start_balanced(place, False)
        # Every hop but that of the program that asks, whose text is its own.
        hops = [demo.info[name] for name in ("as", "proxy", "worker")] + [demo.balancer]
        ports = " or ".join("port " + hop.rsplit(":", 1)[1] for hop in hops)
        dump = place.start([tcpdump, "-i", "lo", "--immediate-mode", "-s", "0", "-U", "-w",
                            place.path("all.pcap"), "tcp and (" + ports + ")"], "tcpdump")
        wait_until(lambda: "listening on" in dump.text(), 10, "tcpdump")
        talk(demo)
        time.sleep(0.5)
        dump.stop()
        with open(place.path("all.pcap"), "rb") as f:
            seen = f.read()
        check(b"POST /confd/v2" in seen and len(seen) > 5000, "the capture is empty")
        for name, text in CANARIES.items():
            check(text.encode() not in seen, name)
            check(text.encode().hex().encode() not in seen, name)


def test_logs_and_files_show_nothing():
    with Place() as place:
        demo = Demo(place, "--dir", place.path("state"))
        talk(demo)
        said = demo.daemon.text()
        for name, text in CANARIES.items():
            if name == "path":
                continue  # the printed curl line names it
            check(text not in said, name)
        for root, _, files in os.walk(place.path("state")):
            for file in files:
                with open(os.path.join(root, file), "rb") as f:
                    data = f.read()
                for name, text in CANARIES.items():
                    check(text.encode() not in data, name, file)


run(globals())
