/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Never blind in silence: four ways in which a kernel keeps its table to itself.
 *
 *   reason      sign                                   until                    meanwhile
 *   OFF         nf_conntrack_events is 0               it is not                compared
 *   AUTOMATIC   it is 2 and cannot be set              it is not                (1)
 *   UNTRACKED   packets are forwarded, and the table   the table has entries    nothing is there
 *               stays empty for five looks                                      to compare
 *   DEAF        a comparison finds flows of which no   a minute of comparisons  compared
 *               event told, or ends of which none did  finds none
 *
 * (1) A kernel with 2 attaches what makes a flow report to those that begin while somebody listens.
 * The others are known from dumps only, as silent records, which the reconcile passes look after
 * anyway.
 *
 * Comparing all the time would cost a large table too much. So DEAF begins with a suspicion: the
 * table grows and no event comes, or it has other entries than we know of, clearly and for five
 * looks. Three comparisons follow, because a flow that one of them finds may be ahead of its event:
 * the next one sees whether that has come. A suspicion that proves nothing makes the next one wait
 * twice as long. Flows that began while events were off are not held against the kernel: when they
 * are on again one more comparison finds those, and nothing is judged by it.
 *
 * The kernel has no word for "nobody asks me to track". A forwarded packet that is tracked leaves
 * an entry behind for seconds at least; so a table that is empty at each of five looks, between
 * which packets were forwarded, is proof enough. */
#include "follow/blind.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/value_rows.h"
#include "kernel/ct.h"

#define EVERY_MS       2000
#define LOOKS	       5     /* in a row make a sign */
#define GROWS	       2     /* the same for a table that grows in silence */
#define SUSPECT_MIN_MS 20000 /* between two suspicions */
#define SUSPECT_MAX_MS 600000
#define TRIAL	       3u  /* comparisons */
#define FEW	       64u /* difference of counts that is no sign: what is on its way */
/* ends found by comparing, of which the event may just have been late */
#define GONE_MIN 16u
#define WELL_MS	 60000

#define EVENTS "net.netfilter.nf_conntrack_events"

static const struct {
	const char *name; /* for -s runtime */
	bool compares;
	const char *end;
} reasons[BLIND_REASONS] = {
	[BLIND_OFF] = { EVENTS " is 0", true,
			EVENTS
			" is not 0 any more: flows that begin now tell what becomes of them" },
	[BLIND_AUTOMATIC] = { EVENTS " is 2 and cannot be set", false,
			      EVENTS
			      " is not 2 any more: every flow that begins now reports its end" },
	[BLIND_UNTRACKED] = { "nothing is tracked", false, "connection tracking sees flows again" },
	[BLIND_DEAF] = { "events are missing", true,
			 "for a minute comparing has found no flow of which events did not tell: "
			 "comparing ends" },
};

struct blind {
	struct evloop *loop;
	struct blind_cb cb;
	bool set_events;
	struct ev_timer timer;
	bool is[BLIND_REASONS];
	struct mono since[BLIND_REASONS];
	bool comparing;	    /* again and again */
	bool closing;	    /* once more, after events were off */
	unsigned int trial; /* comparisons that a suspicion still has */
	bool looked;	    /* last is valid */
	struct blind_look last;
	unsigned int empty, grows, differs; /* looks in a row */
	struct mono suspect_at;		    /* no suspicion before */
	int64_t suspect_ms;
	struct mono well_since; /* BLIND_DEAF: comparisons have found nothing from then on */
};

/* ---- reasons ---- */

static void set_comparing(struct blind *b, struct mono now)
{
	bool on = b->closing || b->trial > 0;

	for (int i = 0; i < BLIND_REASONS; i++)
		on |= b->is[i] && reasons[i].compares;
	if (on == b->comparing || !b->cb.comparing)
		return;
	b->comparing = on;
	b->cb.comparing(b->cb.ctx, on, now);
}

static const char *what_is_done(const struct blind *b)
{
	return b->cb.comparing ? "comparing with the kernel table instead" :
				 "and without internal cache there is nothing to compare with: the "
				 "peers are not told of them";
}

