# SPDX-License-Identifier: GPL-2.0-or-later
libdaemon_a_SOURCES = \
	daemon/activity.c \
	daemon/blind.c \
	daemon/caps.c \
	daemon/commands.c \
	daemon/commit.c \
	daemon/daemon.c \
	daemon/dump.c \
	daemon/dump_kernel.c \
	daemon/empty.c \
	daemon/exp_flush.c \
	daemon/exp_watch.c \
	daemon/expecting.c \
	daemon/jobs.c \
	daemon/life.c \
	daemon/lock.c \
	daemon/notify.c \
	daemon/reconcile.c \
	daemon/refused.c \
	daemon/renew.c \
	daemon/report.c \
	daemon/report_peers.c \
	daemon/signals.c \
	daemon/start.c \
	daemon/sync_log.c \
	daemon/takeover.c \
	daemon/windows.c \
	daemon/teller.c \
	daemon/values.c \
	daemon/waiters.c \
	daemon/wiring.c
