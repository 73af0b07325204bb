# SPDX-License-Identifier: GPL-2.0-or-later
libhelper_a_SOURCES = helper/amanda.c helper/dhcpv6.c helper/ftp.c helper/mdns.c helper/memory.c helper/parse.c helper/rewrite.c \
	helper/rpc.c helper/sane.c helper/slp.c helper/ssdp.c helper/stream.c helper/table.c helper/tftp.c helper/tns.c
