/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CACHE_SLAB_H
#define CONNTRACKD_CACHE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Slots of one size, numbered from 0, in chunks that never move and are given back only all
 * together. Memory that was never used costs address space, not pages. */
#define SLAB_CHUNK_SLOTS 4096u
#define SLAB_NONE	 UINT32_MAX

struct slab {
	uint8_t **chunk; /* owned; the slots, then the bitmap of live ones */
	uint32_t n_chunks, cap_chunks;
	uint32_t stride;    /* bytes from slot to slot */
	uint32_t slot_size; /* bytes of a slot its user may touch */
	uint32_t used;	    /* slots below were handed out at least once */
	uint32_t free_head; /* most recently freed slot, SLAB_NONE if there is none */
	uint32_t max_slots; /* numbers stay below this */
};

/* slot_size: bytes, at least 4. max_slots: bound of the numbers. Allocates nothing. */
void slab_init(struct slab *s, size_t slot_size, uint32_t max_slots);
/* Free all memory; harmless on a zeroed slab. */
void slab_free_all(struct slab *s);

/* Hand out a slot, contents undefined. Its number, or SLAB_NONE without memory or numbers. */
uint32_t slab_take(struct slab *s);
/* Free a slot; its number may be handed out again at once. */
void slab_give(struct slab *s, uint32_t slot);

/* The first live slot with a number of at least `from`, SLAB_NONE if there is none. Does not touch
 * the slots. */
uint32_t slab_next_live(const struct slab *s, uint32_t from);
bool slab_is_live(const struct slab *s, uint32_t slot);

/* Bytes allocated, touched or not. */
size_t slab_memory(const struct slab *s);

/* The slot with this number, 8-byte aligned. */
static inline void *slab_at(const struct slab *s, uint32_t slot)
{
	return s->chunk[slot / SLAB_CHUNK_SLOTS] + (size_t)(slot % SLAB_CHUNK_SLOTS) * s->stride;
}

#endif
