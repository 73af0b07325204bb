/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CONTROL_OUT_H
#define CONNTRACKD_CONTROL_OUT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/record.h"

/* The reply to one control request, on its way to the client: what a command writes to. Belongs to
 * the server; a command borrows it for the call it was handed in.
 *
 * A command says everything once and does not care who asks: an old client gets the TEXT bytes and
 * nothing else, our client gets records. Only a dump asks ctl_out_is_text(), because it has to
 * choose between printing a flow and packing it.
 *
 * Writing never blocks and never fails visibly: bytes wait in a queue. A step should stop when
 * ctl_room() is smaller than its next piece; beyond that the queue still grows, up to
 * CTL_QUEUE_MAX, where the client is dropped. So a short report is simply written in one go, and a
 * dump writes while there is room. */
#define CTL_QUEUE_SOFT (128 * 1024) /* bytes: where ctl_room() becomes 0 */
/* a job is stepped only while less than this is queued */
#define CTL_QUEUE_LOW (CTL_QUEUE_SOFT / 2)
#define CTL_QUEUE_MAX (64 * 1024 * 1024)

struct ctl_out;

/* Bytes that may still be written in this step; 0 when it should return CTL_MORE and wait for its
 * next turn. */
size_t ctl_room(const struct ctl_out *out);

/* Is it an old client, which understands text only? */
bool ctl_out_is_text(const struct ctl_out *out);

/* Bytes for the client's standard output. */
void ctl_text(struct ctl_out *out, const void *bytes, size_t n);
void ctl_printf(struct ctl_out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A line for the client's standard error, without newline: what was refused, or has failed. Dropped
 * for an old client. */
void ctl_note(struct ctl_out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same about a success, or about nothing to do: for a person who looks. The client shows it on
 * a terminal only, because programs take words on standard error for a failure; what matters of it
 * belongs into the log as well. */
void ctl_result(struct ctl_out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A record of n <= CTL_RECORD_MAX bytes. Dropped for an old client. */
void ctl_record(struct ctl_out *out, enum ctl_record_type type, const void *bytes, size_t n);

/* A record without a copy: reserve() gives room for up to max bytes of contents (NULL: no memory,
 * or an old client), commit() says how many were written. Nothing else may be written to out in
 * between. */
uint8_t *ctl_record_reserve(struct ctl_out *out, enum ctl_record_type type, size_t max);
void ctl_record_commit(struct ctl_out *out, size_t n);

/* How far a long command is; total 0 means unknown. Call it as often as is convenient: sent only to
 * a client that shows it, and only when everything before it has left. */
void ctl_progress(struct ctl_out *out, uint64_t done, uint64_t total);

/* The exit status of the client, 0 or 1. The last call counts; without one it is 0. */
void ctl_end(struct ctl_out *out, int status);

/* This client is told the end only when the process is about to exit (-k:
 * control_server_free()). */
void ctl_hold_until_exit(struct ctl_out *out);

/* For the server and for tests of commands: the queue itself. */

/* Gives an empty reply, or NULL without memory. */
struct ctl_out *ctl_out_new(void);
void ctl_out_free(struct ctl_out *out);

/* Say who asks, before anything is written: version is that of the request's framing, 0 a 1.4.x. A
 * framed reply gets its header. */
void ctl_out_begin(struct ctl_out *out, uint16_t version, uint32_t flags, uint16_t record_version);
/* Put the END record (framed) with the status of ctl_end(). Nothing may be written after it. */
void ctl_out_finish(struct ctl_out *out);

size_t ctl_out_queued(const struct ctl_out *out);
/* The queued bytes; borrowed until the next write. */
const uint8_t *ctl_out_bytes(const struct ctl_out *out);
/* The first n queued bytes have been sent. */
void ctl_out_consume(struct ctl_out *out, size_t n);
int ctl_out_status(const struct ctl_out *out);
bool ctl_out_held(const struct ctl_out *out);
/* Memory ran out, or CTL_QUEUE_MAX was passed: something is missing, the client must be dropped. */
bool ctl_out_broken(const struct ctl_out *out);

#endif
