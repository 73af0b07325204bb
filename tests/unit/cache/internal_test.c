/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What events, dump entries, answers and our own commit do to a record, in every order in which
 * they can be read. */
#include "cache/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#include "flows.h"

static const struct hash_key test_key = { 1, 2 };

/* ---- a small language: each case is a list of steps about one flow ---- */

enum verb {
	END = 0,
	EV_NEW,
	EV_UPD,
	EV_DEL,	   /* events; arg: kernel id, state */
	DUMP,	   /* entry of a dump */
	PASS,	   /* internal_pass_begin() */
	ASK,	   /* walk of the unseen: expects that the flow is (1) or is not (0) among them */
	FOUND,	   /* answer: it exists; is_unseen, seen, dumped as the daemon does */
	ENOENT_,   /* answer: it does not */
	COMMIT,	   /* internal_commit(); arg want = expected *inserted */
	COMMITTED, /* internal_committed(): the kernel has it */
	DONE,
	UNDO,	   /* what became of the commit; UNDO: want = expected return value */
	RELEASE,   /* sync is done with the id */
	BULK,	   /* sync has queued the record */
	OTHER,	   /* another flow is born (takes over a free slot) */
	OTHER_DEL, /* and ends, without release */
	ALIVE,	   /* expect: record alive with this state and id, silent or not */
	DEAD,	   /* expect: record dead */
	ABSENT,	   /* expect: no record */
	SILENT,	   /* expect: internal_silent() */
	COUNT,	   /* expect: table_count() */
};

struct step {
	enum verb verb;
	uint32_t kid; /* kernel id; 0: the flow has none */
	uint8_t proto_state;
	int want;	    /* enum internal_change, or as said above */
	uint32_t timeout_s; /* 0: 100 */
};

struct scenario {
	const char *name;
	struct step steps[20];
};

struct world {
	struct internal *c;
	uint32_t id; /* last id of the flow; stays after the record is gone */
	struct mono now;
};

/* A step about the flow with kernel id k in protocol state p that has to give w; the same with a
 * timeout; a step that says nothing about the flow. */
#define F(v, k, p, w) \
	{ \
		.verb = (v), .kid = (k), .proto_state = (p), .want = (w) \
	}
#define T(v, k, p, w, t) \
	{ \
		.verb = (v), .kid = (k), .proto_state = (p), .want = (w), .timeout_s = (t) \
	}
#define W(v, w) \
	{ \
		.verb = (v), .want = (w) \
	}

#define N   INTERNAL_NOTHING
#define NEW INTERNAL_NEW
#define UPD INTERNAL_UPDATE
#define DEL INTERNAL_DESTROY

