/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A writer of JSON: commas and escapes. Names and their meaning are the caller's, and stand in
 * doc/json.md. */
#include "base/json.h"

#include <string.h>

static void value_begins(struct json *j, const char *name)
{
	if (j->comma)
		text_add(j->out, ",", 1);
	j->comma = true;
	if (!name)
		return;
	text_add(j->out, "\"", 1);
	text_str(j->out, name);
	text_add(j->out, "\":", 2);
}

static void opens(struct json *j, const char *name, const char *bracket)
{
	value_begins(j, name);
	text_add(j->out, bracket, 1);
	j->comma = false;
}

static void closes(struct json *j, const char *bracket)
{
	text_add(j->out, bracket, 1);
	j->comma = true;
}

void json_object(struct json *j, const char *name)
{
	opens(j, name, "{");
}

void json_object_end(struct json *j)
{
	closes(j, "}");
}

void json_array(struct json *j, const char *name)
{
	opens(j, name, "[");
}

void json_array_end(struct json *j)
{
	closes(j, "]");
}

/* Written without printf: a dump of a million flows has ten million numbers. */
static void digits(struct json *j, bool minus, uint64_t v)
{
	char buf[21], *p = buf + sizeof(buf);

	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	if (minus)
		*--p = '-';
	text_add(j->out, p, (size_t)(buf + sizeof(buf) - p));
}

void json_uint(struct json *j, const char *name, uint64_t v)
{
	value_begins(j, name);
	digits(j, false, v);
}

void json_int(struct json *j, const char *name, int64_t v)
{
	value_begins(j, name);
	digits(j, v < 0, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

void json_bool(struct json *j, const char *name, bool v)
{
	value_begins(j, name);
	text_str(j->out, v ? "true" : "false");
}

/* Bytes of the well-formed UTF-8 character (RFC 3629) of more than one byte at s, of which n are
 * there; 0: none. */
static size_t utf8_length(const unsigned char *s, size_t n)
{
	static const struct {
		unsigned char first_min, first_max, second_min, second_max;
		size_t len;
	} forms[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, /* no character that fits in two bytes */
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, /* no surrogates */
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 }, /* up to U+10FFFF */
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (s[0] < forms[i].first_min || s[0] > forms[i].first_max)
			continue;
		if (n < forms[i].len || s[1] < forms[i].second_min || s[1] > forms[i].second_max)
			return 0;
		for (size_t k = 2; k < forms[i].len; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].len;
	}
	return 0;
}

static void control(struct json *j, unsigned int c)
{
	static const char hex[] = "0123456789abcdef";
	const char escape[] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

	text_add(j->out, escape, sizeof(escape));
}

/* One character at s, of which n bytes are there. Returns how many were used. */
static size_t escaped(struct json *j, const unsigned char *s, size_t n)
{
	size_t len;

	if (s[0] < ' ' || s[0] == 0x7f) {
		control(j, s[0]);
		return 1;
	}
	if (s[0] < 0x80) {
		text_add(j->out, "\\", 1);
		text_add(j->out, s, 1);
		return 1;
	}
	len = utf8_length(s, n);
	if (len == 0)
		text_str(j->out, "\\ufffd");
	else if (s[0] == 0xc2 && s[1] < 0xa0)
		control(j, s[1]);
	else
		text_add(j->out, s, len);
	return len > 0 ? len : 1;
}

static bool plain(unsigned char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

void json_str(struct json *j, const char *name, const char *s, size_t max)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t n = strnlen(s, max), run;

	value_begins(j, name);
	text_add(j->out, "\"", 1);
	for (size_t at = 0; at < n;) {
		for (run = 0; at + run < n && plain(p[at + run]); run++)
			;
		text_add(j->out, p + at, run);
		at += run;
		if (at < n)
			at += escaped(j, p + at, n - at);
	}
	text_add(j->out, "\"", 1);
}
