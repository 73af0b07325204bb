/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SipHash-1-3 against values computed by another implementation (CPython's hash() of bytes, which
 * is SipHash-1-3 with a known key under PYTHONHASHSEED), folded to 32 bits. */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void hash_known_values(void **state)
{
	static const struct hash_key zero = { 0, 0 };
	static const struct hash_key some = { UINT64_C(0xdc504fd368cd90af),
					      UINT64_C(0xb920bb9ffe99e9c1) };
	static const struct {
		const struct hash_key *key;
		size_t n;
		uint32_t want;
	} cases[] = {
		{ &zero, 1, 0xd44449d6 }, { &zero, 2, 0x5fc5c93f }, { &zero, 3, 0x1ab7c37e },
		{ &zero, 5, 0x21aea2e6 }, { &zero, 6, 0xdf5bee8f }, { &some, 1, 0xb80f81ab },
		{ &some, 2, 0x6c722158 }, { &some, 3, 0x78aea2eb }, { &some, 5, 0x9a0eb026 },
		{ &some, 6, 0x5dc089bf },
	};
	uint64_t words[6];
	size_t i;

	(void)state;
	for (i = 0; i < 6; i++)
		words[i] = UINT64_C(0x0123456789abcdef) * (i + 1);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (hash_words(cases[i].key, words, cases[i].n) != cases[i].want)
			fail_msg("case %zu: %zu words", i, cases[i].n);
	}
}

static void hash_key_differs(void **state)
{
	struct hash_key a = { 0 }, b = { 0 };
	uint64_t word = 1;

	(void)state;
	assert_int_equal(hash_key_random(&a), 0);
	assert_int_equal(hash_key_random(&b), 0);
	assert_true(a.k0 != b.k0 && a.k1 != b.k1 && a.k0 != a.k1);
	assert_int_not_equal(hash_words(&a, &word, 1), hash_words(&b, &word, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_known_values),
		cmocka_unit_test(hash_key_differs),
	};

	return cmocka_run_group_tests_name("base/hash", tests, NULL, NULL);
}