static const struct scenario scenarios[] = {
	{ "life",
	  { F(EV_NEW, 1, 1, NEW), F(ALIVE, 1, 1, REC_NEW), F(EV_UPD, 1, 3, UPD),
	    F(ALIVE, 1, 3, REC_ALIVE), F(EV_DEL, 1, 3, DEL), W(DEAD, 0), W(COUNT, 1), W(RELEASE, 0),
	    W(ABSENT, 0), W(COUNT, 0) } },
	{ "release of an alive record is nothing",
	  { F(EV_NEW, 1, 1, NEW), W(RELEASE, 0), F(ALIVE, 1, 1, REC_NEW) } },
	{ "update of an unknown flow inserts",
	  { F(EV_UPD, 1, 3, NEW), F(ALIVE, 1, 3, REC_NEW), W(SILENT, 0) } },
	{ "destroy of an unknown flow", { F(EV_DEL, 1, 3, N), W(ABSENT, 0) } },
	{ "destroy twice",
	  { F(EV_NEW, 1, 1, NEW), F(EV_DEL, 1, 1, DEL), F(EV_DEL, 1, 1, N), W(DEAD, 0) } },
	{ "NEW replaces a live one",
	  { F(EV_NEW, 1, 1, NEW), F(EV_UPD, 1, 3, UPD), F(EV_NEW, 2, 1, NEW),
	    F(ALIVE, 2, 1, REC_NEW) } },
	{ "NEW revives a dead one, release comes late",
	  { F(EV_NEW, 1, 3, NEW), F(EV_DEL, 1, 3, DEL), F(EV_NEW, 2, 1, NEW),
	    F(ALIVE, 2, 1, REC_NEW), W(RELEASE, 0), F(ALIVE, 2, 1, REC_NEW), F(EV_DEL, 2, 1, DEL),
	    W(RELEASE, 0), W(ABSENT, 0) } },
	{ "UPDATE revives a dead one with another id",
	  { F(EV_NEW, 1, 3, NEW), F(EV_DEL, 1, 3, DEL), F(EV_UPD, 2, 2, NEW),
	    F(ALIVE, 2, 2, REC_NEW), W(SILENT, 0) } },
	{ "UPDATE revives a dead one with the same id, but is verified",
	  { F(EV_NEW, 1, 3, NEW), F(EV_DEL, 1, 3, DEL), F(EV_UPD, 1, 7, NEW),
	    F(ALIVE, 1, 7, REC_NEW), W(SILENT, 1), W(PASS, 0), W(ASK, 1), W(ENOENT_, DEL),
	    W(DEAD, 0), W(SILENT, 0) } },
	{ "UPDATE with another id is another flow",
	  { F(EV_NEW, 1, 3, NEW), F(EV_UPD, 2, 2, NEW), F(ALIVE, 2, 2, REC_NEW) } },
	{ "DESTROY of the predecessor, read after a dump showed the successor",
	  { F(EV_NEW, 1, 3, NEW), W(PASS, 0), F(DUMP, 2, 1, NEW), F(EV_DEL, 1, 3, N),
	    F(ALIVE, 2, 1, REC_NEW), F(EV_NEW, 2, 1, NEW), F(ALIVE, 2, 1, REC_NEW),
	    W(SILENT, 0) } },
	{ "only the timeout: told when it grew by more than half",
	  { F(EV_NEW, 1, 3, NEW), T(EV_UPD, 1, 3, N, 150), T(EV_UPD, 1, 3, UPD, 226),
	    T(EV_UPD, 1, 3, N, 20), T(EV_UPD, 1, 3, N, 30), T(EV_UPD, 1, 3, UPD, 432000) } },
	{ "dump finds an unknown flow",
	  { W(PASS, 0), F(DUMP, 1, 3, NEW), W(SILENT, 1), W(ASK, 0), F(EV_UPD, 1, 4, UPD),
	    W(SILENT, 0), F(EV_DEL, 1, 4, DEL) } },
	{ "a silent flow that ends with an event",
	  { W(PASS, 0), F(DUMP, 1, 3, NEW), F(EV_DEL, 1, 3, DEL), W(SILENT, 0), W(RELEASE, 0),
	    W(ABSENT, 0) } },
	{ "dump repairs what an overrun lost",
	  { F(EV_NEW, 1, 1, NEW), W(PASS, 0), F(DUMP, 1, 3, UPD), F(ALIVE, 1, 3, REC_ALIVE),
	    W(SILENT, 0) } },
	{ "dump shows what is known",
	  { F(EV_NEW, 1, 3, NEW), W(PASS, 0), F(DUMP, 1, 3, N), F(ALIVE, 1, 3, REC_NEW),
	    W(ASK, 0) } },
	{ "remaining life in a dump is no news",
	  { T(EV_NEW, 1, 3, NEW, 120), W(PASS, 0), T(DUMP, 1, 3, N, 3), W(PASS, 0),
	    T(DUMP, 1, 3, N, 118), W(PASS, 0), T(DUMP, 1, 3, UPD, 432000) } },
	{ "dump finds another incarnation",
	  { F(EV_NEW, 1, 3, NEW), W(PASS, 0), F(DUMP, 2, 1, NEW), F(ALIVE, 2, 1, REC_NEW),
	    W(SILENT, 1) } },
	{ "dump entry older than an event: the kernel is asked, the event was right",
	  { F(EV_NEW, 1, 1, NEW), W(PASS, 0), F(EV_UPD, 1, 3, UPD), F(DUMP, 1, 1, N),
	    F(ALIVE, 1, 3, REC_ALIVE), W(ASK, 1), F(FOUND, 1, 3, N), F(ALIVE, 1, 3, REC_ALIVE),
	    W(ASK, 0) } },
	{ "dump entry contradicts an event: the kernel is asked, the dump was right",
	  { F(EV_NEW, 1, 1, NEW), W(PASS, 0), F(EV_UPD, 1, 2, UPD), F(DUMP, 1, 3, N), W(ASK, 1),
	    F(FOUND, 1, 3, UPD), F(ALIVE, 1, 3, REC_ALIVE) } },
	{ "dump entry agrees with an event",
	  { F(EV_NEW, 1, 1, NEW), W(PASS, 0), F(EV_UPD, 1, 3, UPD), F(DUMP, 1, 3, N), W(ASK, 0) } },
	{ "doubt, and an event before the answer",
	  { F(EV_NEW, 1, 1, NEW), W(PASS, 0), F(EV_UPD, 1, 2, UPD), F(DUMP, 1, 1, N), W(ASK, 1),
	    F(EV_UPD, 1, 3, UPD), F(FOUND, 1, 2, N), F(ALIVE, 1, 3, REC_ALIVE) } },
	{ "dump entry of a flow that has just died",
	  { F(EV_NEW, 1, 3, NEW), W(PASS, 0), F(EV_DEL, 1, 3, DEL), F(DUMP, 1, 3, N), W(DEAD, 0),
	    W(ASK, 1), W(ENOENT_, N), W(DEAD, 0), W(ASK, 0), W(RELEASE, 0), W(ABSENT, 0) } },
	{ "dump entry of a dead record is the next incarnation, its NEW was lost",
	  { F(EV_NEW, 1, 3, NEW), F(EV_DEL, 1, 3, DEL), W(PASS, 0), F(DUMP, 1, 1, N), W(ASK, 1),
	    F(FOUND, 1, 1, NEW), F(ALIVE, 1, 1, REC_NEW), W(SILENT, 1), W(RELEASE, 0),
	    F(ALIVE, 1, 1, REC_NEW) } },
	{ "in doubt about a dead one, revived by an event before the answer",
	  { F(EV_NEW, 1, 3, NEW), W(PASS, 0), F(EV_DEL, 1, 3, DEL), F(DUMP, 1, 3, N), W(ASK, 1),
	    F(EV_NEW, 1, 1, NEW), W(ENOENT_, N), F(ALIVE, 1, 1, REC_NEW), W(SILENT, 0) } },
	{ "unseen and gone",
	  { F(EV_NEW, 1, 3, NEW), W(PASS, 0), W(ASK, 1), W(ENOENT_, DEL), W(DEAD, 0), W(RELEASE, 0),
	    W(ABSENT, 0) } },
	{ "unseen but there, and nothing changed",
	  { F(EV_NEW, 1, 3, NEW), W(PASS, 0), W(ASK, 1), F(FOUND, 1, 3, N), F(ALIVE, 1, 3, REC_NEW),
	    W(ASK, 0) } },
	{ "unseen but there, and changed",
	  { F(EV_NEW, 1, 1, NEW), W(PASS, 0), W(ASK, 1), F(FOUND, 1, 3, UPD),
	    F(ALIVE, 1, 3, REC_ALIVE) } },
	{ "an event between unseen and ENOENT",
	  { F(EV_NEW, 1, 3, NEW), W(PASS, 0), W(ASK, 1), F(EV_UPD, 1, 4, UPD), W(ENOENT_, N),
	    F(ALIVE, 1, 4, REC_ALIVE) } },
	{ "born again between unseen and ENOENT",
	  { F(EV_NEW, 1, 3, NEW), W(PASS, 0), W(ASK, 1), F(EV_NEW, 2, 1, NEW), W(ENOENT_, N),
	    F(ALIVE, 2, 1, REC_NEW) } },
	{ "dead between unseen and ENOENT",
	  { F(EV_NEW, 1, 3, NEW), W(PASS, 0), W(ASK, 1), F(EV_DEL, 1, 3, DEL), W(ENOENT_, N),
	    W(DEAD, 0) } },
	{ "dead between unseen and 'exists'",
	  { F(EV_NEW, 1, 3, NEW), W(PASS, 0), W(ASK, 1), F(EV_DEL, 1, 3, DEL), F(FOUND, 1, 3, N),
	    W(DEAD, 0) } },
	{ "freed between unseen and ENOENT",
	  { F(EV_NEW, 1, 3, NEW), W(PASS, 0), W(ASK, 1), F(EV_DEL, 1, 3, DEL), W(RELEASE, 0),
	    W(ENOENT_, N), W(ABSENT, 0) } },
	{ "freed and used again between unseen and ENOENT",
	  { F(EV_NEW, 1, 3, NEW), W(PASS, 0), W(ASK, 1), F(EV_DEL, 1, 3, DEL), W(RELEASE, 0),
	    W(OTHER, 1), W(ENOENT_, N), W(COUNT, 1), W(OTHER_DEL, DEL) } },
	{ "freed and used again, and another pass began: the old answer still counts for nothing",
	  { F(EV_NEW, 1, 3, NEW), W(PASS, 0), W(ASK, 1), F(EV_DEL, 1, 3, DEL), W(RELEASE, 0),
	    W(OTHER, 1), W(PASS, 0), W(ENOENT_, N), W(OTHER_DEL, DEL) } },
	{ "committed between unseen and ENOENT",
	  { F(EV_NEW, 1, 3, NEW), W(PASS, 0), W(ASK, 1), W(COMMIT, 0), W(ENOENT_, N),
	    F(ALIVE, 1, 3, REC_NEW) } },
	{ "committed between doubt and ENOENT",
	  { F(EV_NEW, 1, 1, NEW), W(PASS, 0), F(EV_UPD, 1, 3, UPD), F(DUMP, 1, 1, N), W(ASK, 1),
	    F(COMMIT, 0, 3, 0), W(ENOENT_, N), F(ALIVE, 1, 3, REC_ALIVE) } },
	{ "commit of an unknown flow",
	  { F(COMMIT, 0, 3, 1), W(DONE, 0), F(ALIVE, 0, 3, REC_NEW), W(SILENT, 0),
	    F(EV_UPD, 7, 4, UPD), F(ALIVE, 7, 4, REC_ALIVE), F(EV_DEL, 7, 4, DEL), W(RELEASE, 0),
	    W(ABSENT, 0) } },
	{ "commit refused", { F(COMMIT, 0, 3, 1), W(UNDO, 0), W(ABSENT, 0) } },
	{ "commit refused after an event",
	  { F(COMMIT, 0, 3, 1), F(EV_NEW, 7, 1, NEW), W(UNDO, 0), F(ALIVE, 7, 1, REC_NEW) } },
	{ "commit refused after a dump showed it",
	  { W(PASS, 0), F(COMMIT, 0, 3, 1), F(DUMP, 7, 1, UPD), W(UNDO, 0),
	    F(ALIVE, 7, 1, REC_ALIVE) } },
	{ "commit refused after a bulk send queued it",
	  { F(COMMIT, 0, 3, 1), W(BULK, 0), W(UNDO, 1), W(DEAD, 0), W(RELEASE, 0), W(ABSENT, 0) } },
	{ "commit is newer than nothing: an alive record stays",
	  { F(EV_NEW, 1, 4, NEW), F(COMMIT, 0, 3, 0), F(ALIVE, 1, 4, REC_NEW) } },
	{ "the id of a commit in flight is not given to another flow",
	  { F(COMMIT, 0, 3, 1), F(EV_NEW, 7, 1, NEW), F(EV_DEL, 7, 1, DEL), W(RELEASE, 0),
	    W(COUNT, 1), W(OTHER, 0), W(COUNT, 2), W(UNDO, 0), W(COUNT, 1), W(ABSENT, 0),
	    W(OTHER_DEL, DEL) } },
	{ "the same with success",
	  { F(COMMIT, 0, 3, 1), F(EV_NEW, 7, 1, NEW), F(EV_DEL, 7, 1, DEL), W(RELEASE, 0),
	    W(DONE, 0), W(ABSENT, 0) } },
	{ "dead and released in flight, then alive again",
	  { F(COMMIT, 0, 3, 1), F(EV_DEL, 7, 1, DEL), W(RELEASE, 0), F(EV_NEW, 8, 1, NEW),
	    W(DONE, 0), F(ALIVE, 8, 1, REC_NEW), F(EV_DEL, 8, 1, DEL), W(RELEASE, 0),
	    W(ABSENT, 0) } },
	{ "dead before the commit: lives again, verified",
	  { F(EV_NEW, 1, 3, NEW), F(EV_DEL, 1, 3, DEL), F(COMMIT, 0, 3, 0), F(ALIVE, 0, 3, REC_NEW),
	    W(SILENT, 1), W(RELEASE, 0), F(ALIVE, 0, 3, REC_NEW), W(PASS, 0), W(ASK, 1),
	    W(ENOENT_, DEL) } },
	{ "committed while alive, the predecessor's DESTROY comes after",
	  { F(EV_NEW, 1, 3, NEW), F(COMMIT, 0, 3, 0), F(EV_DEL, 1, 3, N), F(ALIVE, 0, 3, REC_NEW),
	    W(SILENT, 1), F(EV_UPD, 2, 4, UPD), W(SILENT, 0), F(ALIVE, 2, 4, REC_ALIVE),
	    F(EV_DEL, 2, 4, DEL) } },
	{ "the predecessor's UPDATE and DESTROY come after the commit",
	  { F(EV_NEW, 1, 3, NEW), F(COMMIT, 0, 3, 0), F(EV_UPD, 1, 4, UPD), F(EV_DEL, 1, 4, N),
	    F(ALIVE, 0, 4, REC_ALIVE) } },
	{ "committed twice without an event: the predecessor's DESTROY may come after",
	  { F(COMMIT, 0, 3, 1), W(DONE, 0), F(COMMIT, 0, 3, 0), F(COMMITTED, 0, 3, N),
	    F(EV_DEL, 1, 3, N), F(ALIVE, 0, 3, REC_NEW), W(SILENT, 1), W(PASS, 0), W(ASK, 1),
	    W(ENOENT_, DEL) } },
	{ "the predecessor's DESTROYs come between request and answer",
	  { F(EV_NEW, 1, 3, NEW), F(COMMIT, 0, 3, 0), F(EV_DEL, 1, 3, N), F(EV_DEL, 1, 3, DEL),
	    F(COMMITTED, 0, 3, NEW), W(RELEASE, 0), F(ALIVE, 0, 3, REC_NEW), W(SILENT, 1) } },
	{ "the same where the record is the commit's own",
	  { F(COMMIT, 0, 3, 1), F(EV_DEL, 1, 3, DEL), W(DONE, 0), F(COMMITTED, 0, 3, NEW),
	    W(RELEASE, 0), F(ALIVE, 0, 3, REC_NEW), W(SILENT, 1) } },
	{ "committed while alive, kept, and ends later",
	  { F(EV_NEW, 1, 3, NEW), F(COMMIT, 0, 3, 0), F(DUMP, 1, 3, N), F(EV_DEL, 1, 3, DEL) } },
	{ "committed while alive, the new entry ends",
	  { F(EV_NEW, 1, 3, NEW), F(COMMIT, 0, 3, 0), F(EV_DEL, 2, 3, DEL) } },
	{ "committed while alive, the kernel had another one and kept it",
	  { F(EV_NEW, 1, 3, NEW), F(COMMIT, 0, 3, 0), F(DUMP, 2, 4, NEW), F(ALIVE, 2, 4, REC_NEW),
	    W(SILENT, 0), F(EV_DEL, 1, 3, N), F(ALIVE, 2, 4, REC_NEW) } },
};

