/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of helper_conf.h with their parsers. */
#include "helper/helper.h"

#include <string.h>

#include "helper/helper_conf.h"
#include "helper/parse.h"

/* clang-format off */
#define ROW(name, parser, over, private_len, expect_max, expect_timeout_s) \
	{ #name, !!((over) & HELPER_TCP), !!((over) & HELPER_UDP), !!((over) & HELPER_V4), \
	  !!((over) & HELPER_V6), private_len, expect_max, expect_timeout_s, parser },
/* clang-format on */
static const struct helper helpers[] = { HELPER_TABLE(ROW) };
#undef ROW

const struct helper *helper_at(size_t i)
{
	return i < sizeof(helpers) / sizeof(helpers[0]) ? &helpers[i] : NULL;
}

const struct helper *helper_find(const char *name)
{
	const struct helper *h = NULL;

	for (size_t i = 0; (h = helper_at(i)); i++) {
		if (!strcmp(h->name, name))
			break;
	}
	return h;
}
