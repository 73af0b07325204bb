/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The helpers of section Helper: queue and entry in the kernel, from start to end.
 *
 * A helper that is enabled and has no queue is worse than none: established connections pass, the
 * first packet of each new one disappears in the kernel without any trace. So the queue is opened
 * before the helper is enabled, and the helper is disabled before the queue is closed.
 *
 * Helpers belong to the whole kernel, the queue to a network namespace: daemons of other namespaces
 * may serve the same helper, with queues of the same number. Each holds a shared lock on a file
 * that stands for the helper; who gets it exclusively is the last. A 1.4.x knows no such lock: it
 * shows by another queue number only. */
#include "daemon/helpers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/helping.h"
#include "command/values.h"
#include "queue/cthelper.h"

#define LOCK_DIRECTORY "/run"

struct service {
	const struct conf_helper *conf;
	struct cthelper kernel;
	struct helping_of of;
	int lock_fd;  /* -1: none */
	bool enabled; /* by this daemon */
};

struct helpers {
	const struct conf_helpers *conf;
	struct helping shared;
	size_t n;
	struct service service[];
};

/* ---- names and places ---- */

static const char *l3_name(const struct conf_helper *c)
{
	return c->l3proto == AF_INET ? "inet" : "inet6";
}

static const char *l4_name(const struct conf_helper *c)
{
	return c->l4proto == IPPROTO_TCP ? "tcp" : "udp";
}

/* "helper ftp inet tcp", and where it is in the file. */
static void put_place(struct text *t, const struct conf_helpers *all, const struct conf_helper *c)
{
	if (all->file)
		text_printf(t, "%s:%u:%u: ", all->file, c->line, c->column);
	text_printf(t, "helper %s %s %s: ", c->name, l3_name(c), l4_name(c));
}

static struct cthelper to_kernel(const struct conf_helper *c, const struct helper *h)
{
	return (struct cthelper){
		.name = h->name,
		.l3 = c->l3proto,
		.l4 = c->l4proto,
		.queue_num = (uint16_t)c->queue_num,
		.private_len = h->private_len,
		.expect_max = c->policy[0].expect_max,
		.expect_timeout_s = c->policy[0].expect_timeout_s,
	};
}

/* ---- who serves it ---- */

static int open_lock(const struct conf_helper *c)
{
	char path[128];

	snprintf(path, sizeof(path), LOCK_DIRECTORY "/conntrackd-helper-%s-%s-%s", c->name,
		 l3_name(c), l4_name(c));
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
}

/* fd -1 (no place for a lock): yes. */
static bool nobody_else(int fd)
{
	return fd == -1 || flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* Disables one that has this queue number. 1: done; 0: nothing to do; -errno. */
static int disable(const struct cthelper *k)
{
	struct cthelper_found found;
	int rc = cthelper_get(k, &found);

	if (rc == -ENOENT || (rc == 0 && (!found.enabled || found.queue_num != k->queue_num)))
		return 0;
	if (rc == 0)
		rc = cthelper_disable(k);
	return rc < 0 ? rc : 1;
}

/* ---- starting ---- */

static bool module_is_loaded(const char *helper)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/nf_conntrack_%s", helper);
	return access(path, F_OK) == 0;
}

static void explain(const struct conf_helper *c, const struct cthelper *k, bool setup, int rc,
		    struct text *err)
{
	bool absent = rc == -ENOENT;

	if ((rc == -EBUSY || absent) && module_is_loaded(c->name))
		text_printf(err,
			    "the kernel's own helper of that name is loaded and in the way: "
			    "modprobe -r nf_nat_%s nf_conntrack_%s, and keep it from being loaded "
			    "again",
			    c->name, c->name);
	else if (absent && !setup)
		text_printf(err,
			    "the kernel has no such helper: type \"nfct add helper %s %s %s\" "
			    "before the start, or write \"Setup yes\" into section Helper",
			    c->name, l3_name(c), l4_name(c));
	else if (rc == -EBUSY)
		text_printf(err,
			    "a helper of that name with other properties is in the way: type "
			    "\"nfct delete helper %s %s %s\"",
			    c->name, l3_name(c), l4_name(c));
	else
		text_printf(
			err,
			"the kernel refuses it (at most %u expectations for %u s, queue %u): %s",
			k->expect_max, k->expect_timeout_s, k->queue_num, strerror(-rc));
}

