/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log sink: file, syslog, terminal. One line per call and one write() per line and sink, so
 * that lines of a parent and a child never mix and nothing is lost in a buffer when the process
 * dies.
 *
 * The sink, with the last lines, is one of the two mutable globals of the program (the other is the
 * signal flags). Logging never blocks on a terminal that nobody reads, on a FIFO given as log file,
 * or on a log daemon that hangs: the line is dropped instead. syslog(3) would wait for a log daemon
 * that hangs, so the records are written to its socket here. Control characters in a line become
 * '?', so that a name from outside cannot forge a line of its own.
 *
 * Layout: base/log.h; that of 1.4.x, but for the time, which has milliseconds and a zone. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/log_conf.h"

#define LINE_MAX_BYTES 2048
#define SYSLOG_NAME    "conntrack-tools"
#define SYSLOG_SOCKET  "/dev/log"

struct log_sink {
	const struct log_conf *conf; /* NULL while closed */
	int fd;			     /* -1: no file */
	bool created;		     /* the file was not there before log_open() */
	int syslog_fd;		     /* of the log daemon, -1: not connected */
	bool quiet;		     /* nothing for standard output */
	bool detached;		     /* no terminal any more */
	enum log_level level;	     /* what is below is dropped */
};

/* The last lines, the newest before `next`. */
struct log_memory {
	struct log_kept line[LOG_KEPT];
	uint64_t n; /* so far */
	log_watch_fn *watch;
	void *watch_ctx;
};

static struct log_memory memory;

static struct log_sink sink = { .fd = -1, .syslog_fd = -1 };

static const struct {
	const char *word;
	int priority;
	int terminal_fd;
} levels[] = {
	[LOG_LVL_INFO] = { "info", LOG_INFO, STDOUT_FILENO },
	[LOG_LVL_NOTICE] = { "notice", LOG_NOTICE, STDOUT_FILENO },
	[LOG_LVL_WARNING] = { "warning", LOG_WARNING, STDERR_FILENO },
	[LOG_LVL_ERROR] = { "ERROR", LOG_ERR, STDERR_FILENO },
};

/* A descriptor, or -errno. O_NONBLOCK only matters for a FIFO: opening it without a reader fails, a
 * full one drops. */
static int open_file(const char *path, bool *created)
{
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd = open(path, flags | O_EXCL, 0600);

	*created = fd != -1;
	if (fd == -1 && errno == EEXIST)
		fd = open(path, flags, 0600);
	return fd == -1 ? -errno : fd;
}

int log_open(const struct log_conf *conf, const char **err_path)
{
	bool created = false;
	int fd = -1;

	if (conf->to_file) {
		fd = open_file(conf->path, &created);
		if (fd < 0) {
			if (err_path)
				*err_path = conf->path;
			return fd;
		}
	}
	log_close();
	sink.fd = fd;
	sink.created = created;
	sink.conf = conf;
	sink.level = (enum log_level)conf->level;
	openlog(SYSLOG_NAME, LOG_PID, LOG_DAEMON); /* for log_syslog() in its last resort */
	return 0;
}

void log_set_level(enum log_level level)
{
	sink.level = level;
}

int log_level_find(const char *word)
{
	for (int i = LOG_LVL_INFO; i <= LOG_LVL_ERROR; i++)
		if (strcasecmp(word, levels[i].word) == 0)
			return i;
	return -1;
}

int log_reopen(void)
{
	bool created;
	int fd;

	if (!sink.conf || !sink.conf->to_file)
		return 0;
	fd = open_file(sink.conf->path, &created);
	if (fd < 0)
		return fd;
	if (sink.fd != -1)
		close(sink.fd);
	sink.fd = fd;
	return 0;
}

void log_background(void)
{
	sink.quiet = isatty(STDOUT_FILENO) != 1;
}

void log_detach(void)
{
	sink.detached = true;
}

void log_close(void)
{
	if (sink.fd != -1)
		close(sink.fd);
	sink.fd = -1;
	if (sink.syslog_fd != -1)
		close(sink.syslog_fd);
	sink.syslog_fd = -1;
	closelog();
	sink.created = false;
	sink.conf = NULL;
}

