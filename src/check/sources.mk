# SPDX-License-Identifier: GPL-2.0-or-later
libcheck_a_SOURCES = \
	check/file.c \
	check/kernel.c \
	check/links.c \
	check/pair.c \
	check/paths.c \
	check/run.c \
	check/say.c
