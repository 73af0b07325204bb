/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Long answers: the caches (-i, -e) and the resend queue (-s rsqueue), walked with a resume point.
 * A step is short and is taken only while the client's queue has room, so neither a million flows
 * nor a reader that has fallen asleep holds anything up. */
#include "command/dump.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/list.h"
#include "flow/flow_json.h"
#include "flow/flow_print.h"

#define SELECT_STEPS 16 /* so many of these in one step, where few flows are looked for */
/* flows per step: about 0.1 ms, so that other clients and events get their turn */
#define DUMP_STEP 256
#define RING_STEP 512 /* lines per step */
#define RING_LINE 64  /* bytes of one, at most */

/* ---- a cache ---- */

struct flow_dump {
	struct control_job job;
	const struct command_env *d;
	struct dump_wish w;
	uint64_t pos;
	uint64_t found;
};

/* Seconds until an external entry expires, -1 where none does: only in ALARM. */
static int64_t dump_expires_s(const struct flow_dump *f, uint32_t updated_s, struct mono now)
{
	const struct sync_conf *conf = f->d->sync;
	uint32_t age = mono_s(now) - updated_s;

	if (!f->w.external || !sync_can(conf, SYNC_EXPIRES))
		return -1;
	return age < conf->cache_timeout_s ? conf->cache_timeout_s - age : 0;
}

static void dump_flow(struct ctl_out *out, const struct flow_dump *f, const struct flow_rec *rec,
		      struct mono now, int64_t wall_s)
{
	struct flow_print_opts opts = {
		.active_s = mono_s(now) - rec->created_s,
		.expires_s = dump_expires_s(f, rec->updated_s, now),
		.now_s = wall_s,
	};
	char line[FLOW_LINE_MAX];
	uint8_t *bytes;
	size_t n;

	if (!ctl_out_is_text(out)) {
		/* Packing costs a fraction of printing, and it is the client that prints. */
		bytes = ctl_record_reserve(out, CTL_REC_FLOW, FLOW_RECORD_MAX);
		if (bytes)
			ctl_record_commit(out, flow_record_pack(&rec->flow, &opts, bytes));
		return;
	}
	n = f->w.xml ? flow_print_xml(&rec->flow, &opts, line, sizeof(line) - 1) :
		       flow_print_text(&rec->flow, &opts, line, sizeof(line) - 1);
	line[n++] = '\n';
	ctl_text(out, line, n);
}

static bool dump_wants(const struct flow_dump *f, const struct flow_rec *rec)
{
	if (rec->state == REC_DEAD || (f->w.peers && !(f->w.peers & 1u << rec->from)))
		return false;
	return flow_select_pass(&f->w.select, &rec->flow);
}

/* Returns how many records were looked at; 0 at the end. */
static size_t dump_some(struct flow_dump *f, struct flow_table *t, struct ctl_out *out,
			struct mono now)
{
	int64_t wall_s = clock_wall_s();
	uint32_t ids[DUMP_STEP];
	size_t n = table_walk(t, &f->pos, ids, DUMP_STEP);

	for (size_t i = 0; i < n; i++) {
		const struct flow_rec *rec = table_rec(t, ids[i]);

		if (!dump_wants(f, rec))
			continue;
		f->found++;
		if (!f->w.count)
			dump_flow(out, f, rec, now, wall_s);
	}
	return n;
}

/* Who looks for few goes through more records in a step: most of them cost a look. */
static enum ctl_step dump_step(struct control_job *job, struct ctl_out *out, struct mono now)
{
	struct flow_dump *f = container_of(job, struct flow_dump, job);
	struct flow_table *t = f->w.external ? external_table(pipeline_external(f->d->pipeline)) :
					       internal_table(pipeline_internal(f->d->pipeline));
	bool few = f->w.count || f->w.select.wants || f->w.peers;

	for (int i = 0; i < (few ? SELECT_STEPS : 1); i++) {
		if (ctl_room(out) < DUMP_STEP * FLOW_RECORD_MAX / 4)
			return CTL_MORE;
		if (dump_some(f, t, out, now) > 0)
			continue;
		if (f->w.count)
			dump_count(out, &f->w, f->found);
		return CTL_DONE;
	}
	return CTL_MORE;
}

static void dump_release(struct control_job *job, bool done)
{
	(void)done;
	free(container_of(job, struct flow_dump, job));
}

static const struct control_job_ops dump_ops = { .name = "dump",
						 .step = dump_step,
						 .release = dump_release };

struct control_job *dump_flows(const struct command_env *d, const struct dump_wish *w)
{
	struct flow_dump *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	*f = (struct flow_dump){ .job.ops = &dump_ops, .d = d, .w = *w };
	return &f->job;
}

/* ---- a cache of expectations ---- */

static void dump_expect(struct ctl_out *out, const struct flow_dump *f,
			const struct expect_rec *rec, struct mono now)
{
	struct expect_print_opts opts = {
		.active_s = mono_s(now) - rec->created_s,
		.expires_s = dump_expires_s(f, rec->updated_s, now),
	};
	char line[FLOW_LINE_MAX];
	uint8_t *bytes;
	size_t n;

	if (!ctl_out_is_text(out)) {
		bytes = ctl_record_reserve(out, CTL_REC_EXPECT, EXPECT_RECORD_MAX);
		if (bytes)
			ctl_record_commit(out, expect_record_pack(&rec->expect, &opts, bytes));
		return;
	}
	n = f->w.xml ? expect_print_xml(&rec->expect, &opts, line, sizeof(line) - 1) :
		       expect_print_text(&rec->expect, &opts, line, sizeof(line) - 1);
	line[n++] = '\n';
	ctl_text(out, line, n);
}

