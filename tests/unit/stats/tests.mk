# SPDX-License-Identifier: GPL-2.0-or-later
stats_tests = unit/stats/flowlog_test
check_PROGRAMS += $(stats_tests)
TESTS += $(stats_tests)

# log_syslog() is wrapped: what would go to the system's log is kept.
unit_stats_flowlog_test_SOURCES = unit/stats/flowlog_test.c
unit_stats_flowlog_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=log_syslog
unit_stats_flowlog_test_LDADD = $(S)/libstats.a $(FLOW_LIBS) $(CMOCKA_LIBS)
