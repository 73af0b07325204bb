# SPDX-License-Identifier: GPL-2.0-or-later
libsync_a_SOURCES = \
	sync/ack.c \
	sync/alarm.c \
	sync/bulk.c \
	sync/ftfw.c \
	sync/notrack.c \
	sync/notrack_resync.c \
	sync/peer.c \
	sync/plain_recv.c \
	sync/plain_send.c \
	sync/recv.c \
	sync/reorder.c \
	sync/resend.c \
	sync/resync.c \
	sync/round.c \
	sync/silence.c \
	sync/source.c \
	sync/sync.c \
	sync/transmit.c \
	sync/txq.c \
	sync/walk.c