void log_discard(void)
{
	struct stat ours, there;

	if (sink.created && fstat(sink.fd, &ours) == 0 && lstat(sink.conf->path, &there) == 0 &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
		unlink(sink.conf->path);
	log_close();
}

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* A full disk must not stop replication, and there is nowhere to complain: the result is
 * deliberately unused. */
static void put_line(int fd, const char *line, size_t len)
{
	ssize_t n = write(fd, line, len);

	(void)n;
}

/* systemd says which file its journal is: "device:inode". */
static bool is_journal(int fd)
{
	const char *said = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return said && sscanf(said, "%llu:%llu", &dev, &ino) == 2 && fstat(fd, &st) == 0 &&
	       st.st_dev == dev && st.st_ino == ino;
}

static void to_journal(int fd, enum log_level level, const char *text)
{
	char line[LINE_MAX_BYTES + 8];
	int n = snprintf(line, sizeof(line), "<%d>%s\n", levels[level].priority, text);

	/* Syslog ends in the journal as well: each line once. */
	if (n > 0 && (!sink.conf || sink.conf->facility == LOG_CONF_NO_SYSLOG))
		put_line(fd, line, min_size((size_t)n, sizeof(line) - 1));
}

static void to_terminal(int fd, const char *line, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	/* Writable means at least PIPE_BUF free for a pipe: a line fits and write() will not
	 * block. */
	if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT))
		put_line(fd, line, len);
}

/* ---- syslog ---- */

static int syslog_connect(void)
{
	const struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = SYSLOG_SOCKET };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;

	if (fd == -1)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == -1) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int syslog_send(const char *record, size_t len)
{
	if (sink.syslog_fd == -1) {
		int fd = syslog_connect();

		if (fd < 0)
			return fd;
		sink.syslog_fd = fd;
	}
	return send(sink.syslog_fd, record, len, MSG_NOSIGNAL) == -1 ? -errno : 0;
}

int log_syslog(int priority, const char *text)
{
	char record[LINE_MAX_BYTES + 128], stamp[32] = "";
	time_t t = (time_t)clock_wall_s();
	struct tm tm;
	int n, ret;

	if (localtime_r(&t, &tm))
		strftime(stamp, sizeof(stamp), "%b %e %T", &tm);
	n = snprintf(record, sizeof(record), "<%d>%s %s[%d]: %s", priority, stamp, SYSLOG_NAME,
		     (int)getpid(), text);
	if (n < 0)
		return -EINVAL;
	if ((size_t)n >= sizeof(record))
		n = sizeof(record) - 1;
	ret = syslog_send(record, (size_t)n);
	if (ret == 0 || ret == -EAGAIN)
		return ret;
	if (sink.syslog_fd != -1) { /* the log daemon was restarted */
		close(sink.syslog_fd);
		sink.syslog_fd = -1;
		ret = syslog_send(record, (size_t)n);
	}
	if (ret == -EPROTOTYPE) { /* one that listens on a stream, which may wait */
		syslog(priority, "%s", text);
		return 0;
	}
	return ret;
}

/* ---- the last lines, kept for commands ---- */

static void keep(enum log_level level, const char *text)
{
	struct log_kept *k = &memory.line[memory.n % LOG_KEPT];

	if (level < LOG_LVL_NOTICE)
		return;
	memory.n++;
	k->wall_s = clock_wall_s();
	k->level = level;
	snprintf(k->text, sizeof(k->text), "%s", text);
	if (memory.watch)
		memory.watch(memory.watch_ctx, k, text);
}

void log_watch(log_watch_fn *fn, void *ctx)
{
	memory.watch = fn;
	memory.watch_ctx = ctx;
}

const struct log_kept *log_kept(unsigned int i)
{
	uint64_t there = memory.n < LOG_KEPT ? memory.n : LOG_KEPT;

	return i < there ? &memory.line[(memory.n - there + i) % LOG_KEPT] : NULL;
}

const char *log_level_word(enum log_level level)
{
	return levels[level].word;
}

/* ---- lines ---- */

