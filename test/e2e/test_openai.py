"""The npm package `openai`, unmodified, through client and proxy."""

import os
import shutil
import subprocess
import sys

from lib import TOP, Demo, Place, Skip, check, run

PACKAGE = "openai@4.104.0"


def modules():
    """The package, fetched once into the build folder."""
    directory = os.path.join(TOP, "build", "node")
    if not shutil.which("node") or not shutil.which("npm"):
        raise Skip("no node and npm here")
    if not os.path.isdir(os.path.join(directory, "node_modules", "openai")):
        os.makedirs(directory, exist_ok=True)
        done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund",
                               "--prefix", directory, PACKAGE], capture_output=True, text=True,
                              timeout=180)
        if done.returncode != 0:
            raise Skip("npm cannot get " + PACKAGE + ": " + (done.stderr or done.stdout)[-200:])
    return directory


def test_openai_package():
    directory = modules()
    with Place() as place:
        demo = Demo(place)
        script = os.path.join(TOP, "test", "e2e", "openai_client.mjs")
        done = subprocess.run(["node", script, directory, f"http://{demo.client}/v1"],
                              capture_output=True, text=True, timeout=200)
        sys.stdout.write(done.stdout)
        check(done.returncode == 0, done.stderr[-800:])


run(globals())
