/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_BASE_VALUE_ROWS_H
#define CONNTRACKD_BASE_VALUE_ROWS_H

#include "base/values.h"

/* How the rows of a table of values are written, for the files that have such a table. The names
 * are short because a row is one line; so no header may include this one. */

/* A table of rows ends with VALUE_END. */
#define VALUE_END \
	{ \
		.help = NULL, .text = NULL \
	}

#define VALUE_AT(s, m) .at = offsetof(s, m), .size = sizeof(((s *)0)->m)
#define VALUE_OF(k, t, s, m, n, u, x, h) \
	{ \
		.name = (n), .unit = (u), .text = (x), .help = (h), .kind = (k), .type = (t), \
		VALUE_AT(s, m) \
	}

/* One value: structure, member, name, unit, text, help. */
#define COUNTER(s, m, n, u, x, h)	 VALUE_OF(VALUE_COUNTER, VALUE_UINT, s, m, n, u, x, h)
#define GAUGE(s, m, n, u, x, h)		 VALUE_OF(VALUE_GAUGE, VALUE_UINT, s, m, n, u, x, h)
#define GAUGE_IF_KNOWN(s, m, n, u, x, h) VALUE_OF(VALUE_GAUGE, VALUE_OPTIONAL, s, m, n, u, x, h)
#define YES_NO(s, m, n, x, h)		 VALUE_OF(VALUE_INFO, VALUE_BOOL, s, m, n, NULL, x, h)
#define YES_NO_IF_KNOWN(s, m, n, x, h)	 VALUE_OF(VALUE_INFO, VALUE_MAYBE, s, m, n, NULL, x, h)
#define WORD(s, m, n, x, h)		 VALUE_OF(VALUE_INFO, VALUE_STRING, s, m, n, NULL, x, h)
#define CHARS(s, m, n, x, h)		 VALUE_OF(VALUE_INFO, VALUE_CHARS, s, m, n, NULL, x, h)
#define WORD_IF_KNOWN(s, m, n, x, h) \
	{ \
		.name = (n), .text = (x), .help = (h), .kind = VALUE_INFO, .type = VALUE_STRING, \
		.optional = true, VALUE_AT(s, m) \
	}
#define BITS(s, m, n, b, h) \
	{ \
		.name = (n), .help = (h), .kind = VALUE_INFO, .type = VALUE_BITS, .bits = (b), \
		VALUE_AT(s, m) \
	}

/* A struct value_histogram. */
#define HISTOGRAM(s, m, n, u, h) VALUE_OF(VALUE_HISTOGRAM, VALUE_BUCKETS, s, m, n, u, NULL, h)

/* The same, whose text is shown only where the value is not 0. */
#define QUIET_COUNTER(s, m, n, u, x, h) \
	{ \
		.name = (n), .unit = (u), .text = (x), .help = (h), .kind = VALUE_COUNTER, \
		.type = VALUE_UINT, .quiet = true, VALUE_AT(s, m) \
	}
#define QUIET_YES_NO(s, m, n, x, h) \
	{ \
		.name = (n), .text = (x), .help = (h), .kind = VALUE_INFO, .type = VALUE_BOOL, \
		.quiet = true, VALUE_AT(s, m) \
	}
#define QUIET_WORD(s, m, n, x, h) \
	{ \
		.name = (n), .text = (x), .help = (h), .kind = VALUE_INFO, .type = VALUE_STRING, \
		.quiet = true, .optional = true, VALUE_AT(s, m) \
	}
/* A value once more, in the text only. */
#define AGAIN(s, m, x) VALUE_OF(VALUE_GAUGE, VALUE_UINT, s, m, NULL, NULL, x, NULL)
/* Text without a value. */
#define TEXT(x) \
	{ \
		.text = (x), .type = VALUE_NOTHING \
	}
#define ROWS(t) \
	{ \
		.type = VALUE_ROWS, .rows = (t) \
	}

#endif
