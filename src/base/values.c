/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Named values and their back ends. A back end gets each value with its row, and only the row says
 * what the value means (name, unit, kind, help). So one more back end needs no change where values
 * come from. */
#include "base/values.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct values_backend {
	void (*begin)(struct values *v, const char *kind, unsigned int schema);
	void (*end)(struct values *v);
	void (*group)(struct values *v, const char *name, const struct value_group *g,
		      const void *of);
	void (*list)(struct values *v, const char *name);
	void (*list_end)(struct values *v);
	void (*word)(struct values *v, const char *name, const char *word);
};

static bool is_end(const struct value_row *r)
{
	return !r->name && !r->text && !r->rows;
}

static const void *place(const struct value_row *r, const void *of)
{
	return (const char *)of + r->at;
}

/* *v becomes the value of a row that is a number (yes and no: 1 and 0). Negative: not known. Only
 * for the types that are numbers. */
static int64_t number(const struct value_row *r, const void *of, uint64_t *v)
{
	const void *p = place(r, of);
	int64_t known;

	switch (r->type) {
	case VALUE_UINT:
		*v = r->size == 8 ? *(const uint64_t *)p :
		     r->size == 4 ? *(const uint32_t *)p :
		     r->size == 2 ? *(const uint16_t *)p :
				    *(const uint8_t *)p;
		return 0;
	case VALUE_BOOL:
		*v = *(const bool *)p;
		return 0;
	case VALUE_OPTIONAL:
		known = *(const int64_t *)p;
		break;
	case VALUE_MAYBE:
		known = *(const int8_t *)p;
		break;
	default:
		known = -1;
	}
	*v = known < 0 ? 0 : (uint64_t)known;
	return known;
}

static bool is_word(const struct value_row *r)
{
	return r->type == VALUE_STRING || r->type == VALUE_CHARS;
}

/* The text of a row that has one; NULL: not known. */
static const char *word_of(const struct value_row *r, const void *of)
{
	return r->type == VALUE_CHARS ? place(r, of) : *(const char *const *)place(r, of);
}

/* ---- text ---- */

static void text_value(struct text *out, const struct value_row *r, const void *of, int width)
{
	uint64_t v;

	if (is_word(r))
		text_str(out, word_of(r, of) ? word_of(r, of) : "");
	else if (number(r, of, &v) >= 0)
		text_printf(out, "%*" PRIu64, width, v);
}

static bool is_silent(const struct value_row *r, const void *of)
{
	uint64_t v = 0;

	if (!r->quiet)
		return false;
	return is_word(r) ? !word_of(r, of) : number(r, of, &v) < 0 || v == 0;
}

static void text_row(struct text *out, const struct value_row *r, const void *of)
{
	const char *mark = r->text ? strchr(r->text, '%') : NULL;
	char *after;
	int width;

	if (!r->text || is_silent(r, of))
		return;
	if (!mark) {
		text_str(out, r->text);
		return;
	}
	text_add(out, r->text, (size_t)(mark - r->text));
	width = (int)strtol(mark + 1, &after, 10);
	text_value(out, r, of, width);
	text_str(out, after);
}

static void text_rows(struct text *out, const struct value_row *r, const void *of)
{
	for (; !is_end(r); r++) {
		if (r->type == VALUE_ROWS)
			text_rows(out, r->rows, of);
		else
			text_row(out, r, of);
	}
}

static void text_begin(struct values *v, const char *kind, unsigned int schema)
{
	(void)v, (void)kind, (void)schema;
}

static void text_end(struct values *v)
{
	(void)v;
}

static void text_group(struct values *v, const char *name, const struct value_group *g,
		       const void *of)
{
	(void)name;
	if (g->prose)
		g->prose(of, v->out);
	else
		text_rows(v->out, g->rows, of);
}

static void text_list(struct values *v, const char *name)
{
	(void)v, (void)name;
}

static void text_word(struct values *v, const char *name, const char *word)
{
	(void)v, (void)name, (void)word;
}

