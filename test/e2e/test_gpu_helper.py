"""The helper that asks NVIDIA's library, against a library that is none."""

import base64
import json
import os
import re
import tempfile

from lib import BUILD, Skip, TOP, check, confd, run

HELPER = os.path.join(BUILD, "confd-gpu-helper")
LIBRARY = os.path.join(BUILD, "test/fake/nvml.so")
NONCE = "0123456789abcdef" * 4
CHAIN = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def machine(folder, *archs):
    """As many GPUs as there are architectures."""
    for i, arch in enumerate(archs):
        for what, content in (("report", bytes([i]) * 200),
                              ("chain", CHAIN.encode() + b"\0" * i),
                              ("arch", str(arch).encode())):
            with open(f"{folder}/{i}.{what}", "wb") as f:
                f.write(content)


def ask(folder, *args, nonce=NONCE, library=LIBRARY, ok=True, **env):
    return confd("--nonce", nonce, *args, *(["--library", library] if library else []),
                 program=HELPER, ok=ok, env={"FAKE_NVML": folder, **env})


def needed():
    if not os.path.exists(HELPER) or not os.path.exists(LIBRARY):
        raise Skip("no helper for NVML is built")


def test_gives_each_gpu_with_the_nonce():
    needed()
    with tempfile.TemporaryDirectory() as folder:
        machine(folder, 9, 10)
        said = json.loads(ask(folder).stdout)
    check(said["v"] == 1 and len(said["gpus"]) == 2, said)
    for i, gpu in enumerate(said["gpus"]):
        report = base64.b64decode(gpu["report"], validate=True)
        check(report == bytes([i]) * 4 + bytes.fromhex(NONCE) + bytes([i]) * 164, report)
        check(gpu["chain"] == CHAIN, gpu)
        check(gpu["arch"] == ["hopper", "blackwell"][i], gpu)


def test_gives_genuine_evidence_as_it_is():
    needed()
    vectors = os.environ.get("CONFD_VECTORS", TOP + "/../shared/vectors")
    case = vectors + "/gpu/h100-drv545.00-full-match/"
    if not os.path.exists(case):
        raise Skip("no vectors")
    with open(case + "report.bin", "rb") as f:
        report = f.read()
    with open(case + "gpu_cert_chain.pem") as f:
        chain = f.read()
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/0.report", "wb") as f:
            f.write(report)
        with open(folder + "/0.chain", "w") as f:
            f.write(chain)
        said = json.loads(ask(folder, nonce=report[4:36].hex()).stdout)
    check(base64.b64decode(said["gpus"][0]["report"]) == report)
    check(said["gpus"][0]["chain"] == chain)


def test_writes_nothing_when_anything_fails():
    needed()
    with tempfile.TemporaryDirectory() as folder:
        machine(folder, 9, 9)
        for step in ("init", "count", "handle", "arch", "chain", "report"):
            done = ask(folder, ok=False, FAKE_NVML_FAIL=step)
            check(done.returncode not in (0, 64) and done.stdout == "", step, done)
            check("Unknown Error" in done.stderr, done.stderr)
        machine(folder, 9, 8)
        done = ask(folder, ok=False)
        check(done.returncode != 0 and done.stdout == "", done)
        check(re.search("GPU 1: .*found 8", done.stderr), done.stderr)
        machine(folder, 9, 9)
        with open(f"{folder}/1.chain", "wb"):
            pass
        done = ask(folder, ok=False)
        check(done.returncode != 0 and done.stdout == "", done)


def test_says_that_there_is_no_gpu():
    needed()
    with tempfile.TemporaryDirectory() as folder:
        check(json.loads(ask(folder).stdout) == {"v": 1, "gpus": []})


def test_says_how_it_is_used():
    needed()
    with tempfile.TemporaryDirectory() as folder:
        for args in ((), ("--nonce",), ("--nonce", NONCE, "x"), ("--nonce", NONCE, "--gpu", "1"),
                     ("--library", LIBRARY)):
            done = confd(*args, program=HELPER, ok=False)
            check(done.returncode == 64 and done.stdout == "" and "usage" in done.stderr, args, done)
        for nonce in ("", "00", NONCE.upper(), NONCE + "00", NONCE[:-1] + "x"):
            done = ask(folder, nonce=nonce, ok=False)
            check(done.returncode not in (0, 64) and done.stdout == "", nonce, done)
        done = ask(folder, library=folder + "/none.so", ok=False)
        check(done.returncode != 0 and "none.so" in done.stderr, done)


run(globals())
