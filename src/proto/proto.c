/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all versions have in common: the counters of refused messages. */
#include "proto/proto.h"

void proto_stats_count(struct proto_stats *s, enum proto_err err)
{
	switch (err) {
	case PROTO_OK:
	case PROTO_MORE:
		return;
	case PROTO_TRUNCATED:
		s->truncated++;
		break;
	case PROTO_BAD_SIZE:
		s->bad_size++;
		break;
	case PROTO_BAD_VERSION:
		s->bad_version++;
		break;
	case PROTO_BAD_HEADER:
		s->bad_header++;
		break;
	case PROTO_BAD_TYPE:
		s->bad_type++;
		break;
	case PROTO_NO_KEY:
		s->no_key++;
		s->bad_payload++;
		break;
	case PROTO_BAD_PAYLOAD:
		s->bad_payload++;
		break;
	case PROTO_BAD_SEAL:
		break;
	}
	s->malformed++;
}
