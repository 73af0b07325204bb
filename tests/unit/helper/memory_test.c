/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is remembered for flows whose private data the kernel does not keep. */
#include "helper/helper.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct hash_key hash = { 1, 2 };
static struct helper_memory memory;

static void put(uint64_t flow, uint8_t first)
{
	const uint64_t key[HELPER_KEY] = { 10, 11, 12, 13, 14, flow };

	helper_memory_put(&memory, &hash, key, &(struct helper_private){ .bytes = { first, 7 } });
}

static int get(uint64_t flow)
{
	const uint64_t key[HELPER_KEY] = { 10, 11, 12, 13, 14, flow };
	struct helper_private priv;

	memset(&priv, 0xaa, sizeof(priv));
	helper_memory_get(&memory, &hash, key, &priv);
	assert_int_equal(priv.bytes[1], priv.bytes[0] ? 7 : 0);
	assert_int_equal(priv.bytes[sizeof(priv.bytes) - 1], 0);
	return priv.bytes[0];
}

static void of_one_flow(void **state)
{
	(void)state;
	assert_int_equal(get(1), 0);
	put(1, 5);
	assert_int_equal(get(1), 5);
	put(1, 6);
	assert_int_equal(get(1), 6);
	assert_int_equal(get(2), 0);
}

/* Whoever has lost its place begins anew, and never gets another one's. */
static void of_many(void **state)
{
	unsigned int kept = 0;

	(void)state;
	for (unsigned int i = 1; i <= 4 * HELPER_MEMORY; i++)
		put(i, (uint8_t)(i % 250 + 1));
	for (unsigned int i = 1; i <= 4 * HELPER_MEMORY; i++) {
		int got = get(i);

		assert_true(got == 0 || got == (int)(i % 250 + 1));
		kept += got != 0;
	}
	assert_in_range(kept, HELPER_MEMORY / 2, HELPER_MEMORY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_one_flow),
		cmocka_unit_test(of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
