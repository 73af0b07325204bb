/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each mode takes, refuses and swallows, by the captured and crafted messages of
 * tests/vectors: their files say what 1.4.7 in that mode did with them. */
#include "unack_world.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit/proto/v1/vector_file.h"

static const struct {
	const char *name, *reaction;
	enum sync_mode mode;
} modes[] = {
	{ "FTFW", "reaction-ftfw", SYNC_MODE_FTFW },
	{ "NOTRACK", "reaction-notrack", SYNC_MODE_NOTRACK },
	{ "ALARM", "reaction-alarm", SYNC_MODE_ALARM },
};

static struct vector_set vectors;

static struct world *open_mode(enum sync_mode mode)
{
	return world_open((struct sync_conf){
		.mode = mode,
		.resend_queue_size = 1024,
		.ack_window = 300,
		.refresh_s = 60,
		.cache_timeout_s = 180,
	});
}

/* One datagram, as node/pipeline.c takes it apart. */
static void receive(struct world *w, const uint8_t *bytes, size_t n)
{
	uint8_t *copy = heap_copy(bytes, n);
	struct cursor c = cur_init(copy, n), body;
	struct wire_hdr hdr;

	while (c.left > 0) {
		enum proto_err err = wire_next(&c, &hdr, &body);

		if (err == PROTO_OK) {
			recv_v1(w->s, &peer_source, &hdr, body, w->now);
			continue;
		}
		sync_count_refused(w->s, err);
		if (err != PROTO_BAD_VERSION)
			break;
	}
	free(copy);
}

static unsigned int reaction(const char *line, const char *counter)
{
	const char *at = strstr(line, counter);

	return at ? (unsigned int)strtoul(at + strlen(counter) + 2, NULL, 10) : 0;
}

static void crafted_messages_move_the_same_counters(void **state)
{
	unsigned int checked = 0;

	(void)state;
	for (size_t i = 0; i < 3 * vectors.n; i++) {
		const struct vector *v = &vectors.v[i / 3];
		const struct proto_stats *s;
		struct world *w;
		char line[256];

		if (!vector_is_bad(v) ||
		    strcmp(vector_header(v, "expected-ours"), "as 1.4.7 in the same mode") != 0)
			continue;
		snprintf(line, sizeof(line), "%s", vector_header(v, modes[i % 3].reaction));
		w = open_mode(modes[i % 3].mode);
		receive(w, v->payload, v->len);
		s = &sync_stats(w->s)->wire;
		if (s->malformed != reaction(line, "malformed") ||
		    s->truncated != reaction(line, "truncated") ||
		    s->bad_size != reaction(line, "bad_size") ||
		    s->bad_version != reaction(line, "bad_version") ||
		    s->bad_header != reaction(line, "bad_header") ||
		    s->bad_type != reaction(line, "bad_type") ||
		    s->bad_payload != reaction(line, "bad_payload") ||
		    w->n_applied != reaction(line, "entries stored"))
			fail_msg("%s in %s: not \"%s\"", v->name, modes[i % 3].name, line);
		checked++;
		sync_close(w->s);
	}
	assert_true(checked > 60);
}

static void captured_messages_are_taken(void **state)
{
	unsigned int checked = 0;

	(void)state;
	for (size_t i = 0; i < 3 * vectors.n; i++) {
		const struct vector *v = &vectors.v[i / 3];
		const char *mode = modes[i % 3].name;
		unsigned int flows = 0;
		struct world *w;

		if (vector_is_bad(v) || strcmp(vector_header(v, "mode"), mode) != 0)
			continue;
		for (size_t k = 0; k < v->n_msgs; k++)
			flows += v->msgs[k].type <= WIRE_CT_DEL;
		w = open_mode(modes[i % 3].mode);
		receive(w, v->payload, v->len);
		if (sync_stats(w->s)->wire.malformed > 0 || sync_stats(w->s)->other_mode > 0 ||
		    w->n_applied != flows)
			fail_msg("%s: %u of %u flows, %u refused", v->name, w->n_applied, flows,
				 (unsigned int)sync_stats(w->s)->wire.malformed);
		checked++;
		sync_close(w->s);
	}
	assert_true(checked > 100);
}

static int load(void **state)
{
	(void)state;
	vectors = vectors_load();
	return 0;
}

static int unload(void **state)
{
	(void)state;
	vectors_free(&vectors);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crafted_messages_move_the_same_counters),
		cmocka_unit_test(captured_messages_are_taken),
	};

	return cmocka_run_group_tests_name("messages by mode", tests, load, unload);
}