static struct ct_flow step_flow(const struct step *s)
{
	struct ct_flow f = make_flow(0);

	f.proto_state = s->proto_state;
	f.timeout_s = s->timeout_s ? s->timeout_s : 100;
	f.id = s->kid;
	if (s->kid)
		f.has |= FLOW_HAS_ID;
	return f;
}

static int do_ask(struct world *w)
{
	uint32_t ids[4];
	uint64_t pos = 0;
	bool end = false;
	int found = 0;

	while (!end) {
		size_t n = internal_pass_unseen(w->c, &pos, ids, 4, &end);

		for (size_t i = 0; i < n; i++)
			found += ids[i] == w->id;
	}
	return found;
}

static int do_found(struct world *w, const struct ct_flow *f)
{
	uint32_t id;

	if (!internal_pass_is_unseen(w->c, w->id))
		return INTERNAL_NOTHING;
	internal_pass_seen(w->c, w->id);
	assert_false(internal_pass_is_unseen(w->c, w->id));
	return (int)internal_dumped(w->c, f, w->now, &id);
}

static int do_other(struct world *w)
{
	struct ct_flow f = make_flow(3);
	uint32_t id;

	assert_int_equal(internal_new_flow(w->c, &f, w->now, &id), INTERNAL_NEW);
	return id == w->id;
}

