#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Tells conntrackd which role this node has now. Not needed with keepalived and section Role of conntrackd.conf (the other
# files here), nor where one line does: conntrackd --role primary. It is for those who have scripts, and speaks to a 1.4.x
# as well. The cluster manager runs it at every change:
#
#     primary-backup.sh primary    the node has become the active one: it has the addresses
#     primary-backup.sh backup     the other node is the active one
#     primary-backup.sh fault      the node cannot be active (a link is down, the cluster manager ends)
#
# It stops at the first command that fails, says so in the log and ends with status 1.
#
# If roles change faster than a commit takes, the calls wait for each other, and one that has been overtaken by
# a later one does nothing: what was said last is what holds. (A node that is active must never end with the
# commands of a backup: they ask for a flush of its kernel table.)
#
# These can be set in the environment:
: "${CONNTRACKD=/usr/sbin/conntrackd}"
: "${CONNTRACKD_CONF=/etc/conntrackd/conntrackd.conf}"
: "${ROLE_DIR=/run}"		# holds conntrackd-role, the role said last, and conntrackd-role.lock
: "${LOGGER=logger -t primary-backup -p daemon.notice}"

say() {
	echo "$*" | $LOGGER
}

# One command of the daemon. Its own messages go to the log too.
tell() {
	out=$("$CONNTRACKD" -C "$CONNTRACKD_CONF" "$1" 2>&1)
	status=$?
	[ -z "$out" ] || say "$role: conntrackd $1: $out"
	if [ $status -ne 0 ]; then
		say "$role: conntrackd $1 failed with status $status; the rest is not done"
		exit 1
	fi
}

role=${1:-}
case $role in
primary)
	# -c  put the states of the other node into the kernel; also cancels the flush of an earlier -t
	# -f  empty the external cache; compare the internal one with the kernel, which now has everything
	# -R  wait for that comparison (1.4.x: fill the internal cache from the kernel)
	# -B  send the internal cache to the other node
	commands="-c -f -R -B"
	;;
backup)
	# -t  empty the kernel table after PurgeTimeout: its flows live on the other node now
	# -n  get all states of the other node
	commands="-t -n"
	;;
fault)
	commands="-t"
	;;
*)
	echo "usage: $0 primary|backup|fault" >&2
	exit 1
	;;
esac

me="$role $$"
echo "$me" >"$ROLE_DIR/conntrackd-role" || exit 1
exec 9>"$ROLE_DIR/conntrackd-role.lock" || exit 1
flock 9 || exit 1
if [ "$(cat "$ROLE_DIR/conntrackd-role")" != "$me" ]; then
	say "$role: overtaken by a later change"
	exit 0
fi
for command in $commands; do
	tell "$command"
done
say "$role: done"
