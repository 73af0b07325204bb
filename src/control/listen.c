/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of the control socket: who may be deleted, who not (tests/netns/test_errors.py
 * 59-61, 132, 133).
 *
 * Only a socket is ever removed, and only when nobody answers on it; at the end only the very file
 * that we made, because by then another daemon may own the path. A symbolic link is not followed:
 * what it points to is not ours to replace. */
#include "control/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "control/server.h"

#define LISTEN_BACKLOG 32

static void set_address(struct sockaddr_un *sa, const struct control_conf *conf)
{
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(sa->sun_path, conf->path, sizeof(conf->path) - 1); /* conf/ checked the length */
}

static int complain(struct text *err, const struct control_conf *conf, int error, const char *what)
{
	text_printf(err, "control socket %s: %s", conf->path, what);
	return error;
}

/* Does a daemon answer on the socket? Never blocks: a full queue of connections is an answer
 * too. */
static int probe(const struct control_conf *conf, struct text *err)
{
	struct sockaddr_un sa;
	int fd, ret;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return complain(err, conf, -errno, strerror(errno));
	set_address(&sa, conf);
	ret = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1 ? -errno : 0;
	close(fd);
	switch (ret) {
	case 0:
	case -EAGAIN:
		return complain(err, conf, -EADDRINUSE, "another daemon answers there");
	case -ECONNREFUSED: /* left behind by one that died */
	case -ENOENT:	    /* went away meanwhile */
		return 0;
	case -EPROTOTYPE:
		return complain(err, conf, -EEXIST, "exists and is a socket of another kind");
	default:
		return complain(err, conf, ret, strerror(-ret));
	}
}

/* *dead is set when there is a dead socket. */
static int path_look(const struct control_conf *conf, bool *dead, struct text *err)
{
	struct stat st;
	int ret;

	*dead = false;
	if (lstat(conf->path, &st) == -1) {
		if (errno == ENOENT)
			/* a missing directory is reported by bind(), with its own words */
			return 0;
		return complain(err, conf, -errno, strerror(errno));
	}
	if (!S_ISSOCK(st.st_mode))
		return complain(err, conf, -EEXIST, "exists and is not a socket; it is left alone");
	ret = probe(conf, err);
	*dead = ret == 0;
	return ret;
}

int control_path_check(const struct control_conf *conf, struct text *err)
{
	bool dead;

	return path_look(conf, &dead, err);
}

/* The id of the group that may ask, by name or number; (gid_t)-1: there is none. A group that is
 * not there must not keep a firewall from replicating: the socket stays closed to it, which is
 * said. */
static gid_t group_of(const struct control_conf *conf)
{
	const struct group *g = conf->group[0] ? getgrnam(conf->group) : NULL;
	char *end;
	unsigned long n;

	if (g)
		return g->gr_gid;
	if (!conf->group[0])
		return (gid_t)-1;
	n = strtoul(conf->group, &end, 10);
	if (!*end && n < (gid_t)-1)
		return (gid_t)n;
	log_warnx("control socket: there is no group %s (UNIX Group): the socket is for its owner "
		  "only",
		  conf->group);
	return (gid_t)-1;
}

/* Open the socket to a group. Nobody can connect yet: nothing listens. */
static void give_to_group(const struct control_conf *conf)
{
	gid_t gid = group_of(conf);

	if (gid == (gid_t)-1)
		return;
	if (lchown(conf->path, (uid_t)-1, gid) == -1 ||
	    fchmodat(AT_FDCWD, conf->path, 0660, AT_SYMLINK_NOFOLLOW) == -1)
		log_warn("control socket %s: cannot be given to the group %s (UNIX Group), it is "
			 "for its "
			 "owner only",
			 conf->path, conf->group);
}

static int bind_and_listen(struct control_listen *l, const struct control_conf *conf,
			   struct text *err)
{
	struct sockaddr_un sa;
	struct stat st;
	int ret;

	set_address(&sa, conf);
	/* Linux gives the file the mode of the socket: 0600 from the first moment on, whatever the
	 * umask. */
	if (fchmod(l->fd, 0600) == -1 || bind(l->fd, (struct sockaddr *)&sa, sizeof(sa)) == -1)
		return complain(err, conf, -errno, strerror(errno));
	give_to_group(conf);
	if (listen(l->fd, LISTEN_BACKLOG) == -1 || lstat(conf->path, &st) == -1) {
		ret = -errno;
		unlink(conf->path); /* bind() made it, so it is ours */
		return complain(err, conf, ret, strerror(-ret));
	}
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return 0;
}

int control_listen_open(struct control_listen *l, const struct control_conf *conf, struct text *err)
{
	bool dead;
	int ret;

	l->fd = -1;
	ret = path_look(conf, &dead, err);
	if (ret < 0)
		return ret;
	if (dead && unlink(conf->path) == -1 && errno != ENOENT)
		return complain(err, conf, -errno, strerror(errno));
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd == -1)
		return complain(err, conf, -errno, strerror(errno));
	ret = bind_and_listen(l, conf, err);
	if (ret < 0) {
		close(l->fd);
		l->fd = -1;
	}
	return ret;
}

void control_listen_close(struct control_listen *l, const struct control_conf *conf)
{
	struct stat st;

	if (l->fd == -1)
		return;
	if (lstat(conf->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(conf->path);
	close(l->fd);
	l->fd = -1;
}
