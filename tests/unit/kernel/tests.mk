# SPDX-License-Identifier: GPL-2.0-or-later
kernel_tests = unit/kernel/bpf_filter_test unit/kernel/ct_commit_test unit/kernel/ct_convert_test \
	unit/kernel/ct_events_test unit/kernel/ct_table_test unit/kernel/kernel_test
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
unit_kernel_ct_table_test_SOURCES = unit/kernel/ct_table_test.c $(kernel_support)
unit_kernel_ct_table_test_LDADD = $(KERNEL_LIBS) $(CMOCKA_LIBS)
unit_kernel_kernel_test_SOURCES = unit/kernel/kernel_test.c $(kernel_support)
unit_kernel_kernel_test_LDADD = $(KERNEL_LIBS) $(CMOCKA_LIBS)