static int do_other_end(struct world *w)
{
	struct ct_flow f = make_flow(3);
	uint32_t id;

	return (int)internal_destroy(w->c, &f, w->now, &id);
}

static int do_commit(struct world *w, const struct ct_flow *f)
{
	bool inserted;

	internal_commit(w->c, f, w->now, &w->id, &inserted);
	return inserted;
}

/* Remember the id, unless the record is unknown. */
static int with_id(struct world *w, enum internal_change change, uint32_t id)
{
	if (id != FLOW_ID_NONE)
		w->id = id;
	else
		assert_int_equal(change, INTERNAL_NOTHING);
	return (int)change;
}

static int step_event(struct world *w, const struct step *s, const struct ct_flow *f)
{
	uint32_t id = FLOW_ID_NONE;
	enum internal_change change;

	if (s->verb == EV_NEW)
		change = internal_new_flow(w->c, f, w->now, &id);
	else if (s->verb == EV_UPD)
		change = internal_update(w->c, f, w->now, &id);
	else if (s->verb == EV_DEL)
		change = internal_destroy(w->c, f, w->now, &id);
	else
		change = internal_dumped(w->c, f, w->now, &id);
	return with_id(w, change, id);
}

static void expect_record(struct world *w, const struct step *s, const struct ct_flow *f)
{
	uint32_t id = table_find(internal_table(w->c), f);
	const struct flow_rec *rec;

	if (s->verb == ABSENT) {
		assert_int_equal(id, FLOW_ID_NONE);
		return;
	}
	assert_int_not_equal(id, FLOW_ID_NONE);
	rec = table_rec(internal_table(w->c), id);
	if (s->verb == DEAD) {
		assert_int_equal(rec->state, REC_DEAD);
		return;
	}
	assert_int_equal(rec->state, s->want);
	assert_int_equal(rec->flow.proto_state, s->proto_state);
	assert_int_equal(rec->flow.has & FLOW_HAS_ID ? rec->flow.id : 0, s->kid);
}

