# SPDX-License-Identifier: GPL-2.0-or-later
standing_tests = unit/standing/news_test unit/standing/standing_test unit/standing/strangers_test
check_PROGRAMS += $(standing_tests)
TESTS += $(standing_tests)

unit_standing_news_test_SOURCES = unit/standing/news_test.c
unit_standing_news_test_LDADD = $(STANDING_LIBS) $(CMOCKA_LIBS)
unit_standing_standing_test_SOURCES = unit/standing/standing_test.c
unit_standing_standing_test_LDADD = $(STANDING_LIBS) $(CMOCKA_LIBS)
unit_standing_strangers_test_SOURCES = unit/standing/strangers_test.c
unit_standing_strangers_test_LDADD = $(STANDING_LIBS) $(CMOCKA_LIBS)
