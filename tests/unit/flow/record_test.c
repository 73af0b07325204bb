/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control-socket records: there and back, cut at every length, every byte damaged. */
#include "flow/flow_print.h"

#include "flow/flow_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow_random.h"

#define N_FLOWS 20000

static struct flow_print_opts random_opts(struct rng *r)
{
	return (struct flow_print_opts){
		.active_s = rng_one_in(r, 2) ? -1 : (int64_t)rng_u32(r),
		.expires_s = rng_one_in(r, 2) ? -1 : (int64_t)rng_u32(r),
		.now_s = 1800000000,
		.use = rng_below(r, 3),
		.kernel_view = rng_one_in(r, 2),
	};
}

/* Packed from a slot of exactly the flow's size. */
static size_t pack(const struct ct_flow *f, const struct flow_print_opts *opts, uint8_t *out)
{
	struct ct_flow *slot = malloc(flow_size(f));
	size_t n;

	assert_non_null(slot);
	flow_copy(slot, f);
	n = flow_record_pack(slot, opts, out);
	free(slot);
	assert_true(n <= FLOW_RECORD_MAX);
	return n;
}

static int unpack(const uint8_t *bytes, size_t n, struct ct_flow *f, struct flow_rare *rare,
		  struct flow_print_opts *opts)
{
	uint8_t *exact = malloc(n);
	int err;

	assert_true(exact != NULL || n == 0);
	if (n > 0)
		memcpy(exact, bytes, n);
	err = flow_record_unpack(exact, n, f, rare, opts);
	free(exact);
	return err;
}

static void random_flow(struct rng *r, struct ct_flow *f, struct flow_rare *rare)
{
	if (rng_one_in(r, 2))
		random_kernel_flow(r, f, rare);
	else
		random_peer_flow(r, f, rare);
}

static void assert_same_json(const struct ct_flow *a, const struct flow_print_opts *a_opts,
			     const struct ct_flow *b, const struct flow_print_opts *b_opts)
{
	struct text one = { 0 }, two = { 0 };

	flow_print_json(a, a_opts, &one);
	flow_print_json(b, b_opts, &two);
	assert_string_equal(one.buf, two.buf);
	text_free(&one);
	text_free(&two);
}

static void records_print_the_same_lines(void **state)
{
	struct rng r = rng_from_env("records");

	(void)state;
	for (int i = 0; i < N_FLOWS; i++) {
		struct flow_print_opts opts = random_opts(&r), opts_back;
		char before[FLOW_LINE_MAX], after[FLOW_LINE_MAX];
		struct flow_rare rare, rare_back;
		uint8_t buf[FLOW_RECORD_MAX];
		struct ct_flow f, back;

		random_flow(&r, &f, &rare);
		assert_int_equal(unpack(buf, pack(&f, &opts, buf), &back, &rare_back, &opts_back),
				 0);
		assert_int_equal(back.has, f.has);
		assert_int_equal(back.rare != NULL, f.rare != NULL);
		assert_true(flow_equal_replicated(&f, &back));
		assert_same_json(&f, &opts, &back, &opts_back);
		flow_print_xml(&f, &opts, before, sizeof(before));
		flow_print_xml(&back, &opts_back, after, sizeof(after));
		assert_string_equal(before, after);
	}
}

static void every_cut_and_every_surplus_is_refused(void **state)
{
	struct rng r = rng_from_env("record cuts");

	(void)state;
	for (int i = 0; i < 300; i++) {
		struct flow_print_opts opts = random_opts(&r), opts_back;
		uint8_t buf[FLOW_RECORD_MAX + 1] = { 0 };
		struct flow_rare rare, rare_back;
		struct ct_flow f, back;
		size_t n;

		random_flow(&r, &f, &rare);
		n = pack(&f, &opts, buf);
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(unpack(buf, cut, &back, &rare_back, &opts_back), -EINVAL);
		assert_int_equal(unpack(buf, n + 1, &back, &rare_back, &opts_back), -EINVAL);
	}
}

static void damaged_records_can_be_printed_or_are_refused(void **state)
{
	struct rng r = rng_from_env("record damage");

	(void)state;
	for (int i = 0; i < 300; i++) {
		struct flow_print_opts opts = random_opts(&r), opts_back;
		struct flow_rare rare, rare_back;
		uint8_t buf[FLOW_RECORD_MAX];
		char line[FLOW_LINE_MAX];
		struct ct_flow f, back;
		size_t n;

		random_flow(&r, &f, &rare);
		n = pack(&f, &opts, buf);
		for (size_t at = 0; at < n; at++) {
			uint8_t pattern =
				rng_one_in(&r, 2) ? 0xff : (uint8_t)(1u << rng_below(&r, 8));

			buf[at] ^= pattern;
			if (unpack(buf, n, &back, &rare_back, &opts_back) == 0) {
				assert_true(back.l3 == AF_INET || back.l3 == AF_INET6);
				flow_print_text(&back, &opts_back, line, sizeof(line));
				flow_print_xml(&back, &opts_back, line, sizeof(line));
				assert_same_json(&back, &opts_back, &back, &opts_back);
			}
			buf[at] ^= pattern;
		}
	}
}

static void other_versions_are_refused(void **state)
{
	struct flow_print_opts opts = { 0 }, opts_back;
	struct ct_flow f = { .l3 = AF_INET, .l4 = 50 }, back;
	uint8_t buf[FLOW_RECORD_MAX];
	struct flow_rare rare;
	size_t n = pack(&f, &opts, buf);

	(void)state;
	assert_int_equal(unpack(buf, n, &back, &rare, &opts_back), 0);
	buf[0] = FLOW_RECORD_VERSION + 1;
	assert_int_equal(unpack(buf, n, &back, &rare, &opts_back), -EINVAL);
}

static void a_helper_without_end_is_refused(void **state)
{
	struct flow_print_opts opts = { 0 }, opts_back;
	struct flow_rare rare = { .helper = "abcdefghijklmno" }, rare_back;
	struct ct_flow f = { .has = FLOW_HAS_HELPER, .l3 = AF_INET, .l4 = 50, .rare = &rare }, back;
	uint8_t buf[FLOW_RECORD_MAX];
	size_t n = pack(&f, &opts, buf);

	(void)state;
	assert_int_equal(unpack(buf, n, &back, &rare_back, &opts_back), 0);
	assert_string_equal(back.rare->helper, "abcdefghijklmno");
	rare.helper[15] = 'p';
	n = pack(&f, &opts, buf);
	assert_int_equal(unpack(buf, n, &back, &rare_back, &opts_back), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_print_the_same_lines),
		cmocka_unit_test(every_cut_and_every_surplus_is_refused),
		cmocka_unit_test(damaged_records_can_be_printed_or_are_refused),
		cmocka_unit_test(other_versions_are_refused),
		cmocka_unit_test(a_helper_without_end_is_refused),
	};

	return cmocka_run_group_tests_name("flow record", tests, NULL, NULL);
}
