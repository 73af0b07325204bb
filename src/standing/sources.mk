# SPDX-License-Identifier: GPL-2.0-or-later
libstanding_a_SOURCES = \
	standing/news.c \
	standing/standing.c \
	standing/strangers.c
