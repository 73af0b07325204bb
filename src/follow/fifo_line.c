/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What keepalived says in its FIFO, and who decides the role.
 *
 * MASTER is the primary, BACKUP the backup; FAULT and STOP (keepalived ends) are faulty: the node
 * has given its addresses away and cannot take them. Other states are no change of the role, as
 * MASTER_RX_LOWER_PRI, which a master says of a neighbour. Lines about virtual servers (VS, RS),
 * which notify_fifo has as well, and of kinds that a later keepalived may have, are passed over. */
#include "follow/fifo_line.h"

#include <string.h>

static const struct {
	const char *state;
	enum role_kind role;
} states[] = {
	{ "MASTER", ROLE_PRIMARY },
	{ "BACKUP", ROLE_BACKUP },
	{ "FAULT", ROLE_FAULTY },
	{ "STOP", ROLE_FAULTY },
};

static enum role_kind role_of(const char *state)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(states[i].state, state) == 0)
			return states[i].role;
	return ROLE_UNKNOWN;
}

static size_t capitals(const char *s)
{
	return strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
}

/* From a quote to the next one. Returns what follows, NULL: no such name. */
static const char *take_name(const char *s, char name[ROLE_NAME_MAX + 1])
{
	const char *end = *s == '"' ? strchr(s + 1, '"') : NULL;
	size_t n = end ? (size_t)(end - s - 1) : 0;

	if (n == 0 || n > ROLE_NAME_MAX)
		return NULL;
	memcpy(name, s + 1, n);
	name[n] = '\0';
	return end + 1;
}

/* What stands behind INSTANCE or GROUP. */
static bool parse_state(const char *s, struct fifo_line *line)
{
	size_t n;

	s = take_name(s, line->name);
	if (!s || *s != ' ')
		return false;
	n = capitals(++s);
	if (n == 0 || n >= sizeof(line->state) || (s[n] != '\0' && s[n] != ' '))
		return false;
	memcpy(line->state, s, n);
	line->state[n] = '\0';
	s += n;
	s += *s == ' ';
	if (s[strspn(s, "0123456789")] != '\0') /* the priority, which older ones do not tell */
		return false;
	line->role = role_of(line->state);
	return true;
}

enum meaning {
	ABOUT_VRRP,
	ABOUT_OTHERS,
	BAD,
};

static enum meaning parse(const char *s, struct fifo_line *line)
{
	size_t n = capitals(s);

	*line = (struct fifo_line){ .role = ROLE_UNKNOWN };
	if (n == 0 || s[n] != ' ')
		return BAD;
	line->group = n == 5 && memcmp(s, "GROUP", n) == 0;
	if (!line->group && !(n == 8 && memcmp(s, "INSTANCE", n) == 0))
		return ABOUT_OTHERS;
	return parse_state(s + n + 1, line) ? ABOUT_VRRP : BAD;
}

static void tell_bad(struct fifo_reader *r, const struct fifo_lines_cb *cb)
{
	char start[41];
	size_t n = 0;

	for (; n < r->n && n < sizeof(start) - 1; n++)
		start[n] = r->buf[n] >= ' ' && r->buf[n] <= '~' ? r->buf[n] : '?';
	start[n] = '\0';
	r->bad++;
	cb->bad(cb->ctx, start);
}

static void end_line(struct fifo_reader *r, const struct fifo_lines_cb *cb)
{
	struct fifo_line line;
	enum meaning m = BAD;

	r->buf[r->n] = '\0';
	if (!r->too_long && !memchr(r->buf, '\0', r->n))
		m = parse(r->buf, &line);
	if (m == ABOUT_VRRP) {
		r->lines++;
		cb->line(cb->ctx, &line);
	} else if (m == BAD) {
		tell_bad(r, cb);
	}
	fifo_restart(r);
}

void fifo_feed(struct fifo_reader *r, const char *bytes, size_t n, const struct fifo_lines_cb *cb)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n')
			end_line(r, cb);
		else if (r->n < FIFO_LINE_MAX)
			r->buf[r->n++] = bytes[i];
		else
			r->too_long = true;
	}
}

void fifo_restart(struct fifo_reader *r)
{
	r->n = 0;
	r->too_long = false;
}

static bool has(const struct role_names *names, const char *name)
{
	for (uint32_t i = 0; i < names->n; i++)
		if (strcmp(names->name[i], name) == 0)
			return true;
	return false;
}

bool fifo_decides(const struct role_conf *conf, const struct fifo_line *line)
{
	if (conf->instances.n + conf->groups.n == 0)
		return true;
	return has(line->group ? &conf->groups : &conf->instances, line->name);
}
