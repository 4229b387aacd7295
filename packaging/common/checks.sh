# Before anything is changed: can this system run the broker, and can this version read the
# state that is there? In the preinst of the .deb and the %pre of the .rpm.

refuse() {
	printf 'broker: %s\n' "$@" >&2
	exit 1
}

# The package tools compare architectures, except where several are allowed: then the kernel decides.
check_system() {
	machine=$(uname -m)
	[ "$machine" = @MACHINE@ ] || refuse \
		"this package holds a program for @MACHINE@, and the kernel here is $machine: it could not be started." \
		"Nothing was changed. Take the package for $machine; on 32-bit systems the broker does not run (a Raspberry Pi 3 or newer runs a 64-bit system)."
	libc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || libc="another C library than glibc"
	version=${libc#glibc }
	major=${version%%.*} minor=${version#*.}
	minor=${minor%%[!0-9]*}
	wanted=@GLIBC@
	case $major in *[!0-9]* | '') major=0 ;; esac
	[ "$major" -gt "${wanted%%.*}" ] || { [ "$major" -eq "${wanted%%.*}" ] && [ "${minor:-0}" -ge "${wanted#*.}" ]; } || refuse \
		"the program needs glibc @GLIBC@ or newer, and this system has $libc: it could not be started." \
		"Nothing was changed. It runs on Debian 12, Raspberry Pi OS 12, Ubuntu 22.04, Fedora 35, RHEL 9 and newer ones."
}

# The folders that may hold a database: the one configured, and those of further instances.
state_folders() {
	# As in the broker, the last of the lines counts.
	configured=$(cat /etc/broker/broker.conf /etc/broker/conf.d/*.conf 2>/dev/null |
		sed -n "s/^[[:space:]]*data_dir[[:space:]]*=[[:space:]]*//p" |
		sed -e 's/[[:space:]]#.*//' -e 's/[[:space:]]*$//' -e "s/^\"\(.*\)\"\$/\1/" -e "s/^'\(.*\)'\$/\1/" | tail -n 1)
	printf '%s\n' "${configured:-/var/lib/broker}"
	for folder in /var/lib/broker-*; do printf '%s\n' "$folder"; done
}

# database_format FILE: the highest format that SQLite's header names, in the file or in a
# copy of its first page in the log, which is where a running broker may have it.
database_format() {
	{
		od -An -v -tu1 -j60 -N4 "$1"
		if [ -s "$1-wal" ]; then
			page_bytes=$(od -An -tu1 -j16 -N2 "$1" | awk '{ bytes = $1 * 256 + $2; print bytes == 1 ? 65536 : bytes }')
			salt=$(od -An -v -tu1 -j16 -N8 "$1-wal" | tr -s ' ')
			# A frame a line: number of the page (4 bytes), size (4), salt (8), checksum (8), the page.
			od -An -v -tu1 -w$((24 + page_bytes)) -j32 "$1-wal" | awk -v salt="$salt" '
				$1 + $2 + $3 == 0 && $4 == 1 && salt == " " $9 " " $10 " " $11 " " $12 " " $13 " " $14 " " $15 " " $16 { print $85, $86, $87, $88 }'
		fi
	} | awk '{ format = (($1 * 256 + $2) * 256 + $3) * 256 + $4; if (format > highest) highest = format } END { print highest + 0 }'
}

check_state() {
	state_folders | while read -r folder; do
		[ -s "$folder/broker.db" ] || continue
		found=$(database_format "$folder/broker.db")
		[ "$found" -le @FORMAT@ ] || refuse \
			"$folder/broker.db has format $found, written by a newer version; this one (@VERSION@) knows up to @FORMAT@." \
			"Nothing was changed, and what is installed goes on. Stay with the newer version, or go back without" \
			"its sessions and messages, which are kept aside, and try again after:" \
			"  broker state backup FILE && systemctl stop broker && broker state reset --yes"
	done || exit 1
}
