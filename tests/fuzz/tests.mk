# SPDX-License-Identifier: GPL-2.0-or-later

# conf: arbitrary bytes as a configuration file
check_PROGRAMS += fuzz/conf_fuzz
TESTS += fuzz/conf_fuzz
fuzz_conf_fuzz_SOURCES = fuzz/conf_fuzz.c fuzz/replay.c
fuzz_conf_fuzz_LDADD = $(CONF_LIBS)
EXTRA_DIST += fuzz/corpus/conf
