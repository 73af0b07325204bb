# SPDX-License-Identifier: GPL-2.0-or-later
helper_tests = unit/helper/memory_test unit/helper/parsers_test
check_PROGRAMS += $(helper_tests)
TESTS += $(helper_tests)

unit_helper_memory_test_LDADD = $(HELPER_LIBS) $(CMOCKA_LIBS)
unit_helper_parsers_test_SOURCES = unit/helper/parsers_test.c unit/helper/talk.c unit/helper/talk.h
unit_helper_parsers_test_LDADD = $(HELPER_LIBS) $(CMOCKA_LIBS)
