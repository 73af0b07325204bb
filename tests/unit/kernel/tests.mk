# SPDX-License-Identifier: GPL-2.0-or-later
kernel_tests = unit/kernel/bpf_filter_test unit/kernel/ct_commit_test unit/kernel/ct_convert_test \
	unit/kernel/ct_events_test unit/kernel/ct_inject_test unit/kernel/ct_table_test unit/kernel/ct_timeouts_test unit/kernel/kernel_test \
	unit/kernel/oracle_message_test unit/kernel/oracle_commit_test unit/kernel/exp_test
check_PROGRAMS += $(kernel_tests)
TESTS += $(kernel_tests)
kernel_support = unit/kernel/support.c unit/kernel/support.h

unit_kernel_bpf_filter_test_SOURCES = unit/kernel/bpf_filter_test.c $(kernel_support)
unit_kernel_bpf_filter_test_LDADD = $(KERNEL_LIBS) $(CMOCKA_LIBS)
unit_kernel_ct_commit_test_SOURCES = unit/kernel/ct_commit_test.c $(kernel_support)
unit_kernel_ct_commit_test_LDADD = $(KERNEL_LIBS) $(CMOCKA_LIBS)
unit_kernel_ct_convert_test_SOURCES = unit/kernel/ct_convert_test.c $(kernel_support)
unit_kernel_ct_convert_test_LDADD = $(KERNEL_LIBS) $(NFCT_LIBS) $(MNL_LIBS) $(CMOCKA_LIBS)
unit_kernel_ct_events_test_SOURCES = unit/kernel/ct_events_test.c $(kernel_support)
unit_kernel_ct_events_test_LDADD = $(KERNEL_LIBS) $(CMOCKA_LIBS)
unit_kernel_ct_inject_test_SOURCES = unit/kernel/ct_inject_test.c $(kernel_support)
unit_kernel_ct_inject_test_LDADD = $(KERNEL_LIBS) $(CMOCKA_LIBS)
unit_kernel_ct_table_test_SOURCES = unit/kernel/ct_table_test.c $(kernel_support)
unit_kernel_ct_table_test_LDADD = $(KERNEL_LIBS) $(CMOCKA_LIBS)
unit_kernel_ct_timeouts_test_SOURCES = unit/kernel/ct_timeouts_test.c $(kernel_support)
unit_kernel_ct_timeouts_test_LDADD = $(KERNEL_LIBS) $(CMOCKA_LIBS)
unit_kernel_kernel_test_SOURCES = unit/kernel/kernel_test.c $(kernel_support)
unit_kernel_kernel_test_LDADD = $(KERNEL_LIBS) $(CMOCKA_LIBS)
unit_kernel_exp_test_SOURCES = unit/kernel/exp_test.c unit/flow/expect_random.c unit/flow/expect_random.h \
	unit/flow/flow_random.c unit/flow/flow_random.h $(kernel_support)
unit_kernel_exp_test_LDADD = $(KERNEL_LIBS) $(NFCT_LIBS) $(MNL_LIBS) $(CMOCKA_LIBS)
# libnetfilter_conntrack as the judge.
kernel_oracle = unit/kernel/attrs.c unit/kernel/attrs.h unit/kernel/oracle.c unit/kernel/oracle.h \
	unit/kernel/oracle_live.c unit/kernel/oracle_make.c unit/kernel/oracle_mutate.c
unit_kernel_oracle_message_test_SOURCES = unit/kernel/oracle_message_test.c $(kernel_oracle) $(kernel_support)
unit_kernel_oracle_message_test_LDADD = $(KERNEL_LIBS) $(NFCT_LIBS) $(MNL_LIBS) $(CMOCKA_LIBS)
unit_kernel_oracle_commit_test_SOURCES = unit/kernel/oracle_commit_test.c unit/kernel/commit_rules.c \
	unit/kernel/commit_rules.h unit/kernel/attrs.c unit/kernel/attrs.h $(kernel_support)
unit_kernel_oracle_commit_test_LDADD = $(KERNEL_LIBS) $(NFCT_LIBS) $(MNL_LIBS) $(CMOCKA_LIBS)
