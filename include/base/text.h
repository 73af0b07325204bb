/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_BASE_TEXT_H
#define CONNTRACKD_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing text buffer for reports and error texts: not for the data path. Always NUL-terminated
 * once written to. Start from a zeroed struct; `limit` 0 means no limit of its own. When memory or
 * the limit is exhausted `truncated` is set and the rest is dropped. */
struct text {
	char *buf;  /* owned; NULL while empty */
	size_t len; /* bytes without the NUL */
	size_t cap;
	size_t limit;
	bool truncated;
};

/* printf into the text. */
void text_printf(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Append n bytes as they are. */
void text_add(struct text *t, const void *bytes, size_t n);

/* Append a NUL-terminated string. */
void text_str(struct text *t, const char *s);

/* Empty it, keep the memory. */
void text_reset(struct text *t);

/* Free the memory; t is a fresh empty text afterwards. */
void text_free(struct text *t);

#endif