static int enable(struct service *s, bool setup, struct text *err)
{
	struct cthelper_found found;
	int rc = cthelper_get(&s->kernel, &found);

	if (rc == 0 && found.private_len != s->kernel.private_len)
		rc = -EBUSY;
	else if (rc == 0 && found.enabled && found.queue_num != s->kernel.queue_num)
		log_warnx("helper %s %s %s was enabled with queue %u and has queue %u now: another "
			  "daemon that serves it has to use the same",
			  s->conf->name, l3_name(s->conf), l4_name(s->conf), found.queue_num,
			  s->kernel.queue_num);
	if (rc == 0 || (rc == -ENOENT && setup))
		rc = cthelper_enable(&s->kernel, setup);
	if (rc < 0)
		explain(s->conf, &s->kernel, setup, rc, err);
	s->enabled = rc == 0;
	return rc;
}

static int open_service(struct helpers *h, struct evloop *loop, struct service *s, struct text *err)
{
	const struct queue_cb cb = { .ctx = &s->of, .packet = helping_packet };
	const struct conf_helper *c = s->conf;
	const struct queue_conf conf = { .num = (uint16_t)c->queue_num,
					 .max_len = c->queue_len,
					 .copy_range = QUEUE_COPY_ALL,
					 .conntrack = true };
	int rc;

	log_notice("configuring helper `%s' with queuenum=%u and queuelen=%u", c->name,
		   c->queue_num, c->queue_len);
	log_notice("policy name=%s expect_timeout=%u expect_max=%u", c->policy[0].name,
		   c->policy[0].expect_timeout_s, c->policy[0].expect_max);
	put_place(err, h->conf, c);
	s->lock_fd = open_lock(c);
	/* conntrackd --disable-helpers has it, for ms */
	if (s->lock_fd != -1 && flock(s->lock_fd, LOCK_SH | LOCK_NB) == -1) {
		if (flock(s->lock_fd, LOCK_SH) == -1)
			return -errno;
	}
	rc = packet_queue_open(loop, &conf, &cb, &s->of.queue, err);
	if (rc == 0)
		rc = enable(s, h->conf->setup, err);
	if (rc < 0)
		return rc;
	log_notice("helper `%s' configured successfully", c->name);
	text_reset(err);
	return 0;
}

const char *helpers_unserved(const struct conf_helpers *conf)
{
	int rc = conf->n > 0 ? cthelper_probe() : 0;

	if (rc == -EOPNOTSUPP)
		return "this program was built without libnetfilter_queue or libnetfilter_cthelper";
	if (rc == -EPROTONOSUPPORT)
		return "this kernel has no helpers in user space (modprobe nfnetlink_cthelper)";
	return NULL;
}

void helpers_warn(const struct conf_helpers *conf, conf_report_fn report, void *ctx)
{
	const char *why = helpers_unserved(conf);
	char text[256];

	for (size_t i = 0; why && i < conf->n; i++) {
		const struct conf_helper *c = &conf->list[i];
		const struct conf_place at = { .file = conf->file,
					       .line = c->line,
					       .column = c->column };

		snprintf(text, sizeof(text), "helper %s %s %s is not served: %s", c->name,
			 l3_name(c), l4_name(c), why);
		report(ctx, CONF_WARNING, &at, text);
	}
}

/* 1: there are helpers to serve. What helpers_warn() has told is no error. */
static int probe(const struct conf_helpers *conf, struct text *err)
{
	int rc = conf->n > 0 ? cthelper_probe() : -EOPNOTSUPP;

	if (rc == 0)
		return 1;
	if (rc == -EOPNOTSUPP || rc == -EPROTONOSUPPORT)
		return 0;
	put_place(err, conf, &conf->list[0]);
	if (rc == -EPERM)
		text_str(err, "not permitted: helpers belong to the whole kernel, so an "
			      "unprivileged container cannot set them up; remove section Helper, "
			      "or run conntrackd outside");
	else
		text_printf(err, "nfnetlink_cthelper: %s", strerror(-rc));
	return rc;
}

int helpers_open(struct evloop *loop, const struct conf_helpers *conf, struct helpers **out,
		 struct text *err)
{
	struct helpers *h;
	int rc = probe(conf, err);

	*out = NULL;
	if (rc <= 0)
		return rc;
	h = calloc(1, sizeof(*h) + conf->n * sizeof(h->service[0]));
	if (!h)
		return -ENOMEM;
	h->conf = conf;
	h->shared.loop = loop;
	rc = hash_key_random(&h->shared.hash);
	if (rc == 0)
		rc = exp_sock_open(&h->shared.exp, err);
	if (rc == 0)
		rc = seqadj_open(&h->shared.seqadj, err);
	for (size_t i = 0; rc == 0 && i < conf->n; i++) {
		struct service *s = &h->service[i];
		const struct helper *helper = helper_find(conf->list[i].name);

		*s = (struct service){
			.conf = &conf->list[i],
			.kernel = to_kernel(&conf->list[i], helper),
			.lock_fd = -1,
			.of = { .all = &h->shared,
				.helper = helper,
				.expect_timeout_s = conf->list[i].policy[0].expect_timeout_s },
		};
		h->n++;
		rc = open_service(h, loop, s, err);
	}
	if (rc < 0) {
		helpers_close(h);
		return rc;
	}
	*out = h;
	return 0;
}

