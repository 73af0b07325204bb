/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SipHash-1-3 (Aumasson, Bernstein: one compression round per word, three at the end), for input
 * that is always a whole number of 64-bit words. Keyed, because whoever chooses ports and addresses
 * would otherwise choose buckets. */
#include "base/hash.h"

#include <errno.h>
#include <sys/random.h>

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotl(uint64_t x, unsigned int by)
{
	return x << by | x >> (64 - by);
}

static inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13);
	s->v1 ^= s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16);
	s->v3 ^= s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21);
	s->v3 ^= s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17);
	s->v1 ^= s->v2;
	s->v2 = rotl(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t m)
{
	s->v3 ^= m;
	sip_round(s);
	s->v0 ^= m;
}

int hash_key_random(struct hash_key *key)
{
	ssize_t n;

	do {
		n = getrandom(key, sizeof(*key), 0);
	} while (n == -1 && errno == EINTR);
	if (n == -1)
		return -errno;
	return n == (ssize_t)sizeof(*key) ? 0 : -EIO;
}

uint32_t hash_words(const struct hash_key *key, const uint64_t *words, size_t n)
{
	struct sip s = {
		.v0 = key->k0 ^ UINT64_C(0x736f6d6570736575),
		.v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d),
		.v2 = key->k0 ^ UINT64_C(0x6c7967656e657261),
		.v3 = key->k1 ^ UINT64_C(0x7465646279746573),
	};
	uint64_t h;
	size_t i;

	for (i = 0; i < n; i++)
		sip_word(&s, words[i]);
	/* The last block of the definition: the length in bytes modulo 256 on top, no bytes left
	 * over. */
	sip_word(&s, (uint64_t)(n * 8 & 0xff) << 56);
	s.v2 ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	h = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	return (uint32_t)(h ^ h >> 32);
}
