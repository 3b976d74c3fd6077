#!/usr/bin/env python3
"""Replays a capture in shards, a Ray task for each, and merges: `replay.py safe.pcap http://10.0.0.5:8080 results --shards 4`.

All shards are placed before the start instant is chosen, and the instant is by the clocks of their nodes: keep them in
step. Flags behind `--` go to `standin replay`. Ends with the exit code of `standin merge`."""

import argparse
import os
import subprocess
import sys
import time

import ray
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy


@ray.remote(num_cpus=1)
def shard(standin, capture, target, index, of, start, flags):
    path = f"shard-{index}.json"
    command = [standin, "replay", capture, "--target", target, "--shard", f"{index}/{of}", "--start-at", str(start)]
    ran = subprocess.run([*command, "--json", "-q", *flags], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return path, ran.returncode, ran.stdout, ran.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("capture")
    parser.add_argument("target")
    parser.add_argument("out")
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--lead", type=float, default=5.0, help="seconds until the start")
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    args, flags = parser.parse_args(sys.argv[1:cut]), sys.argv[cut + 1:]
    standin = os.environ.get("STANDIN", "standin")
    os.makedirs(args.out, exist_ok=True)
    ray.init(log_to_driver=False)
    # All of them or none: a shard that waits for a processor would miss the start.
    group = placement_group([{"CPU": 1}] * args.shards)
    ray.get(group.ready())
    start = time.time() + args.lead
    placed = shard.options(scheduling_strategy=PlacementGroupSchedulingStrategy(group))
    capture = os.path.abspath(args.capture)
    tasks = [placed.remote(standin, capture, args.target, n, args.shards, start, flags) for n in range(args.shards)]
    results = []
    for path, code, result, said in ray.get(tasks):
        # 1 is a result that is not valid; the merged one says so.
        if code > 1:
            print(said.strip(), file=sys.stderr)
            return code
        results.append(os.path.join(args.out, path))
        with open(results[-1], "w") as file:
            file.write(result)
    return subprocess.run([standin, "merge", *results, "-o", os.path.join(args.out, "run.json")]).returncode


if __name__ == "__main__":
    sys.exit(main())
