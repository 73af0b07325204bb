# SPDX-License-Identifier: GPL-2.0-or-later
libdaemon_a_SOURCES = \
	daemon/awaiting.c \
	daemon/caps.c \
	daemon/daemon.c \
	daemon/gating.c \
	daemon/helpers.c \
	daemon/helping.c \
	daemon/lock.c \
	daemon/notify.c \
	daemon/own_addrs.c \
	daemon/roles.c \
	daemon/signals.c \
	daemon/start.c \
	daemon/sync_log.c \
	daemon/wiring.c
