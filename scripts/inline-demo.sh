#!/usr/bin/env bash
# Shows `netweir inline` between a client and an HTTP service, in network namespaces of its own, and
# removes all of it at the end. What does not behave as it should ends it with exit code 1.
#
# usage: inline-demo.sh        (as root; Linux 5.10 or later; about 20 s once it is built)
#
# environment: NETWEIR and HEALTH_SERVICE name the two binaries; unless set they are built.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
client=nwdemo$$-client
bump=nwdemo$$-bump
service=nwdemo$$-service
dir=
url4=http://192.0.2.2:8081/healthz
url6='http://[2001:db8::2]:8081/healthz'
netweir_pid=
service_pid=
begun=no

fail() {
    echo "inline-demo: $*" >&2
    if [ -n "$dir" ] && [ -s "$dir/netweir.log" ]; then
        echo "inline-demo: the log of netweir ends with:" >&2
        tail -n 12 "$dir/netweir.log" >&2
    fi
    exit 1
}

step() {
    printf '\n== %s\n' "$*"
}

# show COMMAND...: prints the command, then runs it.
show() {
    printf '$ %s\n' "$*"
    "$@"
}

# await SECONDS WHAT COMMAND...: until the command succeeds.
await() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || fail "waited in vain: $what"
        sleep 0.1
    done
}

# need COMMAND PACKAGE: notes the Debian package when there is no such command.
need() {
    command -v "$1" >/dev/null 2>&1 && return
    echo "inline-demo: $1 is missing (Debian: apt-get install $2)" >&2
    missing=yes
}

check() {
    missing=no
    need ip iproute2
    need ethtool ethtool
    need curl curl
    need timeout coreutils
    need mount mount
    [ "$missing" = no ] || exit 1
    [ "$(id -u)" -eq 0 ] || fail "it needs root: namespaces, BPF and AF_XDP"
    command -v tshark >/dev/null 2>&1 ||
        echo "inline-demo: no tshark: netweir itself reads the capture"
}

# find_binaries: those that are named, else those of a release build.
find_binaries() {
    local target=${CARGO_TARGET_DIR:-$root/target}
    if [ -z "${NETWEIR:-}" ] || [ -z "${HEALTH_SERVICE:-}" ]; then
        if command -v cargo >/dev/null 2>&1; then
            step 'Build'
            (cd "$root" && show cargo build --release -p netweir -p health-service)
        fi
    fi
    NETWEIR=${NETWEIR:-$target/release/netweir}
    HEALTH_SERVICE=${HEALTH_SERVICE:-$target/release/health-service}
    local hint='cargo build --release -p netweir -p health-service'
    [ -x "$NETWEIR" ] || fail "no binary $NETWEIR: $hint"
    [ -x "$HEALTH_SERVICE" ] || fail "no binary $HEALTH_SERVICE: $hint"
}

