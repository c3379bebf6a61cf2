#!/usr/bin/env bash
# Measures figures-zen5.md's table of runs anew, but for the plans', the watchtower's and the signatures': one run file a run, into a new folder.
#
#   cargo build --release --workspace
#   docs/results/figures.sh FOLDER          about 20 minutes on 2 cores; 5 GiB of disk
#
# Runs that are compared take turns (ABBA). Nothing else should run meanwhile. What is there already is not made again.
set -euo pipefail
built=$(cd "$(dirname "$0")/../.." && pwd)/target/release/loadgen
mkdir -p "${1:?a folder for the run files}"
cd "$1"
# All figures are of one executable, whatever is built meanwhile.
[ -e loadgen ] || cp "$built" loadgen

# run NAME OPTIONS…: a run file NAME.json. Logs lie beside it while they are needed.
run() {
  local name=$1
  shift
  [ -e "$name.json" ] && return
  echo "$name" >&2
  rm -rf log
  # An INVALID run (exit 3) is a result too; its file says so. One that was interrupted is none.
  ./loadgen run --baseline-sessions 0 "$@" --out new.json > /dev/null || [ $? = 3 ]
  mv new.json "$name.json"
}

# audited NAME OPTIONS…: a run with an audit log, and what the audit says of it.
audited() {
  local name=$1
  shift
  [ -e "$name-report.json" ] && return
  rm -rf audit "$name.json"
  run "$name" "$@" --audit-log audit
  ./loadgen audit audit --json > new.json
  mv new.json "$name-report.json"
  rm -rf audit
}
durable=(--durability fsync --log-dir log)
million=(--preset headline --payments 200)

for i in 1 2 3 4 5; do
  run "k1-$i"
  run "k100-$i" --cosign-every 100 --sessions 3k
done

# Back ends.
for i in 1 2 3 4; do
  for backend in $([ $((i % 2)) = 1 ] && echo lanes dalek || echo dalek lanes); do
    run "backend-$backend-$i" --backend $backend --sessions 64 --payments 1k
    run "backend-one-per-key-$backend-$i" --backend $backend --in-flight 1 --concurrent 10k --sessions 10k --payments 25
  done
done

# Shards, and channels.
for i in 1 2 3 4 5 6; do
  for shards in $([ $((i % 2)) = 1 ] && echo 1 2 || echo 2 1); do
    run "shards-$shards-$i" --shards $shards --sessions 128 --concurrent 128
  done
  for channels in $([ $((i % 2)) = 1 ] && echo 100 1k 10k || echo 10k 1k 100); do
    run "channels-$channels-$i" --cosign-every 100 --sessions 10k --payments 1k --concurrent $channels
  done
done

# Durability, closed loop.
for i in $(seq 1 10); do
  for durability in $([ $((i % 2)) = 1 ] && echo none fsync || echo fsync none); do
    options=(--concurrent 10k --duration 4s)
    [ $durability = fsync ] && options+=("${durable[@]}")
    run "k100-$durability-$i" --cosign-every 100 "${options[@]}"
    [ "$i" -gt 4 ] || run "k1-$durability-$i" "${options[@]}"
  done
done

# Open loops.
for i in 1 2 3; do
  run "rate-half-$i" --rate 250k --duration 10s
  run "rate-idle-$i" --rate 100 --duration 10s
  run "rate-fsync-$i" --rate 50k --duration 30s --concurrent 10k "${durable[@]}"
done

# Dishonest parties.
run adversary --sessions 10k --payments 100 --adversary all=1.2% --l1-delay-blocks 100

# A million channels against 1,000, with the same bursts.
for i in 1 2; do
  for channels in $([ $i = 1 ] && echo 1k 1M || echo 1M 1k); do
    run "slice-k100-$channels-$i" "${million[@]}" --concurrent $channels
    run "bursts-k1-$channels-$i" --preset headline --payments 16 --cosign-every 1 --concurrent $channels
  done
done
run slice-k100-fsync "${million[@]}" "${durable[@]}"
if [ ! -e recover.txt ]; then
  # Killed with all of them open; then cold, where caches may be dropped.
  rm -rf log
  timeout -s KILL 40 ./loadgen run --baseline-sessions 0 --preset headline --payments 2k "${durable[@]}" > /dev/null || true
  sync
  (echo 3 > /proc/sys/vm/drop_caches) 2> /dev/null || echo "the log is in the page cache" >&2
  (du -sh log && time ./loadgen recover log) > recover.txt.new 2>&1
  mv recover.txt.new recover.txt
fi
audited slice-k100-audit "${million[@]}"
audited audit-k1 --sessions 1k --payments 1k
rm -rf log

# The long one.
run headline-k100-none --preset headline
