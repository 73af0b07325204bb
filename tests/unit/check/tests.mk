# SPDX-License-Identifier: GPL-2.0-or-later
CHECK_LIBS = $(S)/libcheck.a $(CONF_LIBS)
check_tests = unit/check/file_test unit/check/pair_test unit/check/machine_test unit/check/run_test
check_PROGRAMS += $(check_tests)
TESTS += $(check_tests)

unit_check_file_test_SOURCES = unit/check/file_test.c unit/check/read.h
unit_check_file_test_LDADD = $(CHECK_LIBS) $(CMOCKA_LIBS)
unit_check_pair_test_SOURCES = unit/check/pair_test.c unit/check/read.h
unit_check_pair_test_LDADD = $(CHECK_LIBS) $(CMOCKA_LIBS)
unit_check_machine_test_SOURCES = unit/check/machine_test.c unit/check/read.h
unit_check_machine_test_LDADD = $(CHECK_LIBS) $(CMOCKA_LIBS)
unit_check_run_test_SOURCES = unit/check/run_test.c unit/check/read.h
unit_check_run_test_LDADD = $(CHECK_LIBS) $(CMOCKA_LIBS)
