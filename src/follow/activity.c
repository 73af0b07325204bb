/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is this node active, since when, and is a purge pending?
 *
 * The file is text, one word and one value a line, in this order and nothing else:
 *
 *	conntrackd-state 2
 *	boot 0d1b...		the kernel's boot id: after a reboot a purge would find no flows
 *	netns 4:4026531840	whose table it is
 *	role 1			enum activity_role
 *	since 81234567		ms of CLOCK_BOOTTIME; 0: not active
 *	purge 0			ms of CLOCK_BOOTTIME; 0: none pending
 *	faulty 0		1: the node is not the backup but could not be active
 *	told 81234567		ms of CLOCK_BOOTTIME: since when the node is what it is
 *	by --role		who has said so; the rest of the line
 *
 * The last three lines are missing in a file of version 1, which is read as well. It is written
 * whole under another name and moved into place, so a daemon that is killed leaves the old or the
 * new one. What a reader does not understand, or anybody but this user may write, is not believed:
 * a purge on its word empties a table. */
#include "follow/activity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

#define STATE_MAX   512			/* bytes of the file */
#define BOOT_ID	    36			/* characters */
#define SECONDS_MAX INT64_C(4294967295) /* of PurgeTimeout */

struct activity {
	enum activity_role role;
	struct mono since;     /* set while active */
	struct mono left;      /* when it was active last; not in the file */
	struct mono purge_due; /* not set: none is pending */
	char *path, *temp;     /* NULL: no file */
	char boot[BOOT_ID + 1];
	unsigned long long netns[2]; /* device and inode of the namespace */
	bool faulty;
	struct mono told; /* since when the role is what it is */
	char by[ROLE_BY_MAX];
	bool signs_faulty;
	char signs[ROLE_BY_MAX]; /* empty: a letter */
	void (*on_command)(void *ctx, struct mono now);
	void *ctx;
	bool said; /* that it cannot be written */
};

/* ---- clocks: the file must survive the process, so its times are of the boot ---- */

static int64_t boot_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / MONO_NS_PER_MS;
}

static int64_t to_boot(struct mono t, struct mono now)
{
	return mono_is_set(t) ? boot_ms() + mono_diff_ms(t, now) : 0;
}

static struct mono from_boot(int64_t ms, struct mono now)
{
	struct mono t = mono_add_ms(now, ms - boot_ms());

	if (ms == 0)
		return (struct mono){ 0 };
	return t.ns > 0 ? t : (struct mono){ .ns = 1 }; /* the machine has slept since: long ago */
}

/* ---- writing ---- */

static int write_file(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int err = 0;

	if (fd == -1)
		return -errno;
	if (write(fd, text, n) != (ssize_t)n)
		err = errno ? -errno : -EIO;
	if (close(fd) == -1 && err == 0)
		err = -errno;
	return err;
}

static void save(struct activity *a, struct mono now)
{
	char text[STATE_MAX];
	int n, err;

	if (!a->path)
		return;
	n = snprintf(text, sizeof(text),
		     "conntrackd-state 2\nboot %s\nnetns %llu:%llu\nrole %d\nsince %" PRId64
		     "\npurge %" PRId64 "\nfaulty %d\ntold %" PRId64 "\nby %s\n",
		     a->boot, a->netns[0], a->netns[1], (int)a->role, to_boot(a->since, now),
		     to_boot(a->purge_due, now), a->faulty, to_boot(a->told, now), a->by);
	unlink(a->temp); /* of one that was killed */
	err = write_file(a->temp, text, (size_t)n);
	if (err == 0 && rename(a->temp, a->path) == -1)
		err = -errno;
	if (err == 0)
		return;
	unlink(a->temp);
	if (a->said)
		return;
	a->said = true;
	log_warnx("cannot write %s: %s; after a restart the daemon will not know whether this node "
		  "is active, nor of a "
		  "pending -t",
		  a->path, strerror(-err));
}

/* ---- reading ---- */

/* What must be the same for the file to be about us. */
static bool know_ourselves(struct activity *a)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	struct stat st;
	bool known = f && fscanf(f, "%36s", a->boot) == 1;

	if (f)
		fclose(f);
	if (!known || stat("/proc/self/ns/net", &st) == -1)
		return false;
	a->netns[0] = st.st_dev;
	a->netns[1] = st.st_ino;
	return true;
}

