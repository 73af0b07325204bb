/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CACHE_WHOLE_H
#define CONNTRACKD_CACHE_WHOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/text.h"

/* Does a cache hold every flow that it should, and if not, why not and since when? Plain data,
 * embedded by its user; all zeros is a cache that is complete.
 *
 * A reason stays until a repair (a comparison of the internal cache with the kernel, a full answer
 * of the peers for the external one) that began after it has gone through to its end. A reason that
 * comes again during a repair outlives it. */
enum whole_reason {
	WHOLE_START = 0x01,  /* internal: the kernel table has not been read to its end yet */
	WHOLE_LIMIT = 0x02,  /* HashLimit: flows found no place */
	WHOLE_MEMORY = 0x04, /* no memory: the same */
	/* states injected: our kernel's table had no room for flows of the peers */
	WHOLE_KERNEL = 0x08,
	WHOLE_OVERRUN = 0x10, /* internal: the kernel dropped events */
	/* external: emptied by -f; internal: -f asked for a comparison, or the kernel table was
	 * flushed */
	WHOLE_FLUSHED = 0x20,
	WHOLE_EXPECTS = 0x40, /* HashLimit or memory: expectations found no place */
};

/* The reasons why there was no room for flows; each module that raises another reason repairs that
 * itself. */
#define WHOLE_NO_ROOM (WHOLE_LIMIT | WHOLE_MEMORY | WHOLE_KERNEL) /* for flows */
#define WHOLE_SHORT   (WHOLE_NO_ROOM | WHOLE_EXPECTS)

/* So many flows that found no place are counted exactly; beyond, the number is a lower bound. */
#define WHOLE_COUNTED 1536u
#define WHOLE_SLOTS   2048u

struct whole {
	uint8_t why;   /* enum whole_reason, several; 0: complete */
	uint8_t fresh; /* of these: raised since the last repair began */
	bool repairing;
	bool more;	  /* more than n_missing flows, perhaps */
	bool fresh_more;  /* the same, since the last repair began */
	bool missed_more; /* the same, of n_missed */
	/* flows that found no place, and neither got one since nor ended */
	uint32_t n_missing;
	/* flows that found no place since the cache was complete, also those that found one
	 * later */
	uint32_t n_missed;
	struct mono since; /* set while why is not 0 */
	/* by hash: the hash, and whether the flow was missed since the last repair began; 0:
	 * free */
	uint32_t missing[WHOLE_SLOTS];
};

static inline bool whole_is(const struct whole *w)
{
	return w->why == 0;
}

/* Flows are missing for this reason. True when that was not known. */
bool whole_lack(struct whole *w, enum whole_reason why, struct mono now);
/* A flow found no place; hash: of its key, always the same for the same flow. Beside
 * whole_lack(). */
void whole_missed(struct whole *w, uint32_t hash);
/* The flow has a place now, or has ended, or is not wanted any more: it is missing no longer, if it
 * was. Worth a call only while n_missing is not 0. */
void whole_found(struct whole *w, uint32_t hash);

/* A repair begins. If one is under way already, that one counts for both. */
void whole_repair_begin(struct whole *w);
/* The repair has ended; done: it went over everything, so that a flow that found no place before
 * the repair, and not again during it, is missing no longer. True when the cache is complete now
 * and was not before: then n_missed stays readable until the next whole_lack(). */
bool whole_repair_end(struct whole *w, bool done);
/* This reason is gone without a repair of the flows. True as that of whole_repair_end(). */
bool whole_settle(struct whole *w, enum whole_reason why);

/* A word for each reason, in the order of the bits; ends with NULL. */
extern const char *const whole_words[];
/* "HashLimit reached, events lost": the reasons in words, for people. Nothing for none. */
void whole_reasons(uint8_t why, struct text *out);

#endif
