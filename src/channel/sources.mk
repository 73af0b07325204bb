# SPDX-License-Identifier: GPL-2.0-or-later
libchannel_a_SOURCES = \
	channel/batch.c \
	channel/channel.c \
	channel/choose.c \
	channel/ifaddr.c \
	channel/ifwatch.c \
	channel/link.c \
	channel/link_state.c \
	channel/mcast.c \
	channel/multi.c \
	channel/port_owner.c \
	channel/receive.c \
	channel/reopen.c \
	channel/route.c \
	channel/send.c \
	channel/speaker.c \
	channel/tcp.c \
	channel/tcp_recv.c \
	channel/trouble.c \
	channel/udp.c \
	channel/udp_sock.c \
	channel/unicast.c \
	channel/vrf.c