/* The whole file as a string; NULL or what is wrong with it. *missing: there is none. */
static const char *read_file(const char *path, char *text, bool *missing)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	const char *wrong = NULL;
	struct stat st;
	ssize_t n;

	*missing = fd == -1 && errno == ENOENT;
	if (fd == -1)
		return strerror(errno);
	n = read(fd, text, STATE_MAX);
	if (n == -1)
		wrong = strerror(errno);
	else if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
		 (st.st_mode & 022))
		wrong = "others may write it";
	else if (n == STATE_MAX || memchr(text, '\0', (size_t)n))
		wrong = "it is damaged";
	close(fd);
	if (!wrong)
		text[n] = '\0';
	return wrong;
}

/* What the lines of the file say. */
struct said {
	char boot[BOOT_ID + 1];
	unsigned long long netns[2];
	int role, faulty;
	int64_t since, purge, told;
	const char *by; /* in the text, to the end of the line */
};

/* False: it is damaged. */
static bool parse(const char *text, struct said *w)
{
	int version, end = -1;

	if (sscanf(text,
		   "conntrackd-state %d boot %36s netns %llu:%llu role %d since %" SCNd64
		   " purge %" SCNd64 "%n",
		   &version, w->boot, &w->netns[0], &w->netns[1], &w->role, &w->since, &w->purge,
		   &end) != 7)
		return false;
	text += end;
	if (version == 1)
		return strcmp(text, "\n") == 0;
	end = -1;
	if (version != 2 ||
	    sscanf(text, "\nfaulty %d\ntold %" SCNd64 "\nby%n", &w->faulty, &w->told, &end) != 2 ||
	    end < 0 || text[end] != ' ')
		return false;
	w->by = text + end + 1;
	return strcspn(w->by, "\n") < ROLE_BY_MAX &&
	       strcmp(w->by + strcspn(w->by, "\n"), "\n") == 0;
}

static bool contradicts(const struct said *w)
{
	int64_t now = boot_ms();

	return w->role < ACTIVITY_NONE || w->role > ACTIVITY_REQUEST ||
	       (w->role == ACTIVITY_COMMIT) != (w->since != 0) || w->since < 0 || w->since > now ||
	       w->purge < 0 || w->purge > now + SECONDS_MAX * 1000 ||
	       (w->role == ACTIVITY_COMMIT && (w->purge != 0 || w->faulty != 0)) || w->faulty < 0 ||
	       w->faulty > 1 || w->told < 0 || w->told > now;
}

/* NULL or what is wrong. Of another boot: void, and nothing is wrong. */
static const char *take(struct activity *a, const char *text, struct mono now)
{
	struct said w = { .by = NULL };

	if (!parse(text, &w))
		return "it is damaged";
	if (strcmp(w.boot, a->boot) != 0)
		return NULL;
	if (w.netns[0] != a->netns[0] || w.netns[1] != a->netns[1])
		return "it is about another network namespace";
	if (contradicts(&w))
		return "it contradicts itself";
	a->role = (enum activity_role)w.role;
	a->since = from_boot(w.since, now);
	a->purge_due = from_boot(w.purge, now);
	a->faulty = w.faulty != 0;
	a->told = from_boot(w.told != 0 ? w.told : w.since, now);
	if (w.by)
		snprintf(a->by, sizeof(a->by), "%.*s", (int)strcspn(w.by, "\n"), w.by);
	else if (activity_option(a))
		snprintf(a->by, sizeof(a->by), "%s", activity_option(a));
	return NULL;
}

static void load(struct activity *a, struct mono now)
{
	char text[STATE_MAX];
	bool missing;
	const char *wrong = read_file(a->path, text, &missing);

	if (missing)
		return;
	if (!wrong)
		wrong = take(a, text, now);
	if (wrong)
		log_warnx("%s, which tells whether this node is active, is ignored: %s", a->path,
			  wrong);
}

/* ---- commands ---- */

/* Who has given the command, and since when this node is what it has made of it. Before the file is
 * written. True: the role is another one now. */
static bool note_command(struct activity *a, enum activity_role role, struct mono now)
{
	enum role_kind was = activity_told_role(a);

	a->role = role;
	a->faulty = role != ACTIVITY_COMMIT && a->signs_faulty;
	if (activity_told_role(a) == was)
		return false;
	a->told = now;
	snprintf(a->by, sizeof(a->by), "%s", a->signs[0] ? a->signs : activity_option(a));
	return true;
}

static void tell_command(const struct activity *a, struct mono now)
{
	if (a->on_command)
		a->on_command(a->ctx, now);
}

bool activity_commit(struct activity *a, struct mono now)
{
	bool pending = mono_is_set(a->purge_due), again = activity_active(a);

	if (!again)
		a->since = now;
	note_command(a, ACTIVITY_COMMIT, now);
	a->purge_due = (struct mono){ 0 };
	if (pending || !again)
		save(a, now);
	tell_command(a, now);
	return pending;
}

