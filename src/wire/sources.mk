# SPDX-License-Identifier: GPL-2.0-or-later
libwire_a_SOURCES = wire/hdr.c wire/frame.c wire/attr_encode.c wire/attr_decode.c \
	wire/exp_encode.c wire/exp_decode.c wire/fill.c
