/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of the kernel read and printed as libnetfilter_conntrack does: thousands, from its own
 * builder, from real traffic, and both with faults. Each attribute is counted; one without a case
 * fails the test.
 */
#include "unit/kernel/oracle.h"

#include <stdlib.h>
#include <string.h>

#include "unit/kernel/support.h"

#define N_MADE	  6000
#define N_MUTATED 4  /* of each */
#define N_CUT	  40 /* messages cut at each length */

static struct oracle_list all; /* what was compared without faults, for the faults */
static struct ct_count *counts;

static void print_stats(const char *source, const struct oracle_stats *s)
{
	print_message("%s: %lu equal, %lu refused by rule, %lu that only we read\n", source,
		      s->equal, s->refused, s->only_ours);
}

static void library_messages(void **state)
{
	_Alignas(struct nlmsghdr) uint8_t buf[ORACLE_MSG_MAX];
	struct oracle_stats stats = { 0 };
	uint64_t s = seed_get();

	(void)state;
	for (int i = 0; i < N_MADE; i++) {
		size_t n = oracle_make(&s, buf);

		oracle_compare("made", buf, n, &stats);
		ct_count_message(counts, (const struct nlmsghdr *)buf);
		oracle_list_add(&all, buf, n);
	}
	print_stats("source A, the library's builder", &stats);
	assert_int_equal(stats.equal, N_MADE);
}

static void real_messages(void **state)
{
	struct oracle_stats stats = { 0 };
	struct oracle_list live = { 0 };

	(void)state;
	if (!netns_enter())
		skip();
	oracle_live(&live);
	for (size_t i = 0; i < live.n; i++) {
		uint32_t len;

		memcpy(&len, live.msg[i], sizeof(len));
		oracle_compare("of this kernel", live.msg[i], len, &stats);
		ct_count_message(counts, (const struct nlmsghdr *)live.msg[i]);
		oracle_list_add(&all, live.msg[i], len);
	}
	print_stats("source B, this kernel", &stats);
	assert_int_equal(stats.equal, live.n);
	assert_true(live.n > 300);
	oracle_list_free(&live);
}

static void faulty_messages(void **state)
{
	_Alignas(struct nlmsghdr) uint8_t buf[ORACLE_MSG_MAX];
	struct oracle_stats stats = { 0 };
	uint64_t s = seed_get();

	(void)state;
	for (size_t i = 0; i < all.n; i++) {
		for (int k = 0; k < N_MUTATED; k++) {
			size_t n = oracle_mutate(&s, all.msg[i], buf);

			oracle_compare("with a fault", buf, n, &stats);
		}
	}
	print_stats("source C, faults", &stats);
	assert_true(stats.equal > 1000 && stats.refused > 1000);
}

static void cut_messages(void **state)
{
	struct oracle_stats stats = { 0 };

	(void)state;
	for (size_t i = 0; i < all.n; i += all.n / N_CUT) {
		uint32_t len;

		memcpy(&len, all.msg[i], sizeof(len));
		for (uint32_t cut = 0; cut < len; cut++) {
			oracle_compare("cut", all.msg[i], cut, &stats);
			memcpy(all.msg[i], &cut, sizeof(cut)); /* and the header agreeing with it */
			oracle_compare("cut, length adjusted", all.msg[i],
				       cut < sizeof(cut) ? sizeof(cut) : cut, &stats);
			memcpy(all.msg[i], &len, sizeof(len));
		}
	}
	print_stats("source C, cut at each length", &stats);
}

static void no_attribute_is_missing(void **state)
{
	(void)state;
	assert_int_equal(ct_count_report(counts), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(library_messages),	   cmocka_unit_test(real_messages),
		cmocka_unit_test(faulty_messages),	   cmocka_unit_test(cut_messages),
		cmocka_unit_test(no_attribute_is_missing),
	};
	int rc;

	counts = ct_count_new();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	oracle_list_free(&all);
	ct_count_free(counts);
	return rc;
}
