/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A command that comes in pieces. Without translation the pieces pass, and are only remembered
 * until the last one is there. With translation a piece that has passed cannot be taken back: so
 * the text is held back but for its first bytes, which no translation changes, one with each
 * segment, and follows with the segment that ends it. A line of FTP may come in five pieces. */
#include "helper/helper.h"

#include <assert.h>
#include <string.h>

bool helper_stream_continues(const struct helper_stream *s, uint32_t seq)
{
	return s->len > 0 && s->next_seq == seq;
}

bool helper_stream_holds(const struct helper_stream *s)
{
	return s->len > s->passed && !s->done;
}

size_t helper_stream_keep(struct helper_stream *s, const struct helper_packet *p,
			  const struct helper_result *r, size_t passed, bool hold)
{
	size_t begin = p->len - r->unfinished, until = p->len, to;

	assert(r->unfinished <= HELPER_CARRY_MAX && r->unfinished <= p->len);
	if (r->unfinished == 0) {
		s->done = s->done || p->carried > 0;
		return 0;
	}
	s->len = r->unfinished;
	s->done = false;
	to = begin > passed ? begin : passed + 1;
	if (hold && to - begin <= r->fixed && to < until)
		until = to;
	memcpy(s->text, p->text + begin, s->len);
	s->passed = until - begin;
	s->next_seq = p->seq + (uint32_t)(p->len - p->carried);
	return p->len - until;
}
