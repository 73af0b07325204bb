/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_TESTS_KEY_SEAL_H
#define CONNTRACKD_TESTS_KEY_SEAL_H

#include <stdbool.h>
#include <string.h>

#include "proto/seal.h"

/* A seal for tests, which keeps nothing secret: a number that is never used twice, and a sum over
 * key, number, addressee and bytes, in front of which the bytes stand changed by the number. */
#define KEY_SEAL_OVERHEAD 8u
#define KEY_SEAL_SEEN	  65536u

struct key_seal {
	uint32_t key, number;
	uint8_t own; /* last byte of our address: what is for another one is refused */
	uint8_t seen[KEY_SEAL_SEEN]; /* numbers that were opened */
	unsigned int n_for_one, n_refused, n_twice;
};

static inline uint32_t key_seal_sum(uint32_t key, uint32_t number, uint8_t to, const uint8_t *p,
				    size_t n)
{
	uint32_t h = key ^ number * 2654435761u ^ to;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

static inline size_t key_seal_seal(void *ctx, const struct peer_addr *to, uint8_t *bytes, size_t n)
{
	struct key_seal *k = ctx;
	uint32_t number = ++k->number, sum;

	k->n_for_one += to != NULL;
	for (size_t i = 0; i < n; i++)
		bytes[i] ^= (uint8_t)(number + i);
	sum = key_seal_sum(k->key, number, to ? to->addr[3] : 0, bytes, n);
	memcpy(bytes + n, &number, 4);
	memcpy(bytes + n + 4, &sum, 4);
	return n + KEY_SEAL_OVERHEAD;
}

static inline ssize_t key_seal_open(void *ctx, const struct peer_addr *from, const uint8_t *bytes,
				    size_t n, uint8_t *out)
{
	struct key_seal *k = ctx;
	uint32_t number, sum;

	(void)from;
	k->n_refused++;
	if (n < KEY_SEAL_OVERHEAD)
		return -1;
	n -= KEY_SEAL_OVERHEAD;
	memcpy(&number, bytes + n, 4);
	memcpy(&sum, bytes + n + 4, 4);
	if (sum != key_seal_sum(k->key, number, 0, bytes, n) &&
	    sum != key_seal_sum(k->key, number, k->own, bytes, n))
		return -1;
	k->n_twice += k->seen[number % KEY_SEAL_SEEN];
	if (k->seen[number % KEY_SEAL_SEEN])
		return -1;
	k->seen[number % KEY_SEAL_SEEN] = 1;
	k->n_refused--;
	for (size_t i = 0; i < n; i++)
		out[i] = bytes[i] ^ (uint8_t)(number + i);
	return (ssize_t)n;
}

/* What is written to a stream at once is read at once, here. */
static inline ssize_t key_seal_length(void *ctx, const uint8_t *bytes, size_t n)
{
	(void)ctx, (void)bytes;
	return n > KEY_SEAL_OVERHEAD ? (ssize_t)n : 0;
}

static const struct seal_ops key_seal_ops = {
	.overhead = KEY_SEAL_OVERHEAD,
	.seal = key_seal_seal,
	.open = key_seal_open,
	.length = key_seal_length,
};

#endif
