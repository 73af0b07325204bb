/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private data of flows that were themselves expected. The kernel keeps none for those: it takes a
 * change of the helper of a flow that has a master for done and does nothing.
 *
 * A fixed number of rows; a newer flow takes the place of an older one, whose helper begins anew
 * then, as after a take-over. */
#include "helper/helper.h"

#include <string.h>

static struct helper_memory_row *row_of(struct helper_memory *m, const struct hash_key *hash,
					const uint64_t key[HELPER_KEY])
{
	return &m->row[hash_words(hash, key, HELPER_KEY) % HELPER_MEMORY];
}

void helper_memory_get(struct helper_memory *m, const struct hash_key *hash,
		       const uint64_t key[HELPER_KEY], struct helper_private *priv)
{
	const struct helper_memory_row *row = row_of(m, hash, key);

	if (memcmp(row->key, key, sizeof(row->key)))
		*priv = (struct helper_private){ 0 };
	else
		*priv = row->priv;
}

void helper_memory_put(struct helper_memory *m, const struct hash_key *hash,
		       const uint64_t key[HELPER_KEY], const struct helper_private *priv)
{
	struct helper_memory_row *row = row_of(m, hash, key);

	memcpy(row->key, key, sizeof(row->key));
	row->priv = *priv;
}