static void say(const struct blind *b, enum blind_reason why, const struct blind_look *look,
		uint64_t n)
{
	switch (why) {
	case BLIND_OFF:
		log_warnx(
			EVENTS
			" is 0: the kernel tells nothing of flows that begin now, %s; set it to 1",
			what_is_done(b));
		return;
	case BLIND_AUTOMATIC:
		log_warnx(EVENTS " is 2 and cannot be set to 1 (%s): flows that began while nobody "
				 "listened tell neither change nor end, they are looked for again "
				 "and again; set it to 1 where that is allowed, on the host of a "
				 "container",
			  strerror(look->set_err));
		return;
	case BLIND_UNTRACKED:
		log_warnx("packets are forwarded, and connection tracking sees none of them: no "
			  "rule of this network namespace makes the kernel track (one with \"ct "
			  "state\", or NAT, does), or rules exclude them (notrack)");
		return;
	case BLIND_DEAF:
		log_warnx("the kernel table has changed and no event told of it (%" PRIu64
			  " flows), %s: do rules restrict events (\"ct event\", CT --ctevents)?",
			  n, what_is_done(b));
		return;
	case BLIND_REASONS:
		return;
	}
}

static void set(struct blind *b, enum blind_reason why, bool on, const struct blind_look *look,
		uint64_t n, struct mono now)
{
	if (on == b->is[why])
		return;
	b->is[why] = on;
	if (on) {
		b->since[why] = now;
		say(b, why, look, n);
	} else {
		log_notice("%s", reasons[why].end);
		b->closing |= why == BLIND_OFF && b->cb.comparing;
	}
	set_comparing(b, now);
}

/* ---- signs ---- */

static void judge_untracked(struct blind *b, const struct blind_look *look, struct mono now)
{
	bool moved = b->looked && b->last.count == 0 && look->forwarded != b->last.forwarded;

	if (look->count > 0) {
		b->empty = 0;
		set(b, BLIND_UNTRACKED, false, look, 0, now);
		return;
	}
	b->empty = moved ? b->empty + 1 : 0;
	if (b->empty >= LOOKS)
		set(b, BLIND_UNTRACKED, true, look, 0, now);
}

static bool counts_differ(const struct blind_look *look)
{
	uint64_t known = (uint64_t)look->known, apart;

	if (look->known < 0)
		return false;
	apart = known > look->count ? known - look->count : look->count - known;
	return apart > FEW && apart > look->count / 8;
}

/* May there be something of which events do not tell? */
static bool suspicious(struct blind *b, const struct blind_look *look)
{
	bool quiet = b->looked && !look->busy && !b->last.busy && look->heard == b->last.heard;

	b->grows = quiet && !b->cb.injects && look->count > b->last.count ? b->grows + 1 : 0;
	b->differs = !look->busy && counts_differ(look) ? b->differs + 1 : 0;
	return b->grows >= GROWS || b->differs >= LOOKS;
}

static void judge_suspicion(struct blind *b, const struct blind_look *look, struct mono now)
{
	bool suspect = suspicious(b, look);

	if (!suspect || !b->cb.comparing || b->comparing || mono_before(now, b->suspect_at))
		return;
	b->trial = TRIAL;
	set_comparing(b, now);
}

void blind_compared(struct blind *b, bool whole, uint32_t unheard, uint32_t gone, struct mono now)
{
	bool missed = unheard > 0 || gone >= GONE_MIN;

	if (!whole || b->is[BLIND_OFF])
		return;
	if (b->closing) {
		b->closing = false;
	} else if (missed) {
		b->trial = 0;
		b->suspect_ms = SUSPECT_MIN_MS;
		b->well_since = (struct mono){ 0 };
		set(b, BLIND_DEAF, true, &b->last, unheard + gone, now);
	} else if (b->is[BLIND_DEAF]) {
		if (!mono_is_set(b->well_since))
			b->well_since = now;
		set(b, BLIND_DEAF, mono_diff_ms(now, b->well_since) < WELL_MS, &b->last, 0, now);
	} else if (b->trial > 0 && --b->trial == 0) {
		b->suspect_at = mono_add_ms(now, b->suspect_ms);
		b->suspect_ms =
			b->suspect_ms < SUSPECT_MAX_MS / 2 ? 2 * b->suspect_ms : SUSPECT_MAX_MS;
	}
	set_comparing(b, now);
}

void blind_judge(struct blind *b, const struct blind_look *look, struct mono now)
{
	set(b, BLIND_OFF, look->events == 0, look, 0, now);
	set(b, BLIND_AUTOMATIC, look->events == 2 && look->set_err != 0, look, 0, now);
	judge_untracked(b, look, now);
	judge_suspicion(b, look, now);
	b->last = *look;
	b->looked = true;
}

/* ---- looking ---- */

