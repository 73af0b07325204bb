# SPDX-License-Identifier: GPL-2.0-or-later
follow_tests = unit/follow/commit_request_test unit/follow/expecting_test unit/follow/exp_watch_test \
	unit/follow/reconcile_test unit/follow/entry_timeout_test unit/follow/blind_test unit/follow/activity_test \
	unit/follow/jobs_test unit/follow/timeout_refresh_test unit/follow/refused_test unit/follow/role_test unit/follow/fifo_line_test unit/follow/role_fifo_test \
	unit/follow/track_file_test unit/follow/windows_test unit/follow/external_flush_test
check_PROGRAMS += $(follow_tests)
TESTS += $(follow_tests)

unit_follow_commit_request_test_SOURCES = unit/follow/commit_request_test.c unit/kernel/commit_rules.c \
	unit/kernel/commit_rules.h unit/kernel/attrs.c unit/kernel/attrs.h unit/proto/v1/recorded.h \
	$(kernel_support) $(FLOW_RANDOM)
unit_follow_commit_request_test_LDADD = $(S)/libkernel.a $(PROTO_LIBS) $(MNL_LIBS) $(CMOCKA_LIBS)
unit_follow_expecting_test_SOURCES = unit/follow/expecting_test.c $(kernel_support)
unit_follow_expecting_test_LDADD = $(FOLLOW_LIBS) $(CMOCKA_LIBS)
unit_follow_exp_watch_test_SOURCES = unit/follow/exp_watch_test.c $(kernel_support)
unit_follow_exp_watch_test_LDADD = $(FOLLOW_LIBS) $(CMOCKA_LIBS)
# What it asks of kernel, cache and loop is defined in the test.
unit_follow_reconcile_test_SOURCES = unit/follow/reconcile_test.c
unit_follow_reconcile_test_LDADD = $(FOLLOW_LIBS) $(CMOCKA_LIBS)
# What it asks of kernel, cache and loop is defined in the test.
unit_follow_timeout_refresh_test_SOURCES = unit/follow/timeout_refresh_test.c
unit_follow_timeout_refresh_test_LDADD = $(FOLLOW_LIBS) $(CMOCKA_LIBS)
unit_follow_entry_timeout_test_SOURCES = unit/follow/entry_timeout_test.c
unit_follow_entry_timeout_test_LDADD = $(S)/libfollow.a $(KERNEL_LIBS) $(CMOCKA_LIBS)
# log_warnx() is wrapped: what is said counts.
unit_follow_activity_test_SOURCES = unit/follow/activity_test.c
unit_follow_activity_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=log_warnx
unit_follow_activity_test_LDADD = $(FOLLOW_LIBS) $(CMOCKA_LIBS)
unit_follow_refused_test_SOURCES = unit/follow/refused_test.c
unit_follow_refused_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=log_warnx
unit_follow_refused_test_LDADD = $(FOLLOW_LIBS) $(CMOCKA_LIBS)
unit_follow_jobs_test_SOURCES = unit/follow/jobs_test.c
unit_follow_jobs_test_LDADD = $(FOLLOW_LIBS) $(CMOCKA_LIBS)
unit_follow_blind_test_SOURCES = unit/follow/blind_test.c
unit_follow_blind_test_LDADD = $(FOLLOW_LIBS) $(CMOCKA_LIBS)
unit_follow_windows_test_SOURCES = unit/follow/windows_test.c $(kernel_support)
unit_follow_windows_test_LDADD = $(FOLLOW_LIBS) $(CMOCKA_LIBS)
# What it asks of pipeline, jobs and loop is defined in the test.
unit_follow_external_flush_test_SOURCES = unit/follow/external_flush_test.c
unit_follow_external_flush_test_LDADD = $(FOLLOW_LIBS) $(CMOCKA_LIBS)
# Its words are not for the terminal of the test.
unit_follow_role_test_SOURCES = unit/follow/role_test.c
unit_follow_role_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=log_notice -Wl,--wrap=log_errx
unit_follow_role_test_LDADD = $(FOLLOW_LIBS) $(CMOCKA_LIBS)
unit_follow_fifo_line_test_SOURCES = unit/follow/fifo_line_test.c
unit_follow_fifo_line_test_LDADD = $(FOLLOW_LIBS) $(CMOCKA_LIBS)
unit_follow_role_fifo_test_SOURCES = unit/follow/role_fifo_test.c
unit_follow_role_fifo_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=log_warnx -Wl,--wrap=log_notice
unit_follow_role_fifo_test_LDADD = $(FOLLOW_LIBS) $(CMOCKA_LIBS)
unit_follow_track_file_test_SOURCES = unit/follow/track_file_test.c
unit_follow_track_file_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=log_warnx
unit_follow_track_file_test_LDADD = $(FOLLOW_LIBS) $(CMOCKA_LIBS)
