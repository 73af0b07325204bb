# SPDX-License-Identifier: GPL-2.0-or-later
libdaemon_a_SOURCES = \
	daemon/ask.c \
	daemon/caps.c \
	daemon/commands.c \
	daemon/daemon.c \
	daemon/dump.c \
	daemon/dump_kernel.c \
	daemon/dump_wish.c \
	daemon/health.c \
	daemon/helpers.c \
	daemon/helping.c \
	daemon/lock.c \
	daemon/monitor.c \
	daemon/notify.c \
	daemon/page.c \
	daemon/proc.c \
	daemon/report.c \
	daemon/report_peers.c \
	daemon/report_status.c \
	daemon/signals.c \
	daemon/start.c \
	daemon/status.c \
	daemon/status_page.c \
	daemon/status_values.c \
	daemon/sync_log.c \
	daemon/values.c \
	daemon/waiters.c \
	daemon/wiring.c
