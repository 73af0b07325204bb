# SPDX-License-Identifier: GPL-2.0-or-later
# Example: 
# check_PROGRAMS += unit_base_text_test
# TESTS += unit_base_text_test
# unit_base_text_test_SOURCES = unit/base/text_test.c
# unit_base_text_test_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
