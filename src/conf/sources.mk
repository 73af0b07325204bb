# SPDX-License-Identifier: GPL-2.0-or-later
# bison -y (automake's way to call it) warns about everything that yacc does not have.
AM_YFLAGS += -Wno-yacc
libconf_a_SOURCES = \
	conf/conf_addr.c \
	conf/conf_beside.c \
	conf/conf_block.c \
	conf/conf_check.c \
	conf/conf_check_link.c \
	conf/conf_diag.c \
	conf/conf_file.c \
	conf/conf_helper.c \
	conf/conf_lex.l \
	conf/conf_list.c \
	conf/conf_names.c \
	conf/conf_near.c \
	conf/conf_parse.y \
	conf/conf_print.c \
	conf/conf_read.c \
	conf/conf_seen.c \
	conf/conf_set.c \
	conf/conf_table.c \
	conf/conf_token.c \
	conf/conf_unknown.c