uint32_t helpers_portid(const struct helpers *h)
{
	return seqadj_portid(h->shared.seqadj);
}

/* ---- ending ---- */

static void close_service(struct service *s)
{
	int rc;

	if (s->enabled && !nobody_else(s->lock_fd)) {
		log_notice("helper %s %s %s stays enabled: another conntrackd serves it",
			   s->conf->name, l3_name(s->conf), l4_name(s->conf));
	} else if (s->enabled) {
		rc = disable(&s->kernel);
		if (rc < 0)
			log_errx("helper %s %s %s cannot be disabled: %s: new connections to its "
				 "port are lost until it is (conntrackd --disable-helpers)",
				 s->conf->name, l3_name(s->conf), l4_name(s->conf), strerror(-rc));
		else if (rc > 0)
			log_notice("helper %s %s %s disabled: its connections pass without it",
				   s->conf->name, l3_name(s->conf), l4_name(s->conf));
	}
	if (s->of.queue)
		packet_queue_drain(s->of.queue);
	packet_queue_close(s->of.queue);
	if (s->lock_fd != -1)
		close(s->lock_fd);
}

void helpers_close(struct helpers *h)
{
	if (!h)
		return;
	while (h->n > 0)
		close_service(&h->service[--h->n]);
	seqadj_close(h->shared.seqadj);
	exp_sock_close(h->shared.exp);
	free(h);
}

/* One of them. */
static int disable_abandoned(const struct conf_helper *c, struct text *out, struct text *err)
{
	const struct cthelper k = to_kernel(c, helper_find(c->name));
	int fd = open_lock(c), rc = 0;
	bool alone = nobody_else(fd);

	if (alone)
		rc = disable(&k);
	if (rc < 0)
		text_printf(err, "helper %s %s %s cannot be disabled: %s\n", c->name, l3_name(c),
			    l4_name(c), strerror(-rc));
	else if (rc > 0)
		text_printf(out, "helper %s %s %s disabled\n", c->name, l3_name(c), l4_name(c));
	else if (!alone)
		text_printf(out, "helper %s %s %s is served by a conntrackd that runs\n", c->name,
			    l3_name(c), l4_name(c));
	if (fd != -1)
		close(fd);
	return rc;
}

int helpers_disable(const struct conf_helpers *conf, struct text *out, struct text *err)
{
	int rc = conf->n > 0 ? cthelper_probe() : 0, failed = 0;

	if (rc == -EOPNOTSUPP || rc == -EPROTONOSUPPORT)
		return 0;
	if (rc < 0)
		text_printf(err, "helpers: %s\n", strerror(-rc));
	for (size_t i = 0; i < conf->n && rc >= 0; i++) {
		int one = disable_abandoned(&conf->list[i], out, err);

		failed = one < 0 ? one : failed;
	}
	return rc < 0 ? rc : failed;
}

/* ---- -s helper ---- */

void helpers_values(const struct helpers *h, size_t i, struct helper_values *out)
{
	const struct service *s = &h->service[i];
	const struct queue_stats *q = packet_queue_stats(s->of.queue);
	const struct helping_stats *n = &s->of.stats;
	struct queue_kernel k = { 0 };

	queue_kernel_read((uint16_t)s->conf->queue_num, &k);
	*out = (struct helper_values){
		.name = s->conf->name,
		.family = l3_name(s->conf),
		.protocol = l4_name(s->conf),
		.queue_num = s->conf->queue_num,
		.packets = q->packets,
		.mangled = n->mangled,
		.unreadable = n->no_packet + q->malformed,
		.verdicts = q->verdicts,
		.made = n->made,
		.refreshed = n->refreshed,
		.taken = n->refused[HELPING_TAKEN],
		.full = n->refused[HELPING_FULL],
		.split = n->refused[HELPING_SPLIT],
		.no_nat = n->refused[HELPING_NO_NAT],
		.other = n->refused[HELPING_OTHER],
		.waiting = k.waiting,
		.dropped_length = k.dropped_full,
		.dropped_socket = k.dropped_socket,
	};
	for (unsigned int r = 0; r < HELPING_REFUSALS; r++)
		out->refused += n->refused[r];
}

size_t helpers_count(const struct helpers *h)
{
	return h ? h->n : 0;
}
