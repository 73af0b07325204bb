# SPDX-License-Identifier: GPL-2.0-or-later
libstats_a_SOURCES = stats/flowlog.c
