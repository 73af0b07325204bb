# SPDX-License-Identifier: GPL-2.0-or-later
libcache_a_SOURCES = \
	cache/bypass.c \
	cache/clash.c \
	cache/expects.c \
	cache/external.c \
	cache/peer_flows.c \
	cache/internal.c \
	cache/reply_index.c \
	cache/slab.c \
	cache/table.c \
	cache/whole.c
