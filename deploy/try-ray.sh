#!/usr/bin/env bash
# Runs the Ray drivers on this machine, against the built-in target of a `standin` of its own.
# Needed: a Python that has the package `ray`.
#   deploy/try-ray.sh STANDIN [PYTHON]
set -euo pipefail
STANDIN=$(realpath "$1"); export STANDIN
python=$(command -v "${2:-python3}")
# Not resolved: an environment's Python is a link, and knows by its name where its packages are.
[[ $python = /* ]] || python=$PWD/$python
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export RAY_USAGE_STATS_ENABLED=0 RAY_DEDUP_LOGS=0
cd "$work"
"$STANDIN" key new -o team.key -q
"$python" "$here/ray/mask.py" --key team.key --out masked "$here"/../fixtures/shop-*.pcap*
ls masked/*.manifest.json | wc -l
code=0
# As many shards as a small machine has processors: all of them must run at once.
"$python" "$here/ray/replay.py" masked/shop-demo.pcap embedded results --shards 2 -- --speed 2 || code=$?
[ "$code" -le 1 ]
"$python" - results <<'END'
import glob, json, sys
whole = json.load(open(f"{sys.argv[1]}/run.json"))
parts = [json.load(open(path)) for path in glob.glob(f"{sys.argv[1]}/shard-*.json")]
starts = [part["started_unix_us"] for part in parts]
print("shards", len(parts), "requests", whole["requests"], "starts apart, us:", max(starts) - min(starts))
assert whole["requests"]["answered"] == sum(part["requests"]["answered"] for part in parts) == 186
assert max(starts) - min(starts) < 50_000
END
