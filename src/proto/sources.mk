# SPDX-License-Identifier: GPL-2.0-or-later
libproto_a_SOURCES = proto/proto.c proto/seal.c proto/v1/v1.c proto/v1/hdr.c proto/v1/frame.c proto/v1/attr_encode.c \
	proto/v1/attr_decode.c proto/v1/exp_encode.c proto/v1/exp_decode.c proto/v1/fill.c
