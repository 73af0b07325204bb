/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads tests/vectors/X.txt. The files are ours, so anything unexpected in them is an error of the
 * test. */
#include "vector_file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "recorded.h"

#define VECTOR_DIR TESTS_SRCDIR "/vectors"

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 65536);
	size_t n;

	assert_non_null(f);
	assert_non_null(text);
	n = fread(text, 1, 65535, f);
	assert_true(n > 0 && n < 65535);
	fclose(f);
	return text;
}

static void parse_hex(struct vector *v, const char *line)
{
	unsigned int byte;
	int used;

	while (sscanf(line, " %2x%n", &byte, &used) == 1) {
		v->payload[v->len++] = (uint8_t)byte;
		line += used;
	}
}

static void parse_attr(struct vector_msg *m, const char *line)
{
	struct vector_attr *a = &m->attrs[m->n_attrs++];

	assert_true(m->n_attrs <= VECTOR_ATTRS_MAX);
	assert_int_equal(sscanf(line, "# +%u nta_len=%u nta_attr=%u %23s = %255[^\n]", &a->offset,
				&a->nta_len, &a->number, a->name, a->value),
			 5);
}

/* A line of a decode block; header lines and prose are left alone. */
static void parse_comment(struct vector *v, const char *line)
{
	struct vector_msg *m = v->n_msgs > 0 ? &v->msgs[v->n_msgs - 1] : NULL;
	const char *at = line + 1 + strspn(line + 1, " ");
	unsigned int from, to;

	if (sscanf(line, "# messages: %zu", &v->n_declared) == 1)
		return;
	if (*at == '@') {
		assert_true(v->n_msgs < VECTOR_MSGS_MAX);
		m = &v->msgs[v->n_msgs++];
		assert_int_equal(
			sscanf(at,
			       "@%zu byte0=%*x version=%u type=%u %*s flags=%x %*s len=%u seq=%u",
			       &m->offset, &m->version, &m->type, &m->flags, &m->len, &m->seq),
			6);
	} else if (sscanf(at, "+8 from=%u +12 to=%u", &from, &to) == 2) {
		assert_non_null(m);
		m->from = from;
		m->to = to;
		m->has_range = true;
	} else if (*at == '+') {
		char flat[400];

		assert_non_null(m);
		snprintf(flat, sizeof(flat), "# %.380s", at);
		parse_attr(m, flat);
	}
}

static void parse_vector(struct vector *v)
{
	v->payload = malloc(strlen(v->text));
	assert_non_null(v->payload);
	for (const char *line = v->text; *line;) {
		size_t n = strcspn(line, "\n");
		char copy[512];

		assert_true(n < sizeof(copy));
		memcpy(copy, line, n);
		copy[n] = '\0';
		if (copy[0] == '#')
			parse_comment(v, copy);
		else
			parse_hex(v, copy);
		line += n + (line[n] == '\n');
	}
	assert_int_equal(v->len, strtoul(vector_header(v, "payload-bytes"), NULL, 10));
	recorded_settle(v->payload, v->len);
}

static int is_vector(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 4 && strcmp(d->d_name + n - 4, ".txt") == 0;
}

struct vector_set vectors_load(void)
{
	struct vector_set set = { 0 };
	struct dirent **names;
	int n = scandir(VECTOR_DIR, &names, is_vector, alphasort);

	assert_true(n > 0);
	set.v = calloc((size_t)n, sizeof(set.v[0]));
	assert_non_null(set.v);
	for (int i = 0; i < n; i++) {
		struct vector *v = &set.v[set.n++];
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", VECTOR_DIR, names[i]->d_name);
		snprintf(v->name, sizeof(v->name), "%.*s", (int)strlen(names[i]->d_name) - 4,
			 names[i]->d_name);
		v->text = read_file(path);
		parse_vector(v);
		free(names[i]);
	}
	free(names);
	return set;
}

void vectors_free(struct vector_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		free(set->v[i].text);
		free(set->v[i].payload);
	}
	free(set->v);
	*set = (struct vector_set){ 0 };
}

const char *vector_header(const struct vector *v, const char *key)
{
	static char value[256];
	char prefix[64];
	const char *at;

	snprintf(prefix, sizeof(prefix), "# %s: ", key);
	at = strstr(v->text, prefix);
	value[0] = '\0';
	if (at)
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\n") - (int)strlen(prefix),
			 at + strlen(prefix));
	return value;
}

bool vector_is_bad(const struct vector *v)
{
	return strncmp(v->name, "bad-", 4) == 0;
}

uint8_t *heap_copy(const uint8_t *bytes, size_t n)
{
	uint8_t *copy = malloc(n);

	assert_true(copy != NULL || n == 0);
	if (n > 0)
		memcpy(copy, bytes, n);
	return copy;
}
