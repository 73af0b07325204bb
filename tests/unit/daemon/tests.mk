# SPDX-License-Identifier: GPL-2.0-or-later
daemon_tests = unit/daemon/lock_test \
	unit/daemon/commit_request_test unit/daemon/expecting_test unit/daemon/exp_watch_test \
	unit/daemon/reconcile_test unit/daemon/life_test unit/daemon/blind_test \
	unit/daemon/activity_test unit/daemon/jobs_test unit/daemon/renew_test \
	unit/daemon/refused_test unit/daemon/sync_log_test unit/daemon/windows_test unit/daemon/waiters_test unit/daemon/values_test unit/daemon/json_page_test
check_PROGRAMS += $(daemon_tests)
TESTS += $(daemon_tests)

# flock() is wrapped, so that the path can be taken away between opening and locking.
unit_daemon_lock_test_SOURCES = unit/daemon/lock_test.c
unit_daemon_lock_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=flock
unit_daemon_lock_test_LDADD = $(DAEMON_LIBS) $(CMOCKA_LIBS)
unit_daemon_commit_request_test_SOURCES = unit/daemon/commit_request_test.c unit/kernel/commit_rules.c \
	unit/kernel/commit_rules.h unit/kernel/attrs.c unit/kernel/attrs.h unit/wire/recorded.h \
	$(kernel_support) $(FLOW_RANDOM)
unit_daemon_commit_request_test_LDADD = $(S)/libkernel.a $(WIRE_LIBS) $(MNL_LIBS) $(CMOCKA_LIBS)
unit_daemon_expecting_test_SOURCES = unit/daemon/expecting_test.c $(kernel_support)
unit_daemon_expecting_test_LDADD = $(S)/libdaemon.a $(S)/libkernel.a $(DAEMON_LIBS) $(CMOCKA_LIBS)
unit_daemon_exp_watch_test_SOURCES = unit/daemon/exp_watch_test.c $(kernel_support)
unit_daemon_exp_watch_test_LDADD = $(S)/libdaemon.a $(S)/libkernel.a $(DAEMON_LIBS) $(CMOCKA_LIBS)
# What it asks of kernel, cache and loop is defined in the test.
unit_daemon_reconcile_test_SOURCES = unit/daemon/reconcile_test.c
unit_daemon_reconcile_test_LDADD = $(S)/libdaemon.a $(DAEMON_LIBS) $(CMOCKA_LIBS)
# What it asks of kernel, cache and loop is defined in the test.
unit_daemon_renew_test_SOURCES = unit/daemon/renew_test.c
unit_daemon_renew_test_LDADD = $(S)/libdaemon.a $(DAEMON_LIBS) $(CMOCKA_LIBS)
unit_daemon_life_test_SOURCES = unit/daemon/life_test.c
unit_daemon_life_test_LDADD = $(S)/libdaemon.a $(KERNEL_LIBS) $(CMOCKA_LIBS)
# log_warnx() is wrapped: what is said counts.
unit_daemon_activity_test_SOURCES = unit/daemon/activity_test.c
unit_daemon_activity_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=log_warnx
unit_daemon_activity_test_LDADD = $(S)/libdaemon.a $(DAEMON_LIBS) $(CMOCKA_LIBS)
unit_daemon_refused_test_SOURCES = unit/daemon/refused_test.c
unit_daemon_refused_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=log_warnx
unit_daemon_refused_test_LDADD = $(S)/libdaemon.a $(S)/libkernel.a $(DAEMON_LIBS) $(CMOCKA_LIBS)
unit_daemon_sync_log_test_SOURCES = unit/daemon/sync_log_test.c
unit_daemon_sync_log_test_LDADD = $(S)/libdaemon.a $(BASE_LIBS) $(CMOCKA_LIBS)
unit_daemon_jobs_test_SOURCES = unit/daemon/jobs_test.c
unit_daemon_jobs_test_LDADD = $(S)/libdaemon.a $(DAEMON_LIBS) $(CMOCKA_LIBS)
unit_daemon_blind_test_SOURCES = unit/daemon/blind_test.c
unit_daemon_blind_test_LDADD = $(S)/libdaemon.a $(S)/libkernel.a $(DAEMON_LIBS) $(CMOCKA_LIBS)
unit_daemon_waiters_test_SOURCES = unit/daemon/waiters_test.c
unit_daemon_waiters_test_LDADD = $(S)/libdaemon.a $(S)/libcontrol.a $(S)/libkernel.a $(DAEMON_LIBS) $(CMOCKA_LIBS)
unit_daemon_windows_test_SOURCES = unit/daemon/windows_test.c $(kernel_support)
unit_daemon_windows_test_LDADD = $(S)/libdaemon.a $(S)/libkernel.a $(DAEMON_LIBS) $(CMOCKA_LIBS)
unit_daemon_values_test_SOURCES = unit/daemon/values_test.c
unit_daemon_values_test_LDADD = $(S)/libdaemon.a $(S)/libkernel.a $(DAEMON_LIBS) $(CMOCKA_LIBS)
unit_daemon_json_page_test_SOURCES = unit/daemon/json_page_test.c
unit_daemon_json_page_test_LDADD = $(S)/libdaemon.a $(S)/libkernel.a $(DAEMON_LIBS) $(CMOCKA_LIBS)