static void run_step(struct world *w, const struct step *s, size_t number)
{
	struct ct_flow full = step_flow(s), *f = exact_copy(&full);
	int got = s->want;

	switch (s->verb) {
	case EV_NEW:
	case EV_UPD:
	case EV_DEL:
	case DUMP:
		got = step_event(w, s, f);
		break;
	case PASS:
		internal_pass_begin(w->c, true);
		break;
	case ASK:
		got = do_ask(w);
		break;
	case FOUND:
		got = do_found(w, f);
		break;
	case ENOENT_:
		got = (int)internal_gone(w->c, w->id, w->now);
		break;
	case COMMIT:
		got = do_commit(w, f);
		break;
	case COMMITTED:
		got = (int)internal_committed(w->c, w->id, f, false, w->now);
		break;
	case DONE:
		internal_commit_done(w->c, w->id);
		break;
	case UNDO:
		got = internal_commit_undo(w->c, w->id);
		break;
	case RELEASE:
		internal_release(w->c, w->id);
		break;
	case BULK:
		table_rec(internal_table(w->c), w->id)->repl.bits = REPL_QUEUED;
		break;
	case OTHER:
		got = do_other(w);
		break;
	case OTHER_DEL:
		got = do_other_end(w);
		break;
	case ALIVE:
	case DEAD:
	case ABSENT:
		expect_record(w, s, f);
		break;
	case SILENT:
		got = (int)internal_silent(w->c);
		break;
	case COUNT:
		got = (int)table_count(internal_table(w->c));
		break;
	case END:
		break;
	}
	free(f);
	if (got != s->want)
		fail_msg("step %zu gave %d instead of %d", number, got, s->want);
}

static void test_scenarios(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		struct world w = { .c = internal_new(4, 100, &test_key),
				   .id = FLOW_ID_NONE,
				   .now = { MONO_NS_PER_S } };

		print_message("%s\n", scenarios[i].name);
		for (size_t k = 0; scenarios[i].steps[k].verb != END; k++) {
			run_step(&w, &scenarios[i].steps[k], k + 1);
			assert_true(table_check(internal_table(w.c)));
		}
		internal_free(w.c);
	}
}

/* Times: created_s is the start of the incarnation, updated_s the age of the timeout. */
static void test_times(void **state)
{
	struct internal *c = internal_new(4, 100, &test_key);
	struct step s = { .kid = 1, .proto_state = 3, .timeout_s = 100 };
	struct ct_flow f = step_flow(&s);
	struct mono t = { 10 * MONO_NS_PER_S };
	struct flow_rec *rec;
	uint32_t id;

	(void)state;
	internal_new_flow(c, &f, t, &id);
	rec = table_rec(internal_table(c), id);
	assert_int_equal(rec->created_s, 10);
	internal_update(c, &f, mono_add_ms(t, 5000), &id);
	assert_int_equal(rec->created_s, 10);
	assert_int_equal(rec->updated_s, 15);
	internal_pass_begin(c, false);
	f.timeout_s = 40; /* less than the 95 left: an idle flow, nothing new */
	internal_dumped(c, &f, mono_add_ms(t, 10000), &id);
	assert_int_equal(rec->updated_s, 15);
	assert_int_equal(rec->flow.timeout_s, 100);
	internal_pass_begin(c, false);
	f.timeout_s = 96; /* ends later than the one known */
	internal_dumped(c, &f, mono_add_ms(t, 10000), &id);
	assert_int_equal(rec->updated_s, 20);
	assert_int_equal(rec->flow.timeout_s, 96);
	internal_new_flow(c, &f, mono_add_ms(t, 20000), &id);
	assert_int_equal(rec->created_s, 30);
	internal_free(c);
}

/* A pass that nobody asked for leaves no trace; one that somebody asked for counts, and adds what
 * only dumps say. */
static void test_quiet_pass(void **state)
{
	struct internal *c = internal_new(4, 100, &test_key);
	const struct table_stats *stats = table_stats(internal_table(c));
	struct step s = { .kid = 1, .proto_state = 3, .timeout_s = 100 };
	struct ct_flow event = step_flow(&s), dump = step_flow(&s);
	struct flow_rare rare = { .start_ns = 5 };
	struct mono t = { 10 * MONO_NS_PER_S };
	struct flow_rec *rec;
	uint32_t id;

	(void)state;
	event.has &= ~FLOW_HAS_MARK;
	dump.has |= FLOW_HAS_MARK | FLOW_HAS_TIMES;
	dump.mark = 0;
	dump.rare = &rare;
	internal_new_flow(c, &event, t, &id);
	rec = table_rec(internal_table(c), id);
	internal_pass_begin(c, true);
	assert_int_equal(internal_dumped(c, &dump, t, &id), INTERNAL_NOTHING);
	assert_int_equal(rec->flow.has & (FLOW_HAS_MARK | FLOW_HAS_TIMES), 0);
	assert_null(rec->flow.rare);
	assert_int_equal(stats->updated, 0);

	internal_pass_begin(c, true);
	dump.mark = 7; /* that was missed */
	assert_int_equal(internal_dumped(c, &dump, t, &id), INTERNAL_UPDATE);
	assert_int_equal(rec->flow.mark, 7);
	assert_int_equal(stats->updated, 1);

	internal_pass_begin(c, false);
	assert_int_equal(internal_dumped(c, &dump, t, &id), INTERNAL_NOTHING);
	assert_true(rec->flow.has & FLOW_HAS_TIMES);
	assert_int_equal(rec->flow.rare->start_ns, 5);
	assert_int_equal(stats->updated, 2);

	/* a NEW for a flow that has not ended: an end and a start */
	internal_new_flow(c, &event, t, &id);
	assert_int_equal(stats->created, 2);
	assert_int_equal(stats->destroyed, 1);
	internal_free(c);
}

/* The number of a pass goes round after 65535 passes: a record never seen since must still be
 * unseen. */