static uint64_t read_number(const char *path)
{
	unsigned long long n = 0;
	FILE *f = fopen(path, "re");

	if (!f)
		return 0;
	if (fscanf(f, "%llu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

/* The column of that name, in the second line that begins with the same word. */
static uint64_t forwarded_ipv4(void)
{
	char names[1024] = "", values[1024] = "", *name, *value, *at_name, *at_value;
	FILE *f = fopen("/proc/self/net/snmp", "re");
	uint64_t n = 0;

	if (!f)
		return 0;
	if (!fgets(names, sizeof(names), f) || !fgets(values, sizeof(values), f))
		names[0] = '\0';
	fclose(f);
	name = strtok_r(names, " \n", &at_name);
	value = strtok_r(values, " \n", &at_value);
	for (; name && value;
	     name = strtok_r(NULL, " \n", &at_name), value = strtok_r(NULL, " \n", &at_value))
		if (strcmp(name, "ForwDatagrams") == 0)
			n = strtoull(value, NULL, 10);
	return n;
}

static uint64_t forwarded_ipv6(void)
{
	char name[64];
	unsigned long long n;
	uint64_t found = 0;
	FILE *f = fopen("/proc/self/net/snmp6", "re");

	if (!f)
		return 0;
	while (fscanf(f, "%63s %llu", name, &n) == 2)
		if (strcmp(name, "Ip6OutForwDatagrams") == 0)
			found = n;
	fclose(f);
	return found;
}

static void look_at_events(const struct blind *b, struct blind_look *look)
{
	int was = ct_events_value();

	look->events = was < 0 ? -1 : was;
	if (was != 2 || !b->set_events)
		return;
	was = ct_events_ensure_enabled();
	if (was < 0) {
		look->set_err = -was;
		return;
	}
	log_notice("nf_conntrack_events set from 2 (automatic) to 1, so that every flow reports "
		   "its end");
	look->events = 1;
}

static void on_timer(void *ctx, struct mono now)
{
	struct blind *b = ctx;
	struct blind_look look = { .known = -1 };

	look_at_events(b, &look);
	look.count = (uint32_t)read_number("/proc/sys/net/netfilter/nf_conntrack_count");
	if (look.count == 0)
		look.forwarded = forwarded_ipv4() + forwarded_ipv6();
	b->cb.look(b->cb.ctx, &look);
	blind_judge(b, &look, now);
	ev_timer_set(b->loop, &b->timer, mono_add_ms(now, EVERY_MS));
}

/* ---- report, life ---- */

bool blind_is(const struct blind *b, enum blind_reason why, struct mono now, int64_t *for_s)
{
	if (b->is[why])
		*for_s = mono_diff_ms(now, b->since[why]) / 1000;
	return b->is[why];
}

const char *blind_name(enum blind_reason why)
{
	return reasons[why].name;
}

struct blind_view {
	const char *reason;
	int64_t for_s;
	bool comparing;
};

#define S struct blind_view
static const struct value_row blind_rows[] = {
	WORD(S, reason, "reason", "kernel events: %, ",
	     "`net.netfilter.nf_conntrack_events is 0`, `net.netfilter.nf_conntrack_events is 2 "
	     "and cannot be set`, `nothing is tracked`, `events are missing`"),
	GAUGE_IF_KNOWN(S, for_s, "for_s", "s", "for % s", "since when"),
	QUIET_YES_NO(S, comparing, "comparing", ": comparing with the kernel table",
		     "what is missing is found by comparing the tables"),
	TEXT("\n"), VALUE_END
};
#undef S

const struct value_group blind_group = {
	.name = "events",
	.help = "A way in which the kernel does not tell everything, while it lasts.",
	.rows = blind_rows,
};

void blind_values(const struct blind *b, struct mono now, struct values *v)
{
	for (int i = 0; i < BLIND_REASONS; i++) {
		struct blind_view view = {
			.reason = reasons[i].name,
			.for_s = mono_diff_ms(now, b->since[i]) / 1000,
			.comparing = reasons[i].compares && b->cb.comparing,
		};

		if (b->is[i])
			values_group(v, NULL, &blind_group, &view);
	}
}

int blind_open(struct evloop *loop, const struct blind_cb *cb, bool set_events, struct blind **out)
{
	struct blind *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->loop = loop;
	b->cb = *cb;
	b->set_events = set_events;
	b->suspect_ms = SUSPECT_MIN_MS;
	b->timer = (struct ev_timer){ .cb = on_timer, .ctx = b, .name = "blind" };
	*out = b;
	if (loop)
		on_timer(b, evloop_now(loop));
	return 0;
}

void blind_close(struct blind *b)
{
	if (!b)
		return;
	if (b->loop)
		ev_timer_del(b->loop, &b->timer);
	free(b);
}
