/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reply queue of one control client: one growing buffer with a read position. What has been
 * sent is cut off when the queue runs empty, or moved out of the way when the tail reaches the end,
 * so a long dump lives in one allocation.
 *
 * Failure (no memory, queue far too long) is sticky: nothing more is queued and the server drops
 * the client, because a reply with a hole would look complete. */
#include "control/out.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/writer.h"

struct ctl_out {
	uint8_t *buf;
	size_t head; /* sent up to here */
	size_t len;  /* filled up to here */
	size_t cap;
	size_t reserved; /* contents allowed for the record being written in place; 0: none */
	enum ctl_record_type reserved_type;
	int status;
	bool framed;
	bool progress; /* the client shows it */
	bool held;
	bool finished;
	bool broken;
};

struct ctl_out *ctl_out_new(void)
{
	return calloc(1, sizeof(struct ctl_out));
}

void ctl_out_free(struct ctl_out *out)
{
	if (!out)
		return;
	free(out->buf);
	free(out);
}

/* Make room for n more bytes at the tail. */
static bool out_grow(struct ctl_out *out, size_t n)
{
	size_t queued = out->len - out->head, cap = out->cap ? out->cap : 4096;
	uint8_t *p;

	if (out->broken)
		return false;
	if (out->len + n <= out->cap)
		return true;
	if (out->head > 0) {
		memmove(out->buf, out->buf + out->head, queued);
		out->head = 0;
		out->len = queued;
	}
	while (cap < queued + n)
		cap *= 2;
	if (queued + n > CTL_QUEUE_MAX) {
		out->broken = true;
		return false;
	}
	if (cap == out->cap)
		return true;
	p = realloc(out->buf, cap);
	if (!p) {
		out->broken = true;
		return false;
	}
	out->buf = p;
	out->cap = cap;
	return true;
}

static void out_put(struct ctl_out *out, const void *bytes, size_t n)
{
	if (n == 0 || !out_grow(out, n))
		return;
	memcpy(out->buf + out->len, bytes, n);
	out->len += n;
}

size_t ctl_room(const struct ctl_out *out)
{
	size_t queued = out->len - out->head;

	return queued < CTL_QUEUE_SOFT && !out->broken ? CTL_QUEUE_SOFT - queued : 0;
}

bool ctl_out_is_text(const struct ctl_out *out)
{
	return !out->framed;
}

void ctl_record(struct ctl_out *out, enum ctl_record_type type, const void *bytes, size_t n)
{
	uint8_t head[CTL_RECORD_HDR_LEN];

	assert(n <= CTL_RECORD_MAX && out->reserved == 0 && !out->finished);
	if (!out->framed || !out_grow(out, sizeof(head) + n))
		return;
	ctl_record_head(type, n, head);
	out_put(out, head, sizeof(head));
	out_put(out, bytes, n);
}

uint8_t *ctl_record_reserve(struct ctl_out *out, enum ctl_record_type type, size_t max)
{
	assert(max > 0 && max <= CTL_RECORD_MAX && out->reserved == 0 && !out->finished);
	if (!out->framed || !out_grow(out, CTL_RECORD_HDR_LEN + max))
		return NULL;
	out->reserved = max;
	out->reserved_type = type;
	return out->buf + out->len + CTL_RECORD_HDR_LEN;
}

void ctl_record_commit(struct ctl_out *out, size_t n)
{
	assert(out->reserved > 0 && n <= out->reserved);
	ctl_record_head(out->reserved_type, n, out->buf + out->len);
	out->len += CTL_RECORD_HDR_LEN + n;
	out->reserved = 0;
}

void ctl_text(struct ctl_out *out, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	if (!out->framed) {
		assert(!out->finished);
		out_put(out, p, n);
		return;
	}
	while (n > 0) {
		size_t part = n < CTL_RECORD_MAX ? n : CTL_RECORD_MAX;

		ctl_record(out, CTL_REC_TEXT, p, part);
		p += part;
		n -= part;
	}
}

void ctl_printf(struct ctl_out *out, const char *fmt, ...)
{
	char line[1024];
	char *big;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(line)) {
		ctl_text(out, line, (size_t)n);
		return;
	}
	va_start(ap, fmt);
	n = vasprintf(&big, fmt, ap);
	va_end(ap);
	if (n < 0) {
		out->broken = true;
		return;
	}
	ctl_text(out, big, (size_t)n);
	free(big);
}

static void out_line(struct ctl_out *out, enum ctl_record_type type, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));
static void out_line(struct ctl_out *out, enum ctl_record_type type, const char *fmt, va_list ap)
{
	char line[1024];
	int n = vsnprintf(line, sizeof(line), fmt, ap);

	if (n < 0)
		return;
	/* A line longer than this is cut: it is for people. */
	ctl_record(out, type, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

void ctl_note(struct ctl_out *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	out_line(out, CTL_REC_NOTE, fmt, ap);
	va_end(ap);
}

void ctl_result(struct ctl_out *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	out_line(out, CTL_REC_RESULT, fmt, ap);
	va_end(ap);
}

void ctl_progress(struct ctl_out *out, uint64_t done, uint64_t total)
{
	uint8_t b[CTL_PROGRESS_LEN];

	/* Only when all before has left: a client that does not keep up gets fewer, not later
	 * ones. */
	if (!out->progress || out->len > out->head)
		return;
	put_be32(b, (uint32_t)(done >> 32));
	put_be32(b + 4, (uint32_t)done);
	put_be32(b + 8, (uint32_t)(total >> 32));
	put_be32(b + 12, (uint32_t)total);
	ctl_record(out, CTL_REC_PROGRESS, b, sizeof(b));
}

void ctl_end(struct ctl_out *out, int status)
{
	out->status = status;
}

void ctl_hold_until_exit(struct ctl_out *out)
{
	out->held = true;
}

void ctl_out_begin(struct ctl_out *out, uint16_t version, uint32_t flags, uint16_t record_version)
{
	uint8_t head[CTL_HEADER_LEN];

	out->framed = version != 0;
	out->progress = out->framed && (flags & CTL_F_PROGRESS);
	if (!out->framed)
		return;
	ctl_header_encode(version, record_version, head);
	out_put(out, head, sizeof(head));
}

void ctl_out_finish(struct ctl_out *out)
{
	uint8_t b[CTL_END_LEN];

	if (out->finished)
		return;
	put_be32(b, (uint32_t)out->status);
	ctl_record(out, CTL_REC_END, b, sizeof(b));
	out->finished = true;
}

size_t ctl_out_queued(const struct ctl_out *out)
{
	return out->len - out->head;
}

const uint8_t *ctl_out_bytes(const struct ctl_out *out)
{
	return out->buf ? out->buf + out->head : NULL;
}

void ctl_out_consume(struct ctl_out *out, size_t n)
{
	assert(n <= out->len - out->head);
	out->head += n;
	if (out->head == out->len)
		out->head = out->len = 0;
}

int ctl_out_status(const struct ctl_out *out)
{
	return out->status;
}

bool ctl_out_held(const struct ctl_out *out)
{
	return out->held;
}

bool ctl_out_broken(const struct ctl_out *out)
{
	return out->broken;
}
