/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flow log of the statistics mode: local time, a tab, the flow as text; to syslog without time
 * and tab.
 *
 * 1.4.x writes line by line. Here lines gather in a buffer that leaves at the end of the loop turn,
 * so that a burst of ended flows costs one system call and a single flow is in the file at once.
 * The buffer always holds whole lines, so a reader never sees half of one. Where a full disk cuts
 * one, its rest is the first thing that is written when there is room again.
 *
 * Neither file nor syslog is waited for: a FIFO nobody reads, a full disk, a log daemon that does
 * not keep up cost lines, which are counted. Layout: that of 1.4.x; log analysers parse it. */
#include "stats/flowlog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_conf.h"
#include "flow/flow_print.h"

#define BUFFER	  65536u
#define STAMP_MAX 32u /* "Mon Nov 23 06:41:43 2026" and a tab */

struct flowlog {
	const struct log_conf *conf; /* borrowed */
	int fd;			     /* -1: no file */
	/* bytes waiting in buf: the rest of a cut line if there is one, then whole lines */
	size_t len;
	bool cut;		  /* there is: its beginning is in the file */
	uint64_t lost, lost_said; /* lines dropped, and how many of them have been told */
	int err;		  /* why the last one was */
	const char *where;	  /* it was to go to */
	struct log_limit limit;
	int64_t stamp_s; /* the second that stamp shows */
	size_t stamp_len;
	char stamp[STAMP_MAX];
	char buf[BUFFER];
};

/* A descriptor, or -errno. */
static int open_file(const char *path)
{
	int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);

	return fd == -1 ? -errno : fd;
}

int flowlog_open(const struct log_conf *conf, struct flowlog **out)
{
	struct flowlog *l = calloc(1, sizeof(*l));
	int fd = -1;

	if (!l)
		return -ENOMEM;
	if (conf->to_file) {
		fd = open_file(conf->path);
		if (fd < 0) {
			free(l);
			return fd;
		}
	}
	l->conf = conf;
	l->fd = fd;
	l->stamp_s = -1;
	*out = l;
	return 0;
}

/* The first `at` bytes of the buffer are in the file, and it takes no more. The rest of a line that
 * it holds the beginning of is kept; whole lines are lost. */
static void give_up(struct flowlog *l, size_t at)
{
	size_t rest = 0;

	l->cut = at > 0 ? l->buf[at - 1] != '\n' : l->cut;
	if (l->cut)
		rest = (size_t)((char *)memchr(l->buf + at, '\n', l->len - at) - (l->buf + at)) + 1;
	for (size_t i = at + rest; i < l->len; i++)
		l->lost += l->buf[i] == '\n';
	memmove(l->buf, l->buf + at, rest);
	l->len = rest;
}

/* Hand the buffer to the file. */
static void write_out(struct flowlog *l)
{
	size_t at = 0;

	while (at < l->len) {
		ssize_t n = write(l->fd, l->buf + at, l->len - at);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			l->err = n == 0 ? ENOSPC : errno;
			l->where = l->conf->path;
			give_up(l, at);
			return;
		}
		at += (size_t)n;
	}
	l->len = 0;
	l->cut = false;
}

void flowlog_flush(struct flowlog *l, struct mono now)
{
	if (l->len > 0)
		write_out(l);
	if (l->lost == l->lost_said || !log_limit_pass(&l->limit, 1, 60000, now, NULL))
		return;
	errno = l->err;
	log_warn("%" PRIu64 " lines of ended flows not written so far, the last to %s", l->lost,
		 l->where);
	l->lost_said = l->lost;
}

int flowlog_reopen(struct flowlog *l)
{
	int fd;

	if (l->fd == -1)
		return 0;
	write_out(l);
	fd = open_file(l->conf->path);
	if (fd < 0)
		return fd;
	close(l->fd);
	l->fd = fd;
	l->lost += l->cut; /* the rest is nothing without its beginning, which is in the old file */
	l->len = 0;
	l->cut = false;
	return 0;
}

void flowlog_close(struct flowlog *l)
{
	if (!l)
		return;
	if (l->fd != -1) {
		write_out(l);
		close(l->fd);
	}
	free(l);
}

uint64_t flowlog_lost(const struct flowlog *l)
{
	return l->lost;
}

/* Converting a time costs more than the rest of the line; flows end many to the second. */
static void make_stamp(struct flowlog *l, int64_t wall_s)
{
	time_t t = (time_t)wall_s;
	struct tm tm;

	if (wall_s == l->stamp_s)
		return;
	l->stamp_s = wall_s;
	l->stamp_len = localtime_r(&t, &tm) ?
			       strftime(l->stamp, sizeof(l->stamp), "%a %b %e %H:%M:%S %Y\t", &tm) :
			       0;
}

static void to_syslog(struct flowlog *l, const char *line)
{
	int ret = log_syslog(l->conf->facility | LOG_INFO, line);

	if (ret == 0)
		return;
	l->err = -ret;
	l->where = "syslog";
	l->lost++;
}

void flowlog_flow(struct flowlog *l, const struct ct_flow *f, int64_t wall_s)
{
	const struct flow_print_opts opts = { .active_s = -1, .expires_s = -1, .now_s = wall_s };
	char line[FLOW_LINE_MAX];
	size_t n;

	if (l->fd == -1 && l->conf->facility == LOG_CONF_NO_SYSLOG)
		return;
	n = flow_print_text(f, &opts, line, sizeof(line) - 1);
	if (l->conf->facility != LOG_CONF_NO_SYSLOG)
		to_syslog(l, line);
	if (l->fd == -1)
		return;
	make_stamp(l, wall_s);
	if (l->len + l->stamp_len + n + 1 > sizeof(l->buf))
		write_out(l);
	memcpy(l->buf + l->len, l->stamp, l->stamp_len);
	l->len += l->stamp_len;
	memcpy(l->buf + l->len, line, n);
	l->len += n;
	l->buf[l->len++] = '\n';
}
