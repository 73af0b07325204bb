/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reply reader: whatever the pieces in which bytes arrive, the same comes out; cut and changed
 * bytes are noticed. What it is fed is made by the daemon's own writer, so this is the round trip
 * of the framing too. */
#include "client/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "control/out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define REC_VERSION 7

/* Everything the callbacks said, in one text; neighbouring TEXT is joined, so that its pieces do
 * not show. */
struct heard {
	struct text t;
	bool in_text;
};

static void kind(struct heard *h, char c)
{
	if (h->in_text && c == 'T')
		return;
	text_add(&h->t, &c, 1);
	h->in_text = c == 'T';
}

static void heard_text(void *ctx, const void *bytes, size_t n)
{
	struct heard *h = ctx;

	if (n == 0)
		return;
	kind(h, 'T');
	text_add(&h->t, bytes, n);
}

static void heard_note(void *ctx, const char *l, size_t n)
{
	struct heard *h = ctx;

	kind(h, 'N');
	text_add(&h->t, l, n);
}

static void heard_result(void *ctx, const char *l, size_t n)
{
	struct heard *h = ctx;

	kind(h, 'R');
	text_add(&h->t, l, n);
}

static bool heard_flow(void *ctx, const void *bytes, size_t n)
{
	struct heard *h = ctx;

	kind(h, 'F');
	text_add(&h->t, bytes, n);
	return n < 4 || memcmp(bytes, "bad!", 4) != 0;
}

static void heard_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct heard *h = ctx;

	kind(h, 'P');
	text_printf(&h->t, "%llu/%llu", (unsigned long long)done, (unsigned long long)total);
}

static const struct client_reply_ops ops = {
	.text = heard_text,
	.note = heard_note,
	.result = heard_result,
	.flow = heard_flow,
	.expect = heard_flow,
	.progress = heard_progress,
};

/* Feed n bytes in pieces of up to `piece`, each on an exact-size copy. */
static enum client_verdict hear(const uint8_t *bytes, size_t n, size_t piece, struct heard *h,
				int *status)
{
	struct client_reply *r = malloc(sizeof(*r));
	enum client_verdict v;

	assert_non_null(r);
	*h = (struct heard){ 0 };
	text_str(&h->t, "");
	client_reply_init(r, &ops, h, CTL_VERSION, REC_VERSION);
	assert_false(client_reply_any(r));
	while (n > 0) {
		size_t part = n < piece ? n : piece;
		uint8_t *copy = malloc(part);

		assert_non_null(copy);
		memcpy(copy, bytes, part);
		client_reply_feed(r, copy, part);
		free(copy);
		bytes += part;
		n -= part;
		assert_true(client_reply_any(r));
	}
	v = client_reply_finish(r, status);
	free(r);
	return v;
}

/* A reply with every kind of record. Owned by the caller. */
static struct ctl_out *sample(void)
{
	struct ctl_out *out = ctl_out_new();
	uint8_t progress[CTL_PROGRESS_LEN] = { 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4 };

	assert_non_null(out);
	ctl_out_begin(out, CTL_VERSION, 0, REC_VERSION);
	ctl_text(out, "one\ntwo\n", 8);
	ctl_note(out, "a note");
	ctl_result(out, "done");
	ctl_record(out, CTL_REC_FLOW, "flow1", 5);
	ctl_record(out, CTL_REC_FLOW, "", 0);
	ctl_record(out, CTL_REC_PROGRESS, progress, sizeof(progress));
	ctl_text(out, "three\n", 6);
	ctl_end(out, 1);
	ctl_out_finish(out);
	return out;
}

#define SAMPLE_HEARD "Tone\ntwo\nNa noteRdoneFflow1FP4294967298/12884901892Tthree\n"

static void round_trip_in_any_pieces(void **state)
{
	struct ctl_out *out = sample();
	size_t n = ctl_out_queued(out), piece;
	struct heard h;

	(void)state;
	for (piece = 1; piece <= n + 1; piece++) {
		int status = -1;

		if (hear(ctl_out_bytes(out), n, piece, &h, &status) != CLIENT_END || status != 1 ||
		    strcmp(h.t.buf, SAMPLE_HEARD) != 0)
			fail_msg("pieces of %zu: status %d, \"%s\"", piece, status, h.t.buf);
		text_free(&h.t);
	}
	ctl_out_free(out);
}

static void long_records(void **state)
{
	struct ctl_out *out = ctl_out_new();
	char *big = malloc(200000);
	static const size_t pieces[] = { 1000, 4096, 65535, 65536, 65539, 65543, 262144 };
	struct heard h;
	int status;

	(void)state;
	assert_non_null(big);
	for (size_t i = 0; i < 200000; i++)
		big[i] = (char)('a' + i % 23);
	ctl_out_begin(out, CTL_VERSION, 0, REC_VERSION);
	ctl_text(out, big, 200000);
	ctl_out_finish(out);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		assert_int_equal(
			hear(ctl_out_bytes(out), ctl_out_queued(out), pieces[i], &h, &status),
			CLIENT_END);
		assert_int_equal(status, 0);
		assert_int_equal(h.t.len, 200001);
		assert_memory_equal(h.t.buf + 1, big, 200000);
		text_free(&h.t);
	}
	free(big);
	ctl_out_free(out);
}