static void test_pass_wraps(void **state)
{
	struct internal *c = internal_new(4, 100, &test_key);
	struct ct_flow f = make_flow(0);
	struct mono t = { 1 };
	uint64_t pos;
	uint32_t id, ids[4];
	bool end;

	(void)state;
	internal_new_flow(c, &f, t, &id);
	for (uint32_t i = 0; i < 2 * 65536 + 10; i++) {
		internal_pass_begin(c, false);
		pos = 0;
		assert_int_equal(internal_pass_unseen(c, &pos, ids, 4, &end), 1);
		assert_int_equal(ids[0], id);
	}
	internal_free(c);
}

/* One unseen record behind very many seen ones: no call looks at all of them, none of them is the
 * end before it. */
static void test_unseen_in_steps(void **state)
{
	const uint32_t n_flows = 20000;
	struct internal *c = internal_new(4, n_flows, &test_key);
	uint64_t pos = 0, before;
	struct mono t = { 1 };
	uint32_t id, ids[4];
	size_t n, found = 0, calls = 0;
	bool end = false;

	(void)state;
	for (uint32_t i = 0; i < n_flows; i++) {
		struct ct_flow f = make_flow(3 * i);

		assert_int_equal(internal_new_flow(c, &f, t, &id), INTERNAL_NEW);
	}
	internal_pass_begin(c, false);
	for (uint32_t i = 0; i < n_flows - 1; i++) {
		struct ct_flow f = make_flow(3 * i);

		internal_update(c, &f, t, &id);
	}
	while (!end) {
		before = pos;
		n = internal_pass_unseen(c, &pos, ids, 4, &end);
		found += n;
		calls++;
		assert_true(end || pos != before);
	}
	assert_int_equal(found, 1);
	assert_in_range(calls, 4, 100);
	internal_free(c);
}

static void test_full(void **state)
{
	struct internal *c = internal_new(4, 1, &test_key);
	struct ct_flow f[2] = { make_flow(0), make_flow(3) };
	struct mono t = { 1 };
	bool inserted = true;
	uint32_t id;

	(void)state;
	assert_int_equal(internal_new_flow(c, &f[0], t, &id), INTERNAL_NEW);
	assert_int_equal(internal_new_flow(c, &f[1], t, &id), INTERNAL_FULL);
	assert_int_equal(id, FLOW_ID_NONE);
	assert_int_equal(internal_update(c, &f[1], t, &id), INTERNAL_FULL);
	assert_int_equal(internal_dumped(c, &f[1], t, &id), INTERNAL_FULL);
	assert_int_equal(internal_commit(c, &f[1], t, &id, &inserted), INTERNAL_FULL);
	assert_false(inserted);
	assert_int_equal(internal_update(c, &f[0], t, &id), INTERNAL_NOTHING);
	assert_int_equal(table_stats(internal_table(c))->create_failed_limit, 4);
	internal_free(c);
}

/* A kernel that sends events which we read late, dumps and answers that are older than they look,
 * and a cache that must equal it once everything has been read and a pass without changes has been
 * made. */
enum { FLOWS = 12, QUEUE = 64 };

struct kernel_event {
	enum verb what;
	uint32_t flow, kid;
	uint8_t proto_state;
};

struct toy {
	uint32_t kid[FLOWS]; /* 0: not there */
	uint8_t state[FLOWS];
	uint32_t next_kid;
	struct kernel_event queue[QUEUE];
	uint32_t n_queue;
	struct internal *c;
	struct mono now;
};

static struct ct_flow toy_flow(const struct kernel_event *e)
{
	struct ct_flow f = make_flow(e->flow);

	f.has |= FLOW_HAS_ID;
	f.id = e->kid;
	f.proto_state = e->proto_state;
	return f;
}

/* The kernel does something; sometimes (an overrun) the event is lost. Ids are reused now and
 * then. */
static void toy_kernel(struct toy *t, uint64_t *rng, bool lose)
{
	uint32_t i = rnd_below(rng, FLOWS);
	struct kernel_event e = { .flow = i };

	if (t->n_queue == QUEUE)
		return;
	if (t->kid[i] == 0) {
		t->kid[i] = rnd_below(rng, 3) ? ++t->next_kid : 1 + i;
		t->state[i] = (uint8_t)(1 + rnd_below(rng, 3));
		e.what = EV_NEW;
	} else if (rnd_below(rng, 2)) {
		t->state[i] = (uint8_t)(1 + rnd_below(rng, 7));
		e.what = EV_UPD;
	} else {
		e.what = EV_DEL;
	}
	e.kid = t->kid[i];
	e.proto_state = t->state[i];
	if (e.what == EV_DEL)
		t->kid[i] = 0;
	if (!lose)
		t->queue[t->n_queue++] = e;
}

static void toy_read_event(struct toy *t, uint64_t *rng)
{
	struct kernel_event e = t->queue[0];
	struct ct_flow f = toy_flow(&e);
	uint32_t id;

	if (t->n_queue == 0)
		return;
	memmove(t->queue, t->queue + 1, --t->n_queue * sizeof(t->queue[0]));
	if (e.what == EV_NEW)
		internal_new_flow(t->c, &f, t->now, &id);
	else if (e.what == EV_UPD)
		internal_update(t->c, &f, t->now, &id);
	else if (internal_destroy(t->c, &f, t->now, &id) == INTERNAL_DESTROY && rnd_below(rng, 2))
		internal_release(t->c, id);
}

static void toy_disturb(struct toy *t, uint64_t *rng, uint32_t most)
{
	for (uint32_t n = rnd_below(rng, most + 1); n > 0; n--) {
		if (rnd_below(rng, 2))
			toy_kernel(t, rng, false);
		else
			toy_read_event(t, rng);
	}
}

