/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_BASE_JSON_H
#define CONNTRACKD_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* Writes JSON (RFC 8259) into a text, without blanks or newlines. Commas are added as needed.
 * Inside an object each value has a name, which is one of the program's own, in ASCII; inside an
 * array, and for the document itself, name is NULL. The caller closes each object and array that it
 * has opened. Without memory the text is marked truncated (base/text.h). */
struct json {
	struct text *out; /* borrowed */
	bool comma;	  /* the next value needs a comma before it */
};

static inline struct json json_begin(struct text *out)
{
	return (struct json){ .out = out };
}

void json_object(struct json *j, const char *name);
void json_object_end(struct json *j);
void json_array(struct json *j, const char *name);
void json_array_end(struct json *j);

void json_uint(struct json *j, const char *name, uint64_t v);
void json_int(struct json *j, const char *name, int64_t v);
void json_bool(struct json *j, const char *name, bool v);

/* A string of any bytes, up to its NUL or max bytes. Well-formed UTF-8 is written as it is, control
 * characters (C0, DEL, C1) as \u00XX, and each byte that is no part of well-formed UTF-8 becomes
 * U+FFFD: the document is valid whatever bytes the string holds, and a terminal acts on none of
 * them. */
void json_str(struct json *j, const char *name, const char *s, size_t max);

#endif
