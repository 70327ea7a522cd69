#!/bin/busybox sh
# shellcheck shell=dash
# The first process of a guest: sets the machine up, runs every test of /netweir/tests, switches the
# machine off. What it says goes to the second serial port, the kernel's own words to the first.
# Lines that begin with @netweir are for protocol.rs.

b=/bin/busybox
$b mkdir -p /proc /sys /dev /run /tmp /root /busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
$b mount -t tmpfs run /run
$b mount -t tmpfs tmp /tmp
$b --install -s /busybox
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/busybox

exec </dev/null >/dev/ttyS1 2>&1
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs trace /sys/kernel/tracing
mount -t cgroup2 cgroup /sys/fs/cgroup
ip link set lo up

while read -r module; do
    insmod "/modules/$module.ko" || echo "module $module cannot be loaded"
done </modules/order

# Of the limits, none is raised: kernels before 5.11 count the memory of maps against that of locked
# memory, and the program has to see to that itself.
export NETWEIR_BINARY=/netweir/netweir NETWEIR_REQUIRE_ROOT=1 NETWEIR_CONFIG=/dev/null TMPDIR=/tmp

# uptime: seconds since the start, with hundredths.
uptime() {
    read -r seconds _ </proc/uptime
    echo "$seconds"
}

echo "@netweir release $(uname -r)"
while read -r suite name; do
    echo "@netweir begin $(uptime) $suite $name"
    case $suite in
        doctor) timeout -s KILL 120 /netweir/netweir doctor --format json ;;
        *) timeout -s KILL 240 "/netweir/$suite" --exact "$name" --nocapture ;;
    esac
    code=$?
    # What was printed need not have ended its line.
    echo
    echo "@netweir end $(uptime) $code"
done </netweir/tests
echo "@netweir done"
poweroff -f