/* "[time] (pid=N) [level] " into buf; returns its length. */
static size_t line_head(char *buf, size_t cap, enum log_level level)
{
	char date[32] = "?", zone[8] = "";
	struct timespec t = { 0 };
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &t);
	if (localtime_r(&t.tv_sec, &tm)) {
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
		strftime(zone, sizeof(zone), "%z", &tm); /* +0100 */
	}
	return (size_t)snprintf(buf, cap, "[%s.%03ld%.3s:%.2s] (pid=%d) [%s] ", date,
				t.tv_nsec / 1000000, zone, zone[0] ? zone + 3 : "", (int)getpid(),
				levels[level].word);
}

/* Text of the line behind `at`, with ": reason" if err is not 0. Returns the new end, always below
 * cap. */
static size_t line_text(char *buf, size_t at, size_t cap, int err, const char *fmt, va_list ap)
{
	size_t i, end;
	int n = vsnprintf(buf + at, cap - at, fmt, ap);

	end = n < 0 ? at : min_size(at + (size_t)n, cap - 1);
	if (err) {
		n = snprintf(buf + end, cap - end, ": %s", strerror(err));
		end = n < 0 ? end : min_size(end + (size_t)n, cap - 1);
	}
	for (i = at; i < end; i++) {
		if ((unsigned char)buf[i] < ' ' && buf[i] != '\t')
			buf[i] = '?';
	}
	return end;
}

static void vlog(enum log_level level, int err, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));
static void vlog(enum log_level level, int err, const char *fmt, va_list ap)
{
	int saved = errno;
	char line[LINE_MAX_BYTES];
	size_t head, len;
	int fd = levels[level].terminal_fd;

	if (level < sink.level)
		return;
	head = line_head(line, sizeof(line), level);
	len = line_text(line, head, sizeof(line) - 1, err, fmt, ap);
	line[len] = '\0';
	keep(level, line + head);
	if (sink.conf && sink.conf->facility != LOG_CONF_NO_SYSLOG)
		log_syslog(sink.conf->facility | levels[level].priority, line + head);
	if (!sink.detached && is_journal(fd))
		to_journal(fd, level, line + head);
	line[len++] = '\n';
	if (sink.fd != -1)
		put_line(sink.fd, line, len);
	if (!sink.detached && !(sink.quiet && fd == STDOUT_FILENO) && !is_journal(fd))
		to_terminal(fd, line, len);
	errno = saved;
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(LOG_LVL_INFO, 0, fmt, ap);
	va_end(ap);
}

void log_notice(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(LOG_LVL_NOTICE, 0, fmt, ap);
	va_end(ap);
}

void log_warn(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	vlog(LOG_LVL_WARNING, err, fmt, ap);
	va_end(ap);
}

void log_warnx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(LOG_LVL_WARNING, 0, fmt, ap);
	va_end(ap);
}

void log_warn_said(const char *fmt, ...)
{
	bool detached = sink.detached;
	va_list ap;

	sink.detached = true;
	va_start(ap, fmt);
	vlog(LOG_LVL_WARNING, 0, fmt, ap);
	va_end(ap);
	sink.detached = detached;
}

void log_err(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	vlog(LOG_LVL_ERROR, err, fmt, ap);
	va_end(ap);
}

void log_errx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(LOG_LVL_ERROR, 0, fmt, ap);
	va_end(ap);
}

bool log_limit_pass(struct log_limit *l, uint32_t burst, uint32_t interval_ms, struct mono now,
		    uint64_t *suppressed)
{
	int64_t refill;

	if (!mono_is_set(l->last))
		l->last = now;
	refill = interval_ms > 0 ? mono_diff_ms(now, l->last) / interval_ms : l->tokens_used;
	if (refill >= l->tokens_used) {
		l->tokens_used = 0;
		l->last = now;
	} else if (refill > 0) {
		l->tokens_used -= (uint32_t)refill;
		l->last = mono_add_ms(l->last, refill * interval_ms);
	}
	if (l->tokens_used >= burst) {
		l->suppressed++;
		return false;
	}
	l->tokens_used++;
	if (suppressed)
		*suppressed = l->suppressed;
	l->suppressed = 0;
	return true;
}
