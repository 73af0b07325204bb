/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `-i` without internal cache: what the Filter lets through of the kernel table, or the kernel's
 * expectations, as the kernel tells them. Each client has a dump of its own, which reads the next
 * part only when the client has taken the one before, so a slow reader costs nobody anything. */
#include "command/dump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "flow/flow_print.h"
#include "kernel/ct.h"

struct kernel_dump {
	struct control_job job;
	struct ct_dump *dump;
	const struct flow_filter *filter; /* borrowed */
	struct dump_wish w;
	uint64_t found;
	bool begun, ended, text, expects;
	int err;
	int64_t wall_s;
	/* what was read and waits for the client: lines, or records with their length before
	 * them */
	struct text part;
};

static void add_record(struct kernel_dump *k, const uint8_t *record, size_t len)
{
	uint16_t n = (uint16_t)len;

	text_add(&k->part, &n, sizeof(n));
	text_add(&k->part, record, len);
}

static void kernel_entry(void *ctx, const struct ct_flow *f, const struct ct_seen *seen,
			 struct mono now)
{
	struct kernel_dump *k = ctx;
	const struct flow_print_opts opts = {
		.active_s = -1,
		.expires_s = -1,
		.now_s = k->wall_s,
		.use = seen->use,
		.kernel_view = true,
	};
	char line[FLOW_LINE_MAX];
	uint8_t record[FLOW_RECORD_MAX];
	size_t n;

	(void)now;
	if (!flow_filter_pass(k->filter, f))
		return; /* with an internal cache it would not be there either */
	if (!flow_select_pass(&k->w.select, f))
		return;
	k->found++;
	if (k->w.count)
		return;
	if (!k->text) {
		add_record(k, record, flow_record_pack(f, &opts, record));
		return;
	}
	n = k->w.xml ? flow_print_xml(f, &opts, line, sizeof(line) - 1) :
		       flow_print_text(f, &opts, line, sizeof(line) - 1);
	line[n++] = '\n';
	text_add(&k->part, line, n);
}

static void kernel_expect(void *ctx, const struct ct_expect *e, struct mono now)
{
	struct kernel_dump *k = ctx;
	const struct expect_print_opts opts = { .active_s = -1, .expires_s = -1, .timeout = true };
	uint8_t record[EXPECT_RECORD_MAX];
	char line[FLOW_LINE_MAX];
	size_t n;

	(void)now;
	if (!k->text) {
		add_record(k, record, expect_record_pack(e, &opts, record));
		return;
	}
	n = k->w.xml ? expect_print_xml(e, &opts, line, sizeof(line) - 1) :
		       expect_print_text(e, &opts, line, sizeof(line) - 1);
	line[n++] = '\n';
	text_add(&k->part, line, n);
}

/* Nothing more is read until the client has this. */
static void kernel_part(void *ctx, struct mono now)
{
	struct kernel_dump *k = ctx;

	(void)now;
	if (k->part.len == 0)
		return;
	ct_dump_pause(k->dump, true);
	control_job_wake(&k->job);
}

static void kernel_done(void *ctx, int err, struct mono now)
{
	struct kernel_dump *k = ctx;

	(void)now;
	k->ended = true;
	k->err = err;
	control_job_wake(&k->job);
}

static void put_records(struct ctl_out *out, enum ctl_record_type type, const struct text *part)
{
	uint16_t n;

	for (size_t at = 0; at < part->len; at += sizeof(n) + n) {
		memcpy(&n, part->buf + at, sizeof(n));
		ctl_record(out, type, part->buf + at + sizeof(n), n);
	}
}

static enum ctl_step kernel_step(struct control_job *job, struct ctl_out *out, struct mono now)
{
	struct kernel_dump *k = container_of(job, struct kernel_dump, job);

	(void)now;
	if (!k->begun) {
		k->begun = true;
		k->text = ctl_out_is_text(out);
		k->wall_s = clock_wall_s();
		k->err = ct_dump_start(k->dump, 0);
		k->ended = k->err < 0;
	}
	if (k->part.truncated)
		k->err = -ENOMEM;
	if (k->text)
		ctl_text(out, k->part.buf, k->part.len);
	else
		put_records(out, k->expects ? CTL_REC_EXPECT : CTL_REC_FLOW, &k->part);
	text_reset(&k->part);
	if (!k->ended && k->err == 0) {
		ct_dump_pause(k->dump, false);
		return CTL_WAIT;
	}
	if (k->err < 0 && k->err != -EINTR) { /* the table may change while it is shown */
		ctl_note(out, "failed: %s", strerror(-k->err));
		ctl_end(out, 1);
	} else if (k->w.count) {
		dump_count(out, &k->w, k->found);
	}
	return CTL_DONE;
}

static void kernel_release(struct control_job *job, bool done)
{
	struct kernel_dump *k = container_of(job, struct kernel_dump, job);

	(void)done;
	ct_dump_close(k->dump);
	text_free(&k->part);
	free(k);
}

static const struct control_job_ops kernel_ops = {
	.name = "kernel dump",
	.step = kernel_step,
	.release = kernel_release,
};

struct control_job *dump_kernel(const struct command_env *d, bool expects,
				const struct dump_wish *w, struct text *err)
{
	struct kernel_dump *k = calloc(1, sizeof(*k));
	struct ct_dump_cb cb = { .ctx = k, .part = kernel_part, .done = kernel_done };

	if (!k) {
		text_str(err, "out of memory");
		return NULL;
	}
	k->job.ops = &kernel_ops;
	k->w = *w;
	k->expects = expects;
	k->filter = d->filter;
	if (expects)
		cb.expect = kernel_expect;
	else
		cb.entry = kernel_entry;
	if (ct_dump_open(d->loop, &cb, &k->dump, err) < 0) {
		free(k);
		return NULL;
	}
	return &k->job;
}
