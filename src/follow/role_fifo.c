/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads keepalived's FIFO.
 *
 * Open for reading and writing, so that there is no end of file while keepalived is not there, and
 * lines wait while nobody reads. Whoever makes the FIFO decides how long it lives: one that
 * keepalived has made is replaced at its reload, and a reader of the old one hears no more. So it
 * is made here, before keepalived starts, and once a second the name is looked at: another file
 * behind it, and that is read from now on; the old one is read to its end first.
 *
 * Who may write to it decides the role. So a file that anybody but this user may write is not read,
 * and neither is what is not a FIFO or lies behind a symbolic link. */
#include "follow/role_fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define LOOK_MS	     1000
#define READ_MAX     (64 * 1024) /* bytes in a turn: as much as a FIFO holds */
#define BAD_BURST    3
#define BAD_EVERY_MS 60000

struct role_fifo {
	struct evloop *loop;
	const struct role_conf *conf;
	struct role_fifo_cb cb;
	struct ev_io io;
	struct ev_timer look;
	struct stat is; /* of the one that is open */
	struct fifo_reader reader;
	struct log_limit bad_log;
	char said[160]; /* what is wrong with the file, as it was said last */
	/* Of the lines of one pass. */
	enum role_kind last;
	bool crossed;
	char by[ROLE_BY_MAX];
	struct mono now;
};

/* ---- lines ---- */

static void on_line(void *ctx, const struct fifo_line *line)
{
	struct role_fifo *f = ctx;

	if (line->role == ROLE_UNKNOWN || !fifo_decides(f->conf, line))
		return;
	f->crossed |= f->last != ROLE_UNKNOWN && f->last != line->role;
	f->last = line->role;
	snprintf(f->by, sizeof(f->by), "keepalived: %s %s is %s",
		 line->group ? "group" : "instance", line->name, line->state);
}

static void on_bad(void *ctx, const char *start)
{
	struct role_fifo *f = ctx;
	uint64_t more = 0;

	if (!log_limit_pass(&f->bad_log, BAD_BURST, BAD_EVERY_MS, f->now, &more))
		return;
	if (more > 0)
		log_warnx("%s: not a line of keepalived: \"%s\" (%" PRIu64 " more since the last)",
			  f->conf->fifo, start, more);
	else
		log_warnx("%s: not a line of keepalived: \"%s\"", f->conf->fifo, start);
}

/* Whatever waits, up to READ_MAX. */
static void read_lines(struct role_fifo *f, struct mono now)
{
	const struct fifo_lines_cb cb = { .ctx = f, .line = on_line, .bad = on_bad };
	char buf[4096];
	ssize_t n;

	f->now = now;
	f->last = ROLE_UNKNOWN;
	f->crossed = false;
	for (size_t all = 0; all < READ_MAX; all += (size_t)n) {
		n = read(f->io.fd, buf, sizeof(buf));
		if (n <= 0)
			break;
		fifo_feed(&f->reader, buf, (size_t)n, &cb);
	}
	if (f->last != ROLE_UNKNOWN)
		f->cb.told(f->cb.ctx, f->last, f->crossed, f->by, now);
}

static void on_readable(void *ctx, unsigned int ready, struct mono now)
{
	(void)ready;
	read_lines(ctx, now);
}

/* ---- the file ---- */

/* Once for each thing that is wrong. */
static void say(struct role_fifo *f, const char *wrong)
{
	if (strcmp(f->said, wrong) == 0)
		return;
	snprintf(f->said, sizeof(f->said), "%s", wrong);
	if (wrong[0])
		log_warnx("%s, which is to tell the role of this node, is not read: %s",
			  f->conf->fifo, wrong);
}

static void shut(struct role_fifo *f)
{
	if (f->io.fd == -1)
		return;
	ev_io_del(f->loop, &f->io);
	close(f->io.fd);
	f->io.fd = -1;
	fifo_restart(&f->reader);
}

static const char *wrong_with(const struct stat *st)
{
	if (!S_ISFIFO(st->st_mode))
		return "it is not a FIFO";
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return "it belongs to another user";
	if (st->st_mode & 022)
		return "others may write to it (chmod go-w)";
	return NULL;
}

/* NULL, or what is wrong. */
static const char *open_file(struct role_fifo *f)
{
	const char *wrong;
	int fd;

	if (mkfifo(f->conf->fifo, 0600) == -1 && errno != EEXIST)
		return strerror(errno);
	fd = open(f->conf->fifo, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return strerror(errno);
	wrong = fstat(fd, &f->is) == -1 ? strerror(errno) : wrong_with(&f->is);
	if (wrong) {
		close(fd);
		return wrong;
	}
	f->io = (struct ev_io){
		.fd = fd, .want = EV_READ, .cb = on_readable, .ctx = f, .name = "keepalived's FIFO"
	};
	if (ev_io_add(f->loop, &f->io) == 0)
		return NULL;
	close(fd);
	f->io.fd = -1;
	return "too many descriptors";
}

static bool still_there(const struct role_fifo *f)
{
	struct stat st;

	return f->io.fd != -1 && lstat(f->conf->fifo, &st) == 0 && st.st_ino == f->is.st_ino &&
	       st.st_dev == f->is.st_dev && !wrong_with(&st);
}

static void look(void *ctx, struct mono now)
{
	struct role_fifo *f = ctx;
	const char *wrong;

	ev_timer_set(f->loop, &f->look, mono_add_ms(now, LOOK_MS));
	if (still_there(f))
		return;
	if (f->io.fd != -1) {
		read_lines(f, now);
		shut(f);
		log_notice("%s is another file now", f->conf->fifo);
	}
	wrong = open_file(f);
	say(f, wrong ? wrong : "");
}

/* ---- lifetime ---- */

void role_fifo_stats(const struct role_fifo *f, struct role_fifo_stats *out)
{
	*out = (struct role_fifo_stats){
		.lines = f->reader.lines,
		.bad = f->reader.bad,
		.open = f->io.fd != -1,
	};
}

struct role_fifo *role_fifo_open(struct evloop *loop, const struct role_conf *conf,
				 const struct role_fifo_cb *cb)
{
	struct role_fifo *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->loop = loop;
	f->conf = conf;
	f->cb = *cb;
	f->io.fd = -1;
	f->look = (struct ev_timer){ .cb = look, .ctx = f, .name = "look at keepalived's FIFO" };
	look(f, evloop_now(loop));
	return f;
}

void role_fifo_close(struct role_fifo *f)
{
	if (!f)
		return;
	shut(f);
	ev_timer_del(f->loop, &f->look);
	free(f);
}
