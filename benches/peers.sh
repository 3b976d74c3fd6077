#!/usr/bin/env bash
# CPU time and peak memory of masking beside other tools on one capture, in one interleaved run.
#
# Usage: benches/peers.sh CAPTURE [ROUNDS]     (default 5 rounds; STANDIN names the binary)
#
# Each round runs every tool once, one after another, so that whatever else the machine does falls on all of them. The table
# gives the median, and its ratio to `tcprewrite --seed=42` (or to `cat`, where tcprewrite is not installed).
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
capture=$(realpath "$1")
rounds=${2:-5}
cd "$(dirname "$0")/.."
standin=$(realpath "${STANDIN:-target/release/standin}")
[ -x /usr/bin/time ] || { echo "peers: /usr/bin/time is needed; in Debian: apt-get install time" >&2; exit 2; }
[ -x "$standin" ] || { echo "peers: no $standin; run: cargo build --release" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

names=()
declare -A tool
add() { # NAME PROGRAM COMMAND
    if command -v "$2" >/dev/null; then names+=("$1"); tool[$1]=$3; else echo "peers: SKIPPED $1: $2 is not installed" >&2; fi
}
add cat cat 'cat "$in" >"$out"'
add editcap editcap 'editcap -F pcap "$in" "$out"'
add tcprewrite tcprewrite 'tcprewrite --seed=42 -i "$in" -o "$out"'
add standin-addresses-only "$standin" '"$standin" mask -q "$in" -o "$out" --rules addresses-only --jobs 1'
add standin-default "$standin" '"$standin" mask -q "$in" -o "$out" --jobs 1'

export standin in="$capture" out="$folder/out"
for ((round = 1; round <= rounds; round++)); do
    for name in "${names[@]}"; do
        /usr/bin/time --quiet -a -o "$folder/figures" -f "$name %U %S %e %M %x" bash -c "exec ${tool[$name]}" 2>/dev/null || true
        rm -f "$out" "$out.manifest.json"
    done
done

python3 - "$capture" "$folder/figures" <<'PYTHON'
import os, statistics, sys
runs = {}
for line in open(sys.argv[2]):
    name, *figures = line.split()
    user, system, *others = map(float, figures)
    runs.setdefault(name, []).append([user + system, *others])
failed = [name for name, rows in runs.items() if any(row[3] for row in rows)]
for name in failed:
    print(f"peers: SKIPPED {name}: it ended with an error", file=sys.stderr)
    del runs[name]
megabytes = os.path.getsize(sys.argv[1]) / 1e6
middle = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in runs.items()}
base = "tcprewrite" if "tcprewrite" in middle else "cat"
print(f"{megabytes:.0f} MB, {max(map(len, runs.values()))} rounds, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
print(f"{'':24}{'CPU s':>9}{'spread':>16}{'MB/CPU s':>10}{'x ' + base:>14}{'wall s':>9}{'RSS MiB':>9}")
for name, (cpu, wall, rss, _) in middle.items():
    times = [row[0] for row in runs[name]]
    spread = f"{min(times):.2f}-{max(times):.2f}"
    rate = megabytes / max(cpu, 0.001)
    print(f"{name:24}{cpu:9.2f}{spread:>16}{rate:10.0f}{cpu / max(middle[base][0], 0.001):14.2f}{wall:9.2f}{rss / 1024:9.1f}")
PYTHON
