# SPDX-License-Identifier: GPL-2.0-or-later
# pipeline.c and bypass_path.c are linked by the simulation too: they know neither sockets nor the clock.
libdaemon_a_SOURCES = \
	daemon/bypass_path.c \
	daemon/caps.c \
	daemon/commands.c \
	daemon/daemon.c \
	daemon/dump.c \
	daemon/dump_kernel.c \
	daemon/empty.c \
	daemon/exp_path.c \
	daemon/expecting.c \
	daemon/lock.c \
	daemon/notify.c \
	daemon/pipeline.c \
	daemon/reconcile.c \
	daemon/report.c \
	daemon/signals.c \
	daemon/start.c \
	daemon/takeover.c \
	daemon/teller.c
