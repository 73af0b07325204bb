# SPDX-License-Identifier: GPL-2.0-or-later
# pipeline.c and *path*.c are linked by the simulation too: they know neither sockets nor the clock.
libdaemon_a_SOURCES = \
	daemon/activity.c \
	daemon/blind.c \
	daemon/bypass_path.c \
	daemon/caps.c \
	daemon/clash_path.c \
	daemon/commands.c \
	daemon/commit.c \
	daemon/daemon.c \
	daemon/dump.c \
	daemon/dump_kernel.c \
	daemon/empty.c \
	daemon/exp_flush.c \
	daemon/exp_path.c \
	daemon/exp_watch.c \
	daemon/expecting.c \
	daemon/foreign_path.c \
	daemon/kernel_path.c \
	daemon/jobs.c \
	daemon/life.c \
	daemon/lock.c \
	daemon/notify.c \
	daemon/path_life.c \
	daemon/pipeline.c \
	daemon/reconcile.c \
	daemon/refused.c \
	daemon/renew.c \
	daemon/report.c \
	daemon/report_peers.c \
	daemon/signals.c \
	daemon/stale_path.c \
	daemon/start.c \
	daemon/sync_path.c \
	daemon/takeover.c \
	daemon/windows.c \
	daemon/teller.c \
	daemon/values.c \
	daemon/waiters.c \
	daemon/whole_path.c \
	daemon/wiring.c
