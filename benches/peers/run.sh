#!/usr/bin/env bash
# Runs every measurement in ROUNDS rounds (A B C, A B C, ...): within a round each workload visits all
# systems in turn, so slow drift of the machine hits all of them alike. JSON lines go to results/raw.
#   PEERS_LOCK   a lock file taken around every single measuring command (so builds can slip in between)
#   ONLY         a pattern: run just the commands that match it; with TAG, into files of their own
# When all rounds are done, results/table.md has the tables of everything in results/raw.
set -u
cd "$(dirname "$0")"
rounds=${ROUNDS:-3}
out=results/raw
bin=${CARGO_TARGET_DIR:-target}/release
lock=${PEERS_LOCK:-${TMPDIR:-.}/peers.lock}
mkdir -p "$out"

m() { # m BINARY ARGS...: one measuring command, appended to this round's file
    [[ -x $bin/$1 && "$*" =~ ${ONLY:-.} ]] || return 0
    local b=$1; shift
    flock "$lock" timeout -k 5 200 "$bin/$b" "$@" >>"$file" 2>>"$out/errors.txt" ||
        echo "round $r: $b $* ended with $?" | tee -a "$out/errors.txt"
}

# system, mode and the binary it lives in
links="ipc:shm-ring:spin ipc:shm-ring:futex ipc:shm-ring:eventfd
 ipc:iceoryx2-pubsub:spin ipc:iceoryx2-pubsub:block ipc:iceoryx2-reqres:spin ipc:iceoryx2-reqres:block
 aeron-peer:aeron:spin aeron-peer:aeron:backoff
 ipc:pipe:spin ipc:pipe:block ipc:unix-socket:spin ipc:unix-socket:block ipc:tokio-unix:block
 ipc:ipc-channel:spin ipc:ipc-channel:block ipc:ipc-channel-shm:block ipc:shmipc:uds ipc:shmipc:eventfd
 ipc:zeromq-ipc:block
 zenoh-peer:zenoh-pubsub:tcp-shm zenoh-peer:zenoh-pubsub:unix-shm zenoh-peer:zenoh-pubsub:tcp-bytes
 zenoh-peer:zenoh-query:tcp-shm"
# request-response patterns have no one-way form
oneway=$(tr ' ' '\n' <<<"$links" | grep -v -e reqres -e query)
fans="ipc:shm-ring:spin ipc:shm-ring:futex ipc:iceoryx2-pubsub:spin ipc:iceoryx2-pubsub:block
 zenoh-peer:zenoh-pubsub:tcp-shm zenoh-peer:zenoh-pubsub:unix-shm"
sleepers="ipc:shm-ring:futex ipc:iceoryx2-pubsub:block ipc:unix-socket:block ipc:tokio-unix:block
 ipc:ipc-channel:block ipc:shmipc:uds ipc:shmipc:eventfd ipc:zeromq-ipc:block
 zenoh-peer:zenoh-pubsub:tcp-shm aeron-peer:aeron:backoff ringway-peer:ringway:threads"

each() { # each WORKLOAD LIST: one command per system and mode
    for l in $2; do IFS=: read -r b s mode <<<"$l"; m "$b" "$1" "$s" "$mode"; done
}

start=$SECONDS
{
    echo "$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(nproc) processors; Linux $(uname -r); $(rustc --version);"
    echo "commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown); load at the start $(cut -d' ' -f1 /proc/loadavg)"
} >"$out/conditions.txt"
for r in $(seq "$rounds"); do
    file=$out/round-$r${TAG:-}.jsonl
    : >"$file"
    m ipc limit
    m ringway-peer w1 spin
    each w1 "$links"
    for mode in threads asleep; do m ringway-peer w1 $mode; done
    m ringway-peer w2 spin
    each w2 "$oneway"
    for w in "w2-batch spin" "w2 threads" "w2-senders spin"; do m ringway-peer $w; done
    each w3 "$fans"
    for w in "w3 spin" "w3 threads" "w1-topics spin"; do m ringway-peer $w; done
    m ringway-peer w4
    m ringway-peer w4-million
    for s in tokio-mpsc tokio-mpsc-outside kameo kameo-unbounded ractor actix xtra-64 xtra-unbounded; do m local actors $s; done
    for s in crossbeam kanal flume tokio-mpsc std-mpsc rtrb disruptor; do m local channels $s; done
    for s in bare iceoryx2 ipc-channel; do m ipc w5 $s; done
    m ringway-peer w5
    m zenoh-peer w5 zenoh
    m ringway-peer w7 spin
    # Idle receivers do not disturb each other: all at once.
    pids=()
    for l in $sleepers; do
        IFS=: read -r b s mode <<<"$l"
        [[ -x $bin/$b && "$b w6 $s $mode" =~ ${ONLY:-.} ]] || continue
        timeout 30 "$bin/$b" w6 "$s" "$mode" >>"$file" 2>>"$out/errors.txt" & pids+=($!)
    done
    [[ ${#pids[@]} -gt 0 ]] && wait "${pids[@]}"
    echo "round $r done after $((SECONDS - start)) s"
done
./table.py >results/table.md
