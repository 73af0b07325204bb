/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A peer that was heard and is not any more: said once, and once when it is heard again.
 *
 * In FTFW and NOTRACK a node says something every second, so ten seconds without a word are no accident of an idle pair;
 * a 1.4.x that writes a large table into its kernel may be silent for some of them. In ALARM there is nothing but the
 * repetition of flows, each within RefreshTime and a second, and a node without flows of its own never speaks: what is
 * said there names both reasons.
 *
 * No timer is needed for it: every mode wakes up at least once in a time that is shorter, for its keepalive or for its
 * next lap. */
#include "sync/silence.h"

#include <inttypes.h>

#include "sync/mode.h"

#define KEEPALIVES_MISSED_MS	10000

static int64_t silence_ms(const struct sync *s)
{
	return KEEPALIVES_MISSED_MS + (sync_does(s, SYNC_SPEAKS) ? 0 : 2000 * (int64_t)s->conf->refresh_s);
}

void silence_check(struct sync *s, struct silence *q, const struct sync_source *who, struct mono heard, struct mono now)
{
	char name[SOURCE_NAME];

	if (q->said || sync_within(heard, silence_ms(s), now))
		return;
	q->said = true;
	sync_log(s, &q->limit, now, sync_does(s, SYNC_SPEAKS) ? LOG_LVL_WARNING : LOG_LVL_NOTICE,
		 "peer %s has fallen silent: nothing heard for %" PRId64 " s%s",
		 source_name(who, name), mono_diff_ms(now, heard) / 1000,
		 sync_does(s, SYNC_SPEAKS) ? "" : "; it is away, or has no flow to repeat");
}

void silence_over(struct sync *s, struct silence *q, const struct sync_source *who, struct mono heard, struct mono now)
{
	char name[SOURCE_NAME];

	q->said = false;
	sync_log(s, &q->limit, now, LOG_LVL_NOTICE, "peer %s is heard again, after %" PRId64 " s", source_name(who, name),
		 mono_diff_ms(now, heard) / 1000);
}