/* True: the role is another one now. */
static bool leave(struct activity *a, enum activity_role role, struct mono now)
{
	if (activity_active(a))
		a->left = now;
	a->since = (struct mono){ 0 };
	return note_command(a, role, now);
}

bool activity_purge(struct activity *a, struct mono due, struct mono now)
{
	bool pending = mono_is_set(a->purge_due) && mono_before(now, a->purge_due);

	leave(a, ACTIVITY_PURGE, now);
	if (!pending)
		a->purge_due = due;
	save(a, now);
	tell_command(a, now);
	return !pending;
}

void activity_request(struct activity *a, struct mono now)
{
	bool again = a->role == ACTIVITY_REQUEST;

	if (leave(a, ACTIVITY_REQUEST, now) || !again)
		save(a, now);
	tell_command(a, now);
}

void activity_sign(struct activity *a, bool faulty, const char *by)
{
	a->signs_faulty = faulty;
	snprintf(a->signs, sizeof(a->signs), "%s", by ? by : "");
	for (char *c = a->signs; *c; c++) /* it is a line of the file */
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

enum role_kind activity_told_role(const struct activity *a)
{
	if (a->role == ACTIVITY_NONE)
		return ROLE_UNKNOWN;
	if (a->role == ACTIVITY_COMMIT)
		return ROLE_PRIMARY;
	return a->faulty ? ROLE_FAULTY : ROLE_BACKUP;
}

struct mono activity_told_since(const struct activity *a)
{
	return a->told;
}

const char *activity_told_by(const struct activity *a)
{
	return a->by;
}

void activity_on_command(struct activity *a, void (*fn)(void *ctx, struct mono now), void *ctx)
{
	a->on_command = fn;
	a->ctx = ctx;
}

enum activity_role activity_role(const struct activity *a)
{
	return a->role;
}

const char *activity_option(const struct activity *a)
{
	static const char *const option[] = {
		[ACTIVITY_NONE] = NULL,
		[ACTIVITY_COMMIT] = "-c",
		[ACTIVITY_PURGE] = "-t",
		[ACTIVITY_REQUEST] = "-n",
	};

	return option[a->role];
}

bool activity_active(const struct activity *a)
{
	return a->role == ACTIVITY_COMMIT;
}

struct mono activity_since(const struct activity *a)
{
	return a->since;
}

struct mono activity_left(const struct activity *a)
{
	return a->left;
}

struct mono activity_purge_due(const struct activity *a)
{
	return a->purge_due;
}

bool activity_purge_cancel(struct activity *a, struct mono now)
{
	if (!mono_is_set(a->purge_due))
		return false;
	a->purge_due = (struct mono){ 0 };
	save(a, now);
	return true;
}

void activity_purge_done(struct activity *a, struct mono due, struct mono now)
{
	if (mono_is_set(due) && a->purge_due.ns == due.ns)
		activity_purge_cancel(a, now);
}

bool activity_missed_commit(const char *path, struct mono now)
{
	struct activity *a = access(path, R_OK | W_OK) == 0 ? activity_open(path, now) : NULL;
	bool pending = a && activity_role(a) != ACTIVITY_NONE && activity_commit(a, now);

	activity_close(a);
	return pending;
}

void activity_missed_standby(const char *path, struct mono now)
{
	struct activity *a = access(path, R_OK | W_OK) == 0 ? activity_open(path, now) : NULL;

	if (a && activity_active(a))
		activity_request(a, now);
	activity_close(a);
}

bool activity_was_active(const char *path, struct mono now)
{
	struct activity *a = access(path, R_OK) == 0 ? activity_open(path, now) : NULL;
	bool active = a && activity_active(a);

	activity_close(a);
	return active;
}

/* ---- lifetime ---- */

static bool set_path(struct activity *a, const char *path)
{
	size_t n = strlen(path);

	a->path = strdup(path);
	a->temp = malloc(n + sizeof(".new"));
	if (a->temp)
		snprintf(a->temp, n + sizeof(".new"), "%s.new", path);
	return a->path && a->temp;
}

struct activity *activity_open(const char *path, struct mono now)
{
	struct activity *a = calloc(1, sizeof(*a));

	if (!a || !path)
		return a;
	if (!set_path(a, path)) {
		activity_close(a);
		return NULL;
	}
	if (know_ourselves(a))
		load(a, now);
	return a;
}

void activity_close(struct activity *a)
{
	if (!a)
		return;
	free(a->path);
	free(a->temp);
	free(a);
}
