/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --monitor. A line is made once it was said, for each who looks on, and waits with the job until
 * the client's queue has room. A reader that has fallen asleep loses lines and is told how many,
 * when it wakes up: nothing is kept for it beyond MONITOR_BYTES. */
#include "command/monitor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "base/list.h"
#include "base/log.h"
#include "flow/flow_json.h"

#define MONITOR_BYTES 65536u

struct monitors {
	struct list_node list; /* struct monitor */
};

struct monitor {
	struct control_job job;
	struct list_node node;
	bool json;
	struct text waits; /* lines for the client */
	uint64_t lost;	   /* that found no place since */
};

static void add_json(struct text *out, int64_t wall_s, const char *level, const char *said)
{
	struct json j = json_begin(out);

	json_object(&j, NULL);
	json_uint(&j, "schema", JSON_SCHEMA);
	json_str(&j, "kind", "event", SIZE_MAX);
	json_uint(&j, "time_s", (uint64_t)wall_s);
	json_str(&j, "level", level, SIZE_MAX);
	json_str(&j, "text", said, SIZE_MAX);
	json_object_end(&j);
	text_str(out, "\n");
}

static void add_text(struct text *out, int64_t wall_s, const char *level, const char *said)
{
	time_t t = (time_t)wall_s;
	char when[32] = "?";
	struct tm tm;

	if (localtime_r(&t, &tm))
		strftime(when, sizeof(when), "%F %T", &tm);
	text_printf(out, "%s [%s] %s\n", when, level, said);
}

static void add(struct monitor *m, int64_t wall_s, const char *level, const char *said)
{
	(m->json ? add_json : add_text)(&m->waits, wall_s, level, said);
}

static void on_line(void *ctx, const struct log_kept *line, const char *said)
{
	struct monitors *all = ctx;

	for (struct list_node *at = all->list.next; at != &all->list; at = at->next) {
		struct monitor *m = container_of(at, struct monitor, node);

		if (m->waits.len < MONITOR_BYTES)
			add(m, line->wall_s, log_level_word(line->level), said);
		else
			m->lost++;
		control_job_wake(&m->job);
	}
}

static enum ctl_step monitor_step(struct control_job *job, struct ctl_out *out, struct mono now)
{
	struct monitor *m = container_of(job, struct monitor, job);
	char said[80];

	(void)now;
	if (m->waits.truncated) {
		ctl_note(out, "failed: out of memory");
		ctl_end(out, 1);
		return CTL_DONE;
	}
	if (m->lost > 0) {
		snprintf(said, sizeof(said),
			 "%" PRIu64 " lines are missing here: the reader was too slow", m->lost);
		add(m, clock_wall_s(), "warning", said);
		m->lost = 0;
	}
	ctl_text(out, m->waits.buf, m->waits.len);
	text_reset(&m->waits);
	return CTL_WAIT;
}

static void monitor_release(struct control_job *job, bool done)
{
	struct monitor *m = container_of(job, struct monitor, job);

	(void)done;
	list_del(&m->node);
	text_free(&m->waits);
	free(m);
}

static const struct control_job_ops monitor_ops = {
	.name = "monitor",
	.step = monitor_step,
	.release = monitor_release,
};

struct control_job *monitors_add(struct monitors *all, bool json)
{
	struct monitor *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->job.ops = &monitor_ops;
	m->json = json;
	list_add_tail(&all->list, &m->node);
	return &m->job;
}

struct monitors *monitors_new(void)
{
	struct monitors *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	list_init(&all->list);
	log_watch(on_line, all);
	return all;
}

void monitors_free(struct monitors *all)
{
	if (!all)
		return;
	log_watch(NULL, NULL);
	free(all);
}