static void toy_dump(struct toy *t, uint64_t *rng, uint32_t disturb)
{
	struct kernel_event batch[4];
	uint32_t id;

	/* The kernel fills a batch at a time; we read it later. */
	for (uint32_t i = 0; i < FLOWS; i += 4) {
		for (uint32_t k = 0; k < 4; k++)
			batch[k] = (struct kernel_event){ DUMP, i + k, t->kid[i + k],
							  t->state[i + k] };
		toy_disturb(t, rng, disturb);
		for (uint32_t k = 0; k < 4; k++) {
			struct ct_flow f = toy_flow(&batch[k]);

			if (batch[k].kid)
				internal_dumped(t->c, &f, t->now, &id);
		}
	}
}

static uint32_t toy_flow_of(const struct toy *t, uint32_t id)
{
	for (uint32_t i = 0; i < FLOWS; i++) {
		struct ct_flow f = make_flow(i);

		if (flow_same_key(&table_rec(internal_table(t->c), id)->flow, &f))
			return i;
	}
	fail();
	return 0;
}

static void toy_check(struct toy *t, uint64_t *rng, uint32_t disturb)
{
	uint32_t ids[3], id;
	uint64_t pos = 0;
	bool end = false;

	while (!end) {
		size_t n = internal_pass_unseen(t->c, &pos, ids, 3, &end);
		struct kernel_event answer[3];

		for (size_t k = 0; k < n; k++) {
			uint32_t i = toy_flow_of(t, ids[k]);

			answer[k] = (struct kernel_event){ FOUND, i, t->kid[i], t->state[i] };
		}
		toy_disturb(t, rng, disturb);
		for (size_t k = 0; k < n; k++) {
			struct ct_flow f = toy_flow(&answer[k]);

			if (!internal_pass_is_unseen(t->c, ids[k]))
				continue;
			if (answer[k].kid == 0) {
				internal_gone(t->c, ids[k], t->now);
				continue;
			}
			internal_pass_seen(t->c, ids[k]);
			internal_dumped(t->c, &f, t->now, &id);
		}
	}
}

static void toy_pass(struct toy *t, uint64_t *rng, uint32_t disturb)
{
	internal_pass_begin(t->c, true);
	toy_dump(t, rng, disturb);
	toy_check(t, rng, disturb);
}

static void toy_compare(struct toy *t)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < FLOWS; i++) {
		struct ct_flow f = make_flow(i);
		uint32_t id = table_find(internal_table(t->c), &f);
		const struct flow_rec *rec =
			id == FLOW_ID_NONE ? NULL : table_rec(internal_table(t->c), id);
		bool alive = rec && rec->state != REC_DEAD;

		assert_int_equal(alive, t->kid[i] != 0);
		n += alive;
		if (alive)
			assert_int_equal(rec->flow.proto_state, t->state[i]);
	}
	assert_int_equal(table_count(internal_table(t->c)) - table_count_dead(internal_table(t->c)),
			 n);
	assert_true(table_check(internal_table(t->c)));
}

static void test_kernel_model(void **state)
{
	const char *env = getenv("SEED");
	uint64_t base = env ? strtoull(env, NULL, 0) : (uint64_t)time(NULL) * 1000;

	(void)state;
	print_message("kernel model: SEED=%llu and 2999 more\n", (unsigned long long)base);
	for (uint64_t seed = base; seed < base + (env ? 1 : 3000); seed++) {
		uint64_t rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
		struct toy t = { .c = internal_new(1, 1000, &test_key),
				 .now = { MONO_NS_PER_S },
				 .next_kid = 100 };

		for (int round = 0; round < 5; round++) {
			for (int k = 0; k < 10; k++)
				toy_kernel(&t, &rng, rnd_below(&rng, 3) == 0);
			toy_disturb(&t, &rng, 20);
			toy_pass(&t, &rng, 6);
			/* No more losses: what is queued is read, and passes go on while something
			 * may be wrong. */
			while (t.n_queue > 0)
				toy_read_event(&t, &rng);
			toy_pass(&t, &rng, 0);
			toy_compare(&t);
		}
		internal_free(t.c);
	}
}

/* The same without any loss: the pass runs beside changes, and once the queue has been read nothing
 * may be missing or stale but what is known to need another pass. */
static void test_kernel_model_lossless(void **state)
{
	const char *env = getenv("SEED");
	uint64_t base = env ? strtoull(env, NULL, 0) : (uint64_t)time(NULL) * 1000;

	(void)state;
	print_message("lossless: SEED=%llu and 2999 more\n", (unsigned long long)base);
	for (uint64_t seed = base; seed < base + (env ? 1 : 3000); seed++) {
		uint64_t rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
		struct toy t = { .c = internal_new(1, 1000, &test_key),
				 .now = { MONO_NS_PER_S },
				 .next_kid = 100 };

		for (int round = 0; round < 5; round++) {
			toy_disturb(&t, &rng, 20);
			toy_pass(&t, &rng, 6);
			while (t.n_queue > 0)
				toy_read_event(&t, &rng);
			if (internal_silent(t.c) > 0)
				toy_pass(&t, &rng, 0);
			toy_compare(&t);
		}
		internal_free(t.c);
	}
}

