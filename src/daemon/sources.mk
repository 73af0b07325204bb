# SPDX-License-Identifier: GPL-2.0-or-later
# pipeline.c is linked by the simulation too: it knows neither sockets nor the clock.
libdaemon_a_SOURCES = \
	daemon/caps.c \
	daemon/commands.c \
	daemon/daemon.c \
	daemon/dump.c \
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
	daemon/takeover.c
