/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_BASE_VALUES_H
#define CONNTRACKD_BASE_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/text.h"

/* Named values: what a program shows of itself, described once in tables and rendered by back ends.
 *
 * A row describes one value: where it is found in a plain structure, its name, unit and kind, a
 * line of help, and how the text for people shows it. A group is the table of one structure. A
 * caller hands its structure over with the group, and the back end of the document renders it as
 * text or as JSON. Values are read during that call, nothing is kept. */
enum value_kind {
	VALUE_INFO,	 /* words, yes or no: a label of the numbers beside it */
	VALUE_GAUGE,	 /* goes up and down */
	VALUE_COUNTER,	 /* only goes up, from 0 at the start of the daemon */
	VALUE_HISTOGRAM, /* struct value_histogram: how often a quantity was how large */
};

enum value_type {
	VALUE_NOTHING,	/* a piece of text without a value */
	VALUE_UINT,	/* unsigned, of 1 to 8 bytes */
	VALUE_OPTIONAL, /* int64_t; negative: not known, left out */
	VALUE_BOOL,	/* bool */
	VALUE_MAYBE,	/* int8_t: 0, 1; negative: not known, left out */
	VALUE_STRING,	/* const char *; NULL: not known, left out */
	VALUE_CHARS,	/* char[] */
	VALUE_BITS,	/* uint8_t: names of the bits that are set */
	VALUE_BUCKETS,	/* struct value_histogram */
	VALUE_ROWS,	/* the rows of another table, of the same structure */
};

/* counts[i] times the quantity was at most bounds[i], and more than bounds[i - 1]; counts[n] times
 * it was larger than all bounds. Borrowed. */
struct value_histogram {
	const uint64_t *bounds, *counts;
	size_t n;
	uint64_t sum; /* of all quantities */
};

struct value_row {
	const char *name; /* NULL: in the text for people only */
	const char *unit; /* "bytes", "s"; NULL: none */
	const char *help; /* a sentence without its full stop */
	/* As people see it: '%' is the value, '%12' the value at the right of 12 columns; false and
	 * not known is nothing. NULL: not shown. */
	const char *text;
	enum value_kind kind;
	enum value_type type;
	bool quiet;    /* the text is left out where the value is 0, false or not known */
	bool optional; /* a VALUE_STRING that may be NULL */
	uint8_t size;  /* bytes of a VALUE_UINT or VALUE_CHARS */
	size_t at;     /* offset in the structure */
	const struct value_row *rows; /* VALUE_ROWS */
	const char *const *bits;      /* VALUE_BITS: in the order of the bits; ends with NULL */
};

struct value_group {
	const char *name; /* name of its table in doc/json.md */
	const char *help;
	const struct value_row *rows;
	/* Writes the text for people where that is prose and no list of rows; NULL: the texts of
	 * the rows are used. */
	void (*prose)(const void *of, struct text *out);
};

/* A document. out is borrowed until values_end(). */
struct values {
	const struct values_backend *as;
	struct text *out;
	struct json json;
};

extern const struct values_backend values_text, values_json;

/* Begin a document; kind and schema stand at its beginning where the back end has a place for
 * them. */
void values_begin(struct values *v, const struct values_backend *as, const char *kind,
		  unsigned int schema, struct text *out);
void values_end(struct values *v);

/* Does the document become text for people? Such a text has some values only if something is
 * wrong. */
bool values_for_people(const struct values *v);

/* Add one structure. name: of the object in JSON; NULL inside a list. */
void values_group(struct values *v, const char *name, const struct value_group *g, const void *of);
/* Begin a list: any number of structures of the same kind. */
void values_list(struct values *v, const char *name);
void values_list_end(struct values *v);
/* Add a text that no row describes: in JSON a string, for people nothing. */
void values_word(struct values *v, const char *name, const char *word);

#endif