/* What a peer's kernel believes about the life of a flow is what we have told last. */
static void test_told_life(void **state)
{
	struct internal *c = internal_new(16, 10, &test_key);
	struct ct_flow f = make_flow(0), dump = make_flow(0);
	struct mono now = mono_add_ms((struct mono){ 0 }, 1000000);
	uint32_t id, other;

	(void)state;
	internal_keep_received_timeout(c);
	f.timeout_s = 120;
	assert_int_equal(internal_new_flow(c, &f, now, &id), INTERNAL_NEW);
	/* A pass sees a renewed entry, and nobody tells. */
	now = mono_add_ms(now, 100000);
	internal_pass_begin(c, true);
	dump.timeout_s = 119;
	assert_int_equal(internal_dumped(c, &dump, now, &other), INTERNAL_NOTHING);
	assert_int_equal(table_rec(internal_table(c), id)->flow.timeout_s, 120);
	assert_int_equal(table_rec(internal_table(c), id)->updated_s, 1000);
	/* One that has not been renewed. */
	dump.timeout_s = 21; /* and a second of rounding */
	assert_true(internal_ask(c, id));
	assert_int_equal(internal_timeout_refreshed(c, &dump, now, &other), INTERNAL_NOTHING);
	assert_int_equal(table_rec(internal_table(c), id)->updated_s, 1000);
	/* One that has. */
	dump.timeout_s = 118;
	assert_true(internal_ask(c, id));
	assert_int_equal(internal_timeout_refreshed(c, &dump, now, &other), INTERNAL_UPDATE);
	assert_int_equal(other, id);
	assert_int_equal(table_rec(internal_table(c), id)->flow.timeout_s, 118);
	assert_int_equal(table_rec(internal_table(c), id)->updated_s, 1100);
	/* Events say it as always. */
	f.timeout_s = 30;
	internal_update(c, &f, now, &other);
	assert_int_equal(table_rec(internal_table(c), id)->flow.timeout_s, 30);
	/* A peer's news do not, as long as they are not of another state. */
	f.timeout_s = 180;
	f.mark = 5;
	f.has |= FLOW_HAS_MARK;
	internal_received(c, id, &f, true, mono_add_ms(now, 9000));
	assert_int_equal(table_rec(internal_table(c), id)->flow.mark, 5);
	assert_int_equal(table_rec(internal_table(c), id)->flow.timeout_s, 30);
	assert_int_equal(table_rec(internal_table(c), id)->updated_s, 1100);
	f.proto_state = TCP_CONNTRACK_FIN_WAIT;
	internal_received(c, id, &f, true, mono_add_ms(now, 9000));
	assert_int_equal(table_rec(internal_table(c), id)->flow.timeout_s, 180);
	assert_int_equal(table_rec(internal_table(c), id)->updated_s, 1109);
	internal_free(c);
}

/* One question beside any pass: the answer is believed unless an event came between. */
static void test_single_question(void **state)
{
	struct internal *c = internal_new(16, 10, &test_key);
	const struct mono now = { .ns = 1000 * MONO_NS_PER_S };
	struct flow_rare rare = { .adj[0] = { .pos = 1, .before = 2, .after = 3 } };
	struct ct_flow f = make_flow(0), answer;
	uint32_t id, other, ids[4];
	uint64_t pos = 0;
	bool end;

	(void)state;
	f.has |= FLOW_HAS_ID;
	f.id = 7;
	internal_new_flow(c, &f, now, &id);
	flow_copy(&answer, &f);
	answer.has |= FLOW_HAS_SEQADJ;
	answer.rare = &rare;

	assert_false(internal_asked(c, id));
	/* it may be older than the event */
	assert_int_equal(internal_dumped(c, &answer, now, &other), INTERNAL_NOTHING);
	assert_true(internal_ask(c, id));
	assert_true(internal_asked(c, id));
	internal_update(c, &f, now, &other);
	assert_false(internal_asked(c, id));
	assert_true(internal_ask(c, id));
	assert_int_equal(internal_answered(c, &answer, now, &other), INTERNAL_UPDATE);
	assert_int_equal(table_stats(internal_table(c))->updated, 2);
	assert_int_equal(table_rec(internal_table(c), id)->flow.rare->adj[0].after, 3);
	assert_false(internal_asked(c, id));

	/* Without an answer it is over, but not for a pass that asked as well. */
	assert_true(internal_ask(c, id));
	internal_ask_over(c, id);
	assert_false(internal_asked(c, id));
	internal_pass_begin(c, false);
	assert_int_equal(internal_pass_unseen(c, &pos, ids, 4, &end), 1);
	assert_true(internal_ask(c, id));
	internal_ask_over(c, id);
	assert_true(internal_pass_is_unseen(c, id));

	/* An ended one is not asked about, nor is an id that names nothing. */
	internal_destroy(c, &f, now, &id);
	assert_false(internal_ask(c, id));
	internal_release(c, id);
	assert_false(internal_ask(c, id) || internal_asked(c, id));
	internal_ask_over(c, id);
	internal_free(c);
}

/* Alive ones count, and what is too many to look at. */
static void test_may_have_tcp(void **state)
{
	struct internal *c = internal_new(4, 10000, &test_key);
	struct mono now = { 1000000000 };
	struct ct_flow f;
	uint32_t id;

	(void)state;
	assert_false(internal_may_have_tcp(c));
	for (uint16_t port = 1; port <= 1000; port++) {
		f = make_flow(3u * port);
		f.l4 = IPPROTO_UDP;
		assert_int_equal(internal_new_flow(c, &f, now, &id), INTERNAL_NEW);
	}
	assert_false(internal_may_have_tcp(c));
	f = make_flow(2);
	assert_int_equal(internal_new_flow(c, &f, now, &id), INTERNAL_NEW);
	assert_true(internal_may_have_tcp(c));
	assert_int_equal(internal_destroy(c, &f, now, &id), INTERNAL_DESTROY);
	assert_false(internal_may_have_tcp(c));
	for (uint16_t port = 1001; port <= 5000; port++) {
		f = make_flow(3u * port);
		f.l4 = IPPROTO_UDP;
		assert_int_equal(internal_new_flow(c, &f, now, &id), INTERNAL_NEW);
	}
	assert_true(internal_may_have_tcp(c));
	internal_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_quiet_pass),
		cmocka_unit_test(test_pass_wraps),
		cmocka_unit_test(test_unseen_in_steps),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_kernel_model),
		cmocka_unit_test(test_kernel_model_lossless),
		cmocka_unit_test(test_single_question),
		cmocka_unit_test(test_told_life),
		cmocka_unit_test(test_may_have_tcp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
