#!/usr/bin/env python3
"""Masks captures with one key, a Ray task for each: `mask.py --key team.key --out masked captures/*.pcap`.

The files must be where every node sees them. Ends with the largest exit code of all."""

import argparse
import os
import subprocess
import sys

import ray


@ray.remote
def mask(standin, capture, key, out):
    command = [standin, "mask", capture, "-o", os.path.join(out, os.path.basename(capture)), "--key", key]
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return capture, ran.returncode, ran.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--key", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("captures", nargs="+")
    args = parser.parse_args()
    standin = os.environ.get("STANDIN", "standin")
    os.makedirs(args.out, exist_ok=True)
    ray.init(log_to_driver=False)
    key, out = os.path.abspath(args.key), os.path.abspath(args.out)
    tasks = [mask.remote(standin, os.path.abspath(capture), key, out) for capture in args.captures]
    worst = 0
    for capture, code, said in ray.get(tasks):
        print(said.strip() or f"{capture}: exit code {code}")
        worst = max(worst, code)
    return worst


if __name__ == "__main__":
    sys.exit(main())
