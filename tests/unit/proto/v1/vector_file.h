/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_TESTS_VECTOR_FILE_H
#define CONNTRACKD_TESTS_VECTOR_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One file of tests/vectors: header lines, payload, and what the comments say every message decodes
 * to. */
#define VECTOR_ATTRS_MAX 24
#define VECTOR_MSGS_MAX	 64

/* "+8 nta_len=12 nta_attr=0 IPV4 = src=10.1.0.2 dst=10.1.0.1" */
struct vector_attr {
	unsigned int offset; /* from the start of the message */
	unsigned int nta_len, number;
	char name[24];
	char value[256];
};

struct vector_msg {
	size_t offset; /* of the message in the payload */
	unsigned int version, type, flags, len;
	uint32_t seq, from, to;
	bool has_range;
	size_t n_attrs;
	struct vector_attr attrs[VECTOR_ATTRS_MAX];
};

struct vector {
	char name[64];
	char *text; /* the whole file, for the header lines */
	uint8_t *payload;
	size_t len;
	size_t n_declared; /* "messages:" of the header */
	size_t n_msgs;	   /* decode blocks found */
	struct vector_msg msgs[VECTOR_MSGS_MAX];
};

/* All files of tests/vectors in order of their names. Any oddity in a file fails the running
 * test. */
struct vector_set {
	struct vector *v;
	size_t n;
};

struct vector_set vectors_load(void);
void vectors_free(struct vector_set *set);

/* The text behind "# key: ", up to the end of the line; empty if there is no such line. In a static
 * buffer. */
const char *vector_header(const struct vector *v, const char *key);

/* Crafted by hand, that is not something a daemon sent. */
bool vector_is_bad(const struct vector *v);

/* The bytes on a heap block of exactly their size, to be freed by the caller: a read past the end
 * is then noticed. */
uint8_t *heap_copy(const uint8_t *bytes, size_t n);

#endif