# end PID SIGNAL: ends a process that was started here, by force where it has not ended in 5 s;
# `ended` is its exit code.
end() {
    kill "-$2" "$1" 2>/dev/null || true
    local tries=0
    while kill -0 "$1" 2>/dev/null && [ "$tries" -lt 50 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    kill -KILL "$1" 2>/dev/null || true
    ended=0
    wait "$1" 2>/dev/null || ended=$?
}

cleanup() {
    local code=$?
    trap - EXIT
    trap '' INT TERM HUP
    set +e
    if [ "$begun" = yes ]; then
        [ -z "$netweir_pid" ] || end "$netweir_pid" TERM
        [ ! -d "$dir/bpf/pins" ] || netweir detach --all >/dev/null 2>&1
        [ -z "$service_pid" ] || end "$service_pid" TERM
        for name in "$client" "$bump" "$service"; do
            ip netns del "$name" 2>/dev/null
        done
        [ -z "$dir" ] || umount "$dir/bpf" 2>/dev/null
        [ -z "$dir" ] || rm -rf --one-file-system "$dir"
    fi
    exit "$code"
}

# netweir COMMAND...: with the pins and the rules of this demonstration.
netweir() {
    timeout 20 "$NETWEIR" "$@" --set "pins.directory=$dir/bpf/pins" --set "rules.file=$dir/rules.toml"
}

# show_netweir COMMAND...: leaves out the settings, which are the same every time.
show_netweir() {
    printf '$ netweir %s\n' "$*"
    netweir "$@"
}

# wire NAMESPACE ADDRESS PORT-OF-BUMP: a veth pair, with as many queues at both ends.
wire() {
    show ip -n "$bump" link add "$3" numrxqueues 2 numtxqueues 2 type veth \
        peer name eth0 netns "$1" numrxqueues 2 numtxqueues 2
    # The first line is the command; what ethtool says of it is left out.
    show ip netns exec "$1" ethtool -K eth0 gro on tx off txvlan off | sed -n 1p
    ip -n "$1" addr add "192.0.2.$2/24" dev eth0
    ip -n "$1" addr add "2001:db8::$2/64" dev eth0 nodad
    ip -n "$1" link set lo up
    ip -n "$1" link set eth0 up
    ip -n "$bump" link set "$3" up
}

set_up() {
    step "Three network namespaces: $client, $bump, $service"
    begun=yes
    dir=$(mktemp -d "${TMPDIR:-/tmp}/netweir-demo.XXXXXX")
    mkdir "$dir/bpf"
    show mount -t bpf bpf "$dir/bpf"
    for name in "$client" "$bump" "$service"; do
        show ip netns add "$name"
    done
    wire "$client" 1 left
    wire "$service" 2 right
    step 'The service'
    printf '$ ip netns exec %s health-service &\n' "$service"
    : >"$dir/service.log"
    ip netns exec "$service" "$HEALTH_SERVICE" 2>"$dir/service.log" &
    service_pid=$!
    await 5 'the service listens' grep -q listening "$dir/service.log"
    cat "$dir/service.log"
}

# ask URL: one request of the client; its body.
ask() {
    ip netns exec "$client" curl --silent --show-error --noproxy '*' --max-time 2 "$1"
}

# answers N: N requests by IPv4 and as many by IPv6 are answered.
answers() {
    local number url
    for url in "$url4" "$url6"; do
        printf '$ ip netns exec %s curl %s    # times %s\n' "$client" "$url" "$1"
        for ((number = 0; number < $1; number++)); do
            [ "$(ask "$url")" = ok ] || fail "no answer from $url"
        done
    done
    echo "ok: $((2 * $1)) answers"
}

is_silent() {
    local code=0
    ask "$1" >/dev/null 2>&1 || code=$?
    # Its time is over.
    [ "$code" -eq 28 ]
}

# silent: requests are not answered, by either family.
silent() {
    local url
    for url in "$url4" "$url6"; do
        printf '$ ip netns exec %s curl --max-time 2 %s\n' "$client" "$url"
        is_silent "$url" || fail "$url was answered, or refused, where nothing should come through"
        echo 'no answer'
    done
}

# start_inline FILE: until frames cross.
start_inline() {
    local arguments=(inline --netns "$bump" --from left --to right -w "$dir/$1")
    printf '$ netweir %s &\n' "${arguments[*]}"
    # The child truncates it too, but perhaps only after the first look for the line.
    : >"$dir/netweir.log"
    # Not through `timeout`: its own process is to be killed. Ctrl-C is for this script to handle.
    "$NETWEIR" "${arguments[@]}" --set "pins.directory=$dir/bpf/pins" \
        --set "rules.file=$dir/rules.toml" \
        >/dev/null 2>"$dir/netweir.log" &
    netweir_pid=$!
    await 10 'frames cross' crosses
    grep 'frames cross between' "$dir/netweir.log" | sed 's/^[^ ]* *//'
}

crosses() {
    kill -0 "$netweir_pid" 2>/dev/null || fail 'netweir inline has ended'
    grep -q 'frames cross between' "$dir/netweir.log"
}

# stop_inline: as by Ctrl-C; prints the books, each of which has to add up.
stop_inline() {
    local lines
    printf '$ kill -INT %s\n' "$netweir_pid"
    end "$netweir_pid" INT
    netweir_pid=
    [ "$ended" -eq 0 ] || fail "netweir inline ended with $ended"
    grep '^netweir:' "$dir/netweir.log" || fail 'no books'
    lines=$(grep -c 'frames came' "$dir/netweir.log") || true
    [ "$lines" -eq 2 ] || fail "books of $lines directions instead of two"
    [ "$(sum came)" -eq $(($(sum 'crossed in the kernel') + $(sum 'by user space') + \
        $(sum dropped) + $(sum lost) + $(sum unconfirmed))) ] || fail 'the books do not add up'
    [ "$(sum lost)" -eq 0 ] || fail 'frames were lost'
}

# sum WHAT: the figure before these words in the books, of both directions.
sum() {
    sed -n "s/^netweir: .* to .*[^0-9]\([0-9][0-9]*\) \(frames\{0,1\} \)\{0,1\}$1.*/\1/p" \
        "$dir/netweir.log" | awk '{ total += $1 } END { print total + 0 }'
}

# captured FILE: what rules tapped, with labels.
captured() {
    if command -v tshark >/dev/null 2>&1; then
        printf '$ tshark -r %s -Y http\n' "$1"
        timeout 15 tshark -n -r "$dir/$1" -Y http -T fields -E separator=' ' \
            -e frame.interface_name -e ip.src -e ipv6.src -e http.request.method \
            -e http.request.uri -e http.response.code -e frame.comment 2>/dev/null
    else
        printf '$ netweir replay %s --by flow\n' "$1"
        netweir replay "$dir/$1" --by flow 2>/dev/null
    fi
}

has_captured() {
    captured "$1" >"$dir/captured.txt" && grep -q "$2" "$dir/captured.txt"
}

bump_crosses() {
    step 'Without netweir nothing crosses: the two interfaces are not bridged'
    silent
    step 'A rule: what goes to port 8081 and back is tapped'
    show_netweir rule add health --destination-port 8081 --both-ways --action tap
    step 'The bump in the wire'
    start_inline health.pcapng
    # The client may still be about to find out that its first questions for neighbours were in vain.
    ip -n "$client" neigh flush dev eth0 nud all
    answers 3
    step 'What it has recorded so far'
    await 5 'the last answer is in the file' has_captured health.pcapng 2001:db8::2
    cat "$dir/captured.txt"
}

looks_on() {
    local capture arguments=(capture --netns "$bump" --iface left --label health --count 8)
    step 'A second look while it runs, with flags of its own'
    printf '$ netweir %s -w second.pcapng &\n' "${arguments[*]}"
    : >"$dir/capture.log"
    RUST_LOG=info netweir "${arguments[@]}" -w "$dir/second.pcapng" 2>"$dir/capture.log" &
    capture=$!
    await 5 'the capture is told' grep -q 'capturing what rules tap' "$dir/capture.log"
    answers 1
    wait "$capture" || fail 'the capture failed'
    grep '^netweir:' "$dir/capture.log"
}

survives() {
    step 'Killed: frames go on crossing in the kernel'
    printf '$ kill -KILL %s\n' "$netweir_pid"
    kill -KILL "$netweir_pid"
    wait "$netweir_pid" 2>/dev/null || true
    netweir_pid=
    answers 3
    show_netweir status
    step 'Started again, and stopped: the books'
    start_inline again.pcapng
    answers 3
    stop_inline
    [ "$(sum 'by user space')" -gt 0 ] || fail 'nothing went by user space'
}

drops() {
    step 'A rule that drops'
    start_inline drops.pcapng
    answers 1
    show_netweir rule add blocked --destination-port 8081 --both-ways --action drop --priority 1
    await 10 'the rule is in force' is_silent "$url4"
    silent
    stop_inline
    [ "$(sum dropped)" -gt 0 ] || fail 'nothing was dropped'
    show_netweir rule del --label blocked
    answers 1
}

detaches() {
    step 'The end: nothing crosses any more'
    show_netweir detach --iface left --iface right
    silent
    [ -z "$(netweir status --json)" ] || fail 'something is still pinned'
}

check
find_binaries
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
set_up
bump_crosses
looks_on
survives
drops
detaches
printf '\ninline-demo: all as it should be, in %d s\n' "$SECONDS"
