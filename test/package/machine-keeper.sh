#!/bin/bash
# Keeps one container, with a real systemd as its first process, in a mount namespace of its
# own: started by machine.ts as `unshare --mount ... machine-keeper.sh ROOTFS NAME CGROUP...`.
#
# Everything that the container writes is in memory, and every mount vanishes with this
# process. It ends, and the container with it, when its standard input ends: however the test
# that holds the other end has died. Asked by a line, it answers by a line:
#   start   starts the container, "leader PID" when its systemd runs
#   wait    "ended" when it has gone, after a reboot or poweroff from within
#   kill    kills it, as a power cut does; "ended"
set -u
rootfs=$1 name=$2
shift 2
cgroups=("$@")
folder=/run/broker-machine
nspawn=

# From here on /run is this namespace's own.
mount -t tmpfs tmpfs /run && mkdir -p /run/lock "$folder" && mount -t tmpfs -o size=2g tmpfs "$folder" &&
	mkdir "$folder/upper" "$folder/work" "$folder/root" &&
	mount -t overlay overlay -o "lowerdir=$rootfs,upperdir=$folder/upper,workdir=$folder/work" "$folder/root" || exit 1

leader() {
	local pid
	for pid in $(cat "/proc/$nspawn/task/$nspawn/children" 2>/dev/null); do
		[ "$(readlink "/proc/$pid/ns/pid")" = "$(readlink /proc/self/ns/pid)" ] && continue
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = systemd ] && echo "$pid" && return
	done
}

start() {
	local cgroup found
	for cgroup in "${cgroups[@]}"; do mkdir -p "$cgroup" 2>/dev/null; done
	(
		for cgroup in "${cgroups[@]}"; do echo "$BASHPID" >"$cgroup/cgroup.procs"; done
		# Not --boot: machine-init opens what cgroups v1 mounts read-only, then becomes systemd.
		exec systemd-nspawn -q -D "$folder/root" --register=no --keep-unit --private-network --resolv-conf=off --timezone=off \
			--kill-signal=SIGRTMIN+3 "--machine=$name" --console=pipe /usr/lib/machine-init
	) </dev/null >>"$folder/console" 2>&1 &
	nspawn=$!
	for _ in $(seq 600); do
		found=$(leader)
		[ -n "$found" ] && echo "leader $found" && return
		kill -0 "$nspawn" 2>/dev/null || break
		sleep 0.1
	done
	echo "failed $(tail -n 5 "$folder/console" | tr '\n' ' ')"
}

end() {
	local pid cgroup
	pid=$(leader)
	[ -n "$pid" ] && kill -KILL "$pid" 2>/dev/null
	[ -n "$nspawn" ] && { for _ in $(seq 50); do kill -0 "$nspawn" 2>/dev/null || break; sleep 0.1; done; kill -KILL "$nspawn" 2>/dev/null; }
	wait
	nspawn=
	for cgroup in "${cgroups[@]}"; do
		find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null
	done
}
trap end EXIT
trap 'exit 1' TERM INT HUP

while read -r command; do
	case $command in
	start) start ;;
	wait) wait "$nspawn" 2>/dev/null; end; echo ended ;;
	kill) end; echo ended ;;
	esac
done