static enum ctl_step expects_step(struct control_job *job, struct ctl_out *out, struct mono now)
{
	struct flow_dump *f = container_of(job, struct flow_dump, job);
	struct exp_path *path = pipeline_expects(f->d->pipeline);
	const struct expects *cache =
		f->w.external ? exp_path_external(path) : exp_path_internal(path);
	uint32_t ids[DUMP_STEP];
	size_t n;

	if (ctl_room(out) < DUMP_STEP * EXPECT_RECORD_MAX / 4)
		return CTL_MORE;
	n = expects_walk(cache, &f->pos, ids, DUMP_STEP);
	for (size_t i = 0; i < n; i++) {
		const struct expect_rec *rec = expects_rec(cache, ids[i]);

		if (rec->state != REC_DEAD)
			dump_expect(out, f, rec, now);
	}
	return n > 0 ? CTL_MORE : CTL_DONE;
}

static const struct control_job_ops expects_ops = {
	.name = "dump of expectations",
	.step = expects_step,
	.release = dump_release,
};

struct control_job *dump_expects(const struct command_env *d, bool external, bool xml)
{
	struct flow_dump *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	*f = (struct flow_dump){ .job.ops = &expects_ops,
				 .d = d,
				 .w = { .external = external, .xml = xml } };
	return &f->job;
}

/* ---- the resend queue ---- */

struct ring_dump {
	struct control_job job;
	const struct command_env *d;
	bool as_json, begun;
	struct json json; /* one document, written in steps */
	uint32_t pos;	  /* see sync_ring_next() */
	/* lines: what was in the ring at the beginning, so that it ends on a busy node */
	uint32_t left;
};

static void ring_head(struct ring_dump *r, struct text *text)
{
	struct sync_queues q;

	sync_queues(pipeline_sync(r->d->pipeline), &q);
	if (!r->as_json) {
		text_printf(text, "resent queue (len=%" PRIu32 ")\n", q.ring_len);
		return;
	}
	r->json = json_begin(text);
	json_object(&r->json, NULL);
	json_uint(&r->json, "schema", JSON_SCHEMA);
	json_str(&r->json, "kind", "rsqueue", SIZE_MAX);
	json_uint(&r->json, "length", q.ring_len);
	json_array(&r->json, "messages");
}

static void ring_tail(struct ring_dump *r, struct text *text)
{
	if (!r->as_json)
		return;
	json_array_end(&r->json);
	json_object_end(&r->json);
	text_str(text, "\n");
}

/* What it is, in the bits of 1.4.x. */
static unsigned int ring_flags(const struct sync_sent *m)
{
	static const uint8_t bit[] = { [MSG_ACK] = 0x08, [MSG_NACK] = 0x04, [MSG_RESYNC] = 0x02 };
	unsigned int flags = m->kind < sizeof(bit) ? bit[m->kind] : 0;

	return flags | (m->hello & MSG_HELLO ? 0x20 : 0) | (m->hello & MSG_HELLO_BACK ? 0x40 : 0);
}

static void ring_json(struct json *j, const struct sync_sent *m)
{
	json_object(j, NULL);
	json_str(j, "what", msg_is_control(m->kind) ? "control" : "object", SIZE_MAX);
	json_uint(j, "seq", m->seq);
	if (msg_is_control(m->kind))
		json_uint(j, "flags", ring_flags(m));
	json_object_end(j);
}

/* False: there are no more. */
static bool ring_line(struct ring_dump *r, struct text *text)
{
	struct sync_sent m;

	if (!sync_ring_next(pipeline_sync(r->d->pipeline), &r->pos, &m))
		return false;
	if (r->as_json)
		ring_json(&r->json, &m);
	else if (msg_is_control(m.kind))
		text_printf(text, "control -> seq:%" PRIu32 " flags:%u\n", m.seq, ring_flags(&m));
	else
		text_printf(text, "object -> seq:%" PRIu32 "\n", m.seq);
	return true;
}

static enum ctl_step ring_step(struct control_job *job, struct ctl_out *out, struct mono now)
{
	struct ring_dump *r = container_of(job, struct ring_dump, job);
	uint32_t n = r->left < RING_STEP ? r->left : RING_STEP;
	struct text text = { 0 };
	bool more = true;

	(void)now;
	if (ctl_room(out) < RING_STEP * RING_LINE)
		return CTL_MORE;
	r->json.out = &text;
	if (!r->begun)
		ring_head(r, &text);
	r->begun = true;
	for (; n > 0 && more; n--, r->left--)
		more = ring_line(r, &text);
	more = more && r->left > 0;
	if (!more)
		ring_tail(r, &text);
	if (text.truncated) {
		ctl_note(out, "failed: out of memory");
		ctl_end(out, 1);
		more = false;
	} else {
		ctl_text(out, text.buf, text.len);
	}
	text_free(&text);
	return more ? CTL_MORE : CTL_DONE;
}

static void ring_release(struct control_job *job, bool done)
{
	(void)done;
	free(container_of(job, struct ring_dump, job));
}

static const struct control_job_ops ring_ops = { .name = "rsqueue",
						 .step = ring_step,
						 .release = ring_release };

struct control_job *dump_ring(const struct command_env *d, bool json)
{
	struct ring_dump *r = calloc(1, sizeof(*r));
	struct sync_queues q;

	if (!r)
		return NULL;
	sync_queues(pipeline_sync(d->pipeline), &q);
	*r = (struct ring_dump){
		.job.ops = &ring_ops, .d = d, .left = q.ring_len, .as_json = json
	};
	return &r->job;
}
