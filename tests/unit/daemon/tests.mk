# SPDX-License-Identifier: GPL-2.0-or-later
daemon_tests = unit/daemon/lock_test unit/daemon/sync_log_test unit/daemon/waiters_test unit/daemon/values_test \
	unit/daemon/json_page_test unit/daemon/health_test unit/daemon/monitor_test unit/daemon/page_test
check_PROGRAMS += $(daemon_tests)
TESTS += $(daemon_tests)

# flock() is wrapped, so that the path can be taken away between opening and locking.
unit_daemon_lock_test_SOURCES = unit/daemon/lock_test.c
unit_daemon_lock_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=flock
unit_daemon_lock_test_LDADD = $(DAEMON_LIBS) $(CMOCKA_LIBS)
unit_daemon_sync_log_test_SOURCES = unit/daemon/sync_log_test.c
unit_daemon_sync_log_test_LDADD = $(S)/libdaemon.a $(BASE_LIBS) $(CMOCKA_LIBS)
unit_daemon_waiters_test_SOURCES = unit/daemon/waiters_test.c
unit_daemon_waiters_test_LDADD = $(S)/libdaemon.a $(S)/libcontrol.a $(FOLLOW_LIBS) $(CMOCKA_LIBS)
unit_daemon_values_test_SOURCES = unit/daemon/values_test.c
unit_daemon_values_test_LDADD = $(S)/libdaemon.a $(S)/libcontrol.a $(DAEMON_LIBS) $(CMOCKA_LIBS)
unit_daemon_json_page_test_SOURCES = unit/daemon/json_page_test.c
unit_daemon_json_page_test_LDADD = $(S)/libdaemon.a $(S)/libcontrol.a $(DAEMON_LIBS) $(CMOCKA_LIBS)
unit_daemon_health_test_SOURCES = unit/daemon/health_test.c
unit_daemon_health_test_LDADD = $(S)/libdaemon.a $(S)/libcontrol.a $(DAEMON_LIBS) $(CMOCKA_LIBS)
unit_daemon_page_test_SOURCES = unit/daemon/page_test.c
unit_daemon_page_test_LDADD = $(S)/libdaemon.a $(BASE_LIBS) $(CMOCKA_LIBS)
unit_daemon_monitor_test_SOURCES = unit/daemon/monitor_test.c
unit_daemon_monitor_test_LDADD = $(S)/libdaemon.a $(S)/libcontrol.a $(FLOW_LIBS) $(CMOCKA_LIBS)
