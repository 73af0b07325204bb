# SPDX-License-Identifier: GPL-2.0-or-later
libfollow_a_SOURCES = \
	follow/activity.c \
	follow/ahead.c \
	follow/blind.c \
	follow/commit.c \
	follow/external_flush.c \
	follow/exp_flush.c \
	follow/exp_watch.c \
	follow/expecting.c \
	follow/fifo_line.c \
	follow/jobs.c \
	follow/leaving.c \
	follow/entry_timeout.c \
	follow/reconcile.c \
	follow/refused.c \
	follow/timeout_refresh.c \
	follow/role.c \
	follow/role_fifo.c \
	follow/takeover.c \
	follow/bulk_dump.c \
	follow/track_file.c \
	follow/windows.c
