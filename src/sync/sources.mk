# SPDX-License-Identifier: GPL-2.0-or-later
libsync_a_SOURCES = \
	sync/ack.c \
	sync/alarm.c \
	sync/bulk.c \
	sync/control.c \
	sync/ftfw.c \
	sync/ftfw_proof.c \
	sync/ftfw_recv.c \
	sync/hold.c \
	sync/mode.c \
	sync/notrack.c \
	sync/notrack_proof.c \
	sync/peer.c \
	sync/peer_state.c \
	sync/unack.c \
	sync/queue.c \
	sync/reorder.c \
	sync/resend.c \
	sync/resync.c \
	sync/round.c \
	sync/source.c \
	sync/sync.c \
	sync/track.c \
	sync/transmit.c \
	sync/txq.c \
	sync/walk.c
