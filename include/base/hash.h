/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_BASE_HASH_H
#define CONNTRACKD_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Keyed hash with a random key from the start of the daemon: hashed values come from the network,
 * so that an attacker may choose them. */
struct hash_key {
	uint64_t k0, k1;
};

/* Fill the key from getrandom(2). 0 or -errno. */
int hash_key_random(struct hash_key *key) __attribute__((warn_unused_result));

/* SipHash-1-3 over n 64-bit words (the flow key is padded to whole words): short, keyed, no lookup
 * tables. */
uint32_t hash_words(const struct hash_key *key, const uint64_t *words, size_t n);

#endif
