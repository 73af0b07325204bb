# SPDX-License-Identifier: GPL-2.0-or-later
daemon_tests = unit/daemon/lock_test unit/daemon/sync_log_test
check_PROGRAMS += $(daemon_tests)
TESTS += $(daemon_tests)

# flock() is wrapped, so that the path can be taken away between opening and locking.
unit_daemon_lock_test_SOURCES = unit/daemon/lock_test.c
unit_daemon_lock_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=flock
unit_daemon_lock_test_LDADD = $(DAEMON_LIBS) $(CMOCKA_LIBS)
unit_daemon_sync_log_test_SOURCES = unit/daemon/sync_log_test.c
unit_daemon_sync_log_test_LDADD = $(S)/libdaemon.a $(BASE_LIBS) $(CMOCKA_LIBS)