/* Cut at every length: never taken for complete. */
static void cut_everywhere(void **state)
{
	struct ctl_out *out = sample();
	size_t n = ctl_out_queued(out), cut;
	struct heard h;

	(void)state;
	for (cut = 0; cut < n; cut++) {
		int status = -1;
		enum client_verdict v = hear(ctl_out_bytes(out), cut, 7, &h, &status);

		if (v != (cut < CTL_HEADER_LEN ? CLIENT_PLAIN : CLIENT_CUT) || status != -1)
			fail_msg("cut at %zu: %d", cut, v);
		text_free(&h.t);
	}
	ctl_out_free(out);
}

/* Each byte changed to each value: no crash, and never "complete with status 0" out of a status of
 * 1, unless the byte was the status itself. */
static void byte_changed(void **state)
{
	struct ctl_out *out = sample();
	size_t n = ctl_out_queued(out), at;
	uint8_t *copy = malloc(n);
	struct heard h;

	(void)state;
	assert_non_null(copy);
	for (at = 0; at < n; at++) {
		for (int flip = 1; flip < 256; flip++) {
			int status = -1;
			enum client_verdict v;

			memcpy(copy, ctl_out_bytes(out), n);
			copy[at] ^= (uint8_t)flip;
			v = hear(copy, n, n, &h, &status);
			if (at < 4)
				assert_int_equal(v, CLIENT_PLAIN);
			else if (at < CTL_HEADER_LEN)
				assert_int_equal(v, CLIENT_OTHER_VERSION);
			else if (v == CLIENT_END && status == 0)
				assert_true(at >= n - CTL_END_LEN);
			text_free(&h.t);
		}
	}
	free(copy);
	ctl_out_free(out);
}

static void old_daemons(void **state)
{
	static const char *const answers[] = {
		"cache internal:\n",
		"x",
		"\xff",
		"\xff"
		"ct",
		"\xff"
		"ctx and more",
		"",
		"\xff"
		"ctd\0", /* cut by the end of the string: four bytes */
	};
	struct heard h;

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		for (size_t piece = 1; piece < 20; piece++) {
			int status = -1;

			assert_int_equal(hear((const uint8_t *)answers[i], strlen(answers[i]),
					      piece, &h, &status),
					 CLIENT_PLAIN);
			assert_int_equal(status, -1);
			if (answers[i][0]) {
				assert_int_equal(h.t.buf[0], 'T');
				assert_string_equal(h.t.buf + 1, answers[i]);
			} else {
				assert_int_equal(h.t.len, 0);
			}
			text_free(&h.t);
		}
	}
}

static void verdict_of(const char *bytes, size_t n, enum client_verdict want)
{
	struct heard h;
	int status = -1;

	for (size_t piece = 1; piece <= n; piece++) {
		enum client_verdict v = hear((const uint8_t *)bytes, n, piece, &h, &status);

		if (v != want)
			fail_msg("verdict %d instead of %d, pieces of %zu", v, want, piece);
		text_free(&h.t);
	}
}

#define VERDICT(bytes, want) verdict_of(bytes, sizeof(bytes) - 1, want)
#define HEAD \
	"\xff" \
	"ctd\0\3\0\7"

static void odd_records(void **state)
{
	(void)state;
	VERDICT(HEAD, CLIENT_CUT);
	VERDICT("\xff"
		"ctd\0\1\0\7",
		CLIENT_OTHER_VERSION);
	VERDICT("\xff"
		"ctd\0\3\0\10",
		CLIENT_OTHER_VERSION);
	VERDICT("\xff"
		"ctd\0\2\0\7",
		CLIENT_OTHER_VERSION);
	VERDICT("\xff"
		"ctd\0\1\0\7 and anything",
		CLIENT_OTHER_VERSION);
	VERDICT(HEAD "\0\3\0\5\0\0\0", CLIENT_GARBLED); /* END too short */
	VERDICT(HEAD "\0\5\0\5\0\0\0\0\0", CLIENT_GARBLED);
	VERDICT(HEAD "\0\0\0\5", CLIENT_GARBLED);
	VERDICT(HEAD "\0\1\0\4x", CLIENT_GARBLED);		    /* PROGRESS too short */
	VERDICT(HEAD "\0\1\0\11x\0\4\0\5\0\0\0\0", CLIENT_GARBLED); /* unknown type */
	VERDICT(HEAD "\0\1\0\0x", CLIENT_GARBLED);
	VERDICT(HEAD "\0\4\0\3bad!\0\4\0\5\0\0\0\0", CLIENT_GARBLED); /* refused by flow/ */
	VERDICT(HEAD "\0\0\0\1\0\4\0\5\0\0\0\0", CLIENT_END);	      /* empty text */
	VERDICT(HEAD "\0\4\0\5\0\0\0\0more", CLIENT_END);	      /* what follows is ignored */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip_in_any_pieces),
		cmocka_unit_test(long_records),
		cmocka_unit_test(cut_everywhere),
		cmocka_unit_test(byte_changed),
		cmocka_unit_test(old_daemons),
		cmocka_unit_test(odd_records),
	};

	return cmocka_run_group_tests_name("client/reply", tests, NULL, NULL);
}