const struct values_backend values_text = {
	.begin = text_begin,
	.end = text_end,
	.group = text_group,
	.list = text_list,
	.list_end = text_end,
	.word = text_word,
};

/* ---- JSON ---- */

static void json_histogram(struct json *j, const char *name, const struct value_histogram *h)
{
	json_object(j, name);
	json_array(j, "bounds");
	for (size_t i = 0; i < h->n; i++)
		json_uint(j, NULL, h->bounds[i]);
	json_array_end(j);
	json_array(j, "counts");
	for (size_t i = 0; i <= h->n; i++)
		json_uint(j, NULL, h->counts[i]);
	json_array_end(j);
	json_uint(j, "sum", h->sum);
	json_object_end(j);
}

static void json_bits(struct json *j, const struct value_row *r, unsigned int set)
{
	json_array(j, r->name);
	for (unsigned int i = 0; r->bits[i]; i++)
		if (set & 1u << i)
			json_str(j, NULL, r->bits[i], SIZE_MAX);
	json_array_end(j);
}

static void json_row(struct json *j, const struct value_row *r, const void *of)
{
	uint64_t v;

	if (is_word(r)) {
		if (word_of(r, of))
			json_str(j, r->name, word_of(r, of),
				 r->type == VALUE_CHARS ? r->size : SIZE_MAX);
	} else if (r->type == VALUE_BUCKETS) {
		json_histogram(j, r->name, place(r, of));
	} else if (r->type == VALUE_BITS) {
		json_bits(j, r, *(const uint8_t *)place(r, of));
	} else if (number(r, of, &v) >= 0) {
		if (r->kind == VALUE_INFO)
			json_bool(j, r->name, v != 0);
		else
			json_uint(j, r->name, v);
	}
}

static void json_rows(struct json *j, const struct value_row *r, const void *of)
{
	for (; !is_end(r); r++) {
		if (r->type == VALUE_ROWS)
			json_rows(j, r->rows, of);
		else if (r->name)
			json_row(j, r, of);
	}
}

static void json_begins(struct values *v, const char *kind, unsigned int schema)
{
	v->json = json_begin(v->out);
	json_object(&v->json, NULL);
	json_uint(&v->json, "schema", schema);
	json_str(&v->json, "kind", kind, SIZE_MAX);
}

static void json_ends(struct values *v)
{
	json_object_end(&v->json);
	text_add(v->out, "\n", 1);
}

static void json_group(struct values *v, const char *name, const struct value_group *g,
		       const void *of)
{
	json_object(&v->json, name);
	json_rows(&v->json, g->rows, of);
	json_object_end(&v->json);
}

static void json_list(struct values *v, const char *name)
{
	json_array(&v->json, name);
}

static void json_list_end(struct values *v)
{
	json_array_end(&v->json);
}

static void json_word(struct values *v, const char *name, const char *word)
{
	json_str(&v->json, name, word, SIZE_MAX);
}

const struct values_backend values_json = {
	.begin = json_begins,
	.end = json_ends,
	.group = json_group,
	.list = json_list,
	.list_end = json_list_end,
	.word = json_word,
};

/* ---- documents ---- */

void values_begin(struct values *v, const struct values_backend *as, const char *kind,
		  unsigned int schema, struct text *out)
{
	*v = (struct values){ .as = as, .out = out };
	as->begin(v, kind, schema);
}

void values_end(struct values *v)
{
	v->as->end(v);
}

bool values_for_people(const struct values *v)
{
	return v->as == &values_text;
}

void values_group(struct values *v, const char *name, const struct value_group *g, const void *of)
{
	v->as->group(v, name, g, of);
}

void values_list(struct values *v, const char *name)
{
	v->as->list(v, name);
}

void values_list_end(struct values *v)
{
	v->as->list_end(v);
}

void values_word(struct values *v, const char *name, const char *word)
{
	v->as->word(v, name, word);
}
