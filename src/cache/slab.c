/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slots of one size. Chunks come straight from mmap(): zero pages cost nothing until a slot is
 * used, and a table of a million flows does not fragment the heap. A bitmap of live slots at the
 * end of each chunk lets a walk skip free slots without touching them, so a step over a table that
 * was large once is still short. Freed slots are linked through their first four bytes and reused
 * newest first, while they are warm.
 *
 * Under AddressSanitizer free slots and a gap after every slot are poisoned: the shorter slot of an
 * IPv4 flow cannot be overrun unnoticed.
 */
#include "cache/slab.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define SLAB_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_ASAN 1
#endif
#endif

#ifdef SLAB_ASAN
#include <sanitizer/asan_interface.h>
#define SLAB_GAP 16u
#else
#define SLAB_GAP 0u
#endif

#define WORDS_PER_CHUNK (SLAB_CHUNK_SLOTS / 64)

static inline void slot_poison(void *p, size_t n)
{
#ifdef SLAB_ASAN
	ASAN_POISON_MEMORY_REGION(p, n);
#else
	(void)p;
	(void)n;
#endif
}

static inline void slot_unpoison(void *p, size_t n)
{
#ifdef SLAB_ASAN
	ASAN_UNPOISON_MEMORY_REGION(p, n);
#else
	(void)p;
	(void)n;
#endif
}

static inline size_t chunk_bytes(const struct slab *s)
{
	return (size_t)SLAB_CHUNK_SLOTS * s->stride + WORDS_PER_CHUNK * sizeof(uint64_t);
}

static inline uint64_t *live_words(const struct slab *s, uint32_t chunk)
{
	return (uint64_t *)(void *)(s->chunk[chunk] + (size_t)SLAB_CHUNK_SLOTS * s->stride);
}

void slab_init(struct slab *s, size_t slot_size, uint32_t max_slots)
{
	assert(slot_size >= sizeof(uint32_t) && slot_size < 4096);
	*s = (struct slab){
		.slot_size = (uint32_t)slot_size,
		.stride = (uint32_t)((slot_size + 7) & ~(size_t)7) + SLAB_GAP,
		.free_head = SLAB_NONE,
		.max_slots = max_slots,
	};
}

void slab_free_all(struct slab *s)
{
	for (uint32_t i = 0; i < s->n_chunks; i++) {
		/* the address range may be mapped again by others */
		slot_unpoison(s->chunk[i], chunk_bytes(s));
		munmap(s->chunk[i], chunk_bytes(s));
	}
	free(s->chunk);
	s->chunk = NULL;
	s->n_chunks = s->cap_chunks = s->used = 0;
	s->free_head = SLAB_NONE;
}

static bool add_chunk(struct slab *s)
{
	void *p;

	if (s->n_chunks == s->cap_chunks) {
		uint32_t cap = s->cap_chunks > 0 ? 2 * s->cap_chunks : 16;
		uint8_t **grown = realloc(s->chunk, cap * sizeof(*grown));

		if (!grown)
			return false;
		s->chunk = grown;
		s->cap_chunks = cap;
	}
	p = mmap(NULL, chunk_bytes(s), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return false;
	slot_poison(p, (size_t)SLAB_CHUNK_SLOTS * s->stride);
	s->chunk[s->n_chunks++] = p;
	return true;
}

uint32_t slab_take(struct slab *s)
{
	uint32_t slot = s->free_head;
	void *p;

	if (slot != SLAB_NONE) {
		p = slab_at(s, slot);
		slot_unpoison(p, s->slot_size);
		memcpy(&s->free_head, p, sizeof(s->free_head));
	} else {
		if (s->used == s->max_slots)
			return SLAB_NONE;
		if (s->used == s->n_chunks * SLAB_CHUNK_SLOTS && !add_chunk(s))
			return SLAB_NONE;
		slot = s->used++;
		slot_unpoison(slab_at(s, slot), s->slot_size);
	}
	live_words(s, slot / SLAB_CHUNK_SLOTS)[slot % SLAB_CHUNK_SLOTS / 64] |= UINT64_C(1)
										<< slot % 64;
	return slot;
}

void slab_give(struct slab *s, uint32_t slot)
{
	void *p = slab_at(s, slot);

	assert(slab_is_live(s, slot));
	live_words(s, slot / SLAB_CHUNK_SLOTS)[slot % SLAB_CHUNK_SLOTS / 64] &=
		~(UINT64_C(1) << slot % 64);
	memcpy(p, &s->free_head, sizeof(s->free_head));
	s->free_head = slot;
	slot_poison(p, s->slot_size);
}

uint32_t slab_next_live(const struct slab *s, uint32_t from)
{
	while (from < s->used) {
		const uint64_t *words = live_words(s, from / SLAB_CHUNK_SLOTS);
		uint64_t left = words[from % SLAB_CHUNK_SLOTS / 64] >> from % 64;

		if (left)
			return from + (uint32_t)__builtin_ctzll(left);
		from = (from / 64 + 1) * 64;
	}
	return SLAB_NONE;
}

bool slab_is_live(const struct slab *s, uint32_t slot)
{
	if (slot >= s->used)
		return false;
	return live_words(s, slot / SLAB_CHUNK_SLOTS)[slot % SLAB_CHUNK_SLOTS / 64] >> slot % 64 &
	       1;
}

size_t slab_memory(const struct slab *s)
{
	return s->n_chunks * chunk_bytes(s) + s->cap_chunks * sizeof(*s->chunk);
}
