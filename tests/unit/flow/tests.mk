# SPDX-License-Identifier: GPL-2.0-or-later
flow_tests = unit/flow/flow_test unit/flow/print_test unit/flow/print_oracle_test unit/flow/record_test unit/flow/select_test \
	unit/flow/filter_test unit/flow/expect_test unit/flow/json_test unit/flow/judge_test
check_PROGRAMS += $(flow_tests)
TESTS += $(flow_tests)

FLOW_RANDOM = unit/flow/flow_random.c unit/flow/flow_random.h
unit_flow_flow_test_SOURCES = unit/flow/flow_test.c $(FLOW_RANDOM)
unit_flow_flow_test_LDADD = $(FLOW_LIBS) $(CMOCKA_LIBS)
unit_flow_print_test_SOURCES = unit/flow/print_test.c $(FLOW_RANDOM)
unit_flow_print_test_LDADD = $(FLOW_LIBS) $(CMOCKA_LIBS)
# The library whose layouts they are: in this test only.
unit_flow_print_oracle_test_SOURCES = unit/flow/print_oracle_test.c $(FLOW_RANDOM)
unit_flow_print_oracle_test_LDADD = $(FLOW_LIBS) $(CMOCKA_LIBS) $(NFCT_LIBS) $(MNL_LIBS)
unit_flow_record_test_SOURCES = unit/flow/record_test.c $(FLOW_RANDOM)
unit_flow_record_test_LDADD = $(FLOW_LIBS) $(CMOCKA_LIBS)
unit_flow_filter_test_SOURCES = unit/flow/filter_test.c $(FLOW_RANDOM)
unit_flow_filter_test_LDADD = $(FLOW_LIBS) $(CMOCKA_LIBS)
unit_flow_json_test_SOURCES = unit/flow/json_test.c
unit_flow_json_test_LDADD = $(FLOW_LIBS) $(CMOCKA_LIBS)
unit_flow_judge_test_SOURCES = unit/flow/judge_test.c
unit_flow_judge_test_LDADD = $(FLOW_LIBS) $(CMOCKA_LIBS)
# Its layouts are the library's too.
EXPECT_RANDOM = unit/flow/expect_random.c unit/flow/expect_random.h
unit_flow_expect_test_SOURCES = unit/flow/expect_test.c $(EXPECT_RANDOM) $(FLOW_RANDOM)
unit_flow_expect_test_LDADD = $(FLOW_LIBS) $(CMOCKA_LIBS) $(NFCT_LIBS)
unit_flow_select_test_SOURCES = unit/flow/select_test.c
unit_flow_select_test_LDADD = $(FLOW_LIBS) $(CMOCKA_LIBS)
