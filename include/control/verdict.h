/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CONTROL_VERDICT_H
#define CONNTRACKD_CONTROL_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "base/values.h"
#include "control/command.h"

/* The answer to a question of a monitor or of a cluster manager (--health, --ready, --live): a
 * word, an exit status, and why; one line, or one JSON document. The daemon answers, and in its
 * place the client when there is none to ask. */
enum verdict_status {
	/* --health: as monitoring plugins have them; the worst reason counts */
	VERDICT_OK = 0,
	VERDICT_WARNING = 1,
	VERDICT_CRITICAL = 2,
	VERDICT_UNKNOWN = 3,
	/* --ready, --live */
	VERDICT_YES = 0,
	VERDICT_NO = 1,
};

#define VERDICT_REASONS 24
#define VERDICT_TEXT	200

struct verdict_reason {
	const char *name; /* for programs: "peer_silent"; static */
	enum verdict_status status;
	char text[VERDICT_TEXT];
};

/* All zeros but asked: a verdict without any reason. */
struct verdict {
	enum ctl_question asked;
	size_t n;
	bool more; /* there are reasons that found no place */
	enum verdict_status status;
	char good[VERDICT_TEXT]; /* said where there is no reason */
	struct verdict_reason reason[VERDICT_REASONS];
};

/* One reason; the status of the verdict becomes the worst of all reasons. CRITICAL is worse than
 * UNKNOWN. */
void verdict_add(struct verdict *v, enum verdict_status status, const char *name, const char *fmt,
		 ...) __attribute__((format(printf, 4, 5)));
/* What is said where there is none. */
void verdict_good(struct verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "OK", "WARNING", "READY", "NOT READY", ... */
const char *verdict_word(const struct verdict *v);
/* The reasons behind each other, the worst first; or what is good. */
void verdict_why(const struct verdict *v, struct text *out);

/* The whole answer: "CONNTRACKD WARNING - ..." and a newline, or a document. */
void verdict_print(const struct verdict *v, const struct values_backend *as, unsigned int schema,
		   struct text *out);
/* Into a document: an object `name` (of the table verdict) and a list `reasons`. */
void verdict_values(const struct verdict *v, const char *name, struct values *doc);

extern const struct value_group verdict_group, verdict_reason_group; /* for doc/json.md */

#endif
