#!/usr/bin/env bash
# Runs the Slurm scripts on this machine, with a controller and a node of its own in a folder that is removed afterwards.
# Needed: slurmctld, slurmd, sbatch (Debian: slurmctld slurmd slurm-client); no munge, no root service, no open port but on loopback.
#   deploy/try-slurm.sh STANDIN
set -euo pipefail
STANDIN=$(realpath "$1"); export STANDIN
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
daemons=()
finish() {
    for pid in "${daemons[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
host=$(hostname -s)
mkdir -p "$work"/{state,spool,out}
cat > "$work/slurm.conf" <<END
ClusterName=try
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/none
CredType=cred/none
SlurmctldPort=$(port)
SlurmdPort=$(port)
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/ctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/ctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=10 OverSubscribe=FORCE:8 State=UP
END
export SLURM_CONF=$work/slurm.conf
slurmctld -D > "$work/ctld.out" 2>&1 & daemons+=($!)
slurmd -D > "$work/slurmd.out" 2>&1 & daemons+=($!)
for _ in $(seq 60); do sinfo -h -o %t 2>/dev/null | grep -q idle && break; sleep 0.5; done
sinfo

cd "$work"
"$STANDIN" key new -o team.key -q
ls "$here"/../fixtures/shop-*.pcap* > captures.txt
many=$(wc -l < captures.txt)
sbatch --wait --output="$work/out/mask-%a.txt" --array=0-$((many - 1)) "$here/slurm/mask.sbatch" captures.txt team.key masked
masked=(masked/*.pcap masked/*.pcapng)
echo "masked: ${#masked[@]} of $many captures by an array of $many tasks, one key: $(cat masked/*.manifest.json | grep -h '"key_id"' | sort -u)"
[ "${#masked[@]}" = "$many" ]

# A service to send to.
python3 - "$work/port" <<'END' & daemons+=($!)
import http.server, sys
class Yes(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = do
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Yes)
open(sys.argv[1], "w").write(str(server.server_address[1]))
server.serve_forever()
END
for _ in $(seq 50); do [ -s port ] && break; sleep 0.1; done
code=0
LEAD=5 REPLAY_FLAGS="--speed 2" sbatch --wait --output="$work/out/replay.txt" --ntasks=4 --overcommit \
    "$here/slurm/replay.sbatch" masked/shop-demo.pcap "http://127.0.0.1:$(cat port)" results || code=$?
cat out/replay.txt
[ "$code" -le 1 ]
python3 - results <<'END'
import glob, json, sys
whole = json.load(open(f"{sys.argv[1]}/run.json"))
parts = [json.load(open(path)) for path in sorted(glob.glob(f"{sys.argv[1]}/shard-*.json"))]
starts = [part["started_unix_us"] for part in parts]
print("shards", len(parts), "requests", whole["requests"], "starts apart, us:", max(starts) - min(starts))
assert len(parts) == 4 and whole["requests"]["answered"] == sum(part["requests"]["answered"] for part in parts) == 186
assert max(starts) - min(starts) < 50_000
END
