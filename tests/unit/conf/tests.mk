# SPDX-License-Identifier: GPL-2.0-or-later
conf_tests = unit/conf/lex_test unit/conf/mutate_test unit/conf/near_test unit/conf/options_test unit/conf/read_test
check_PROGRAMS += $(conf_tests) confdump
TESTS += $(conf_tests) conf/run.sh conf/docs.sh
EXTRA_DIST += conf

unit_conf_lex_test_SOURCES = unit/conf/lex_test.c
unit_conf_lex_test_LDADD = $(CONF_LIBS) $(CMOCKA_LIBS)
unit_conf_mutate_test_SOURCES = unit/conf/mutate_test.c
unit_conf_mutate_test_LDADD = $(CONF_LIBS) $(CMOCKA_LIBS)
unit_conf_near_test_SOURCES = unit/conf/near_test.c
unit_conf_near_test_LDADD = $(CONF_LIBS) $(CMOCKA_LIBS)
unit_conf_options_test_SOURCES = unit/conf/options_test.c
unit_conf_options_test_LDADD = $(CONF_LIBS) $(CMOCKA_LIBS)
unit_conf_read_test_SOURCES = unit/conf/read_test.c
unit_conf_read_test_LDADD = $(CONF_LIBS) $(CMOCKA_LIBS)
# reads configuration files for conf/run.sh and conf/docs.sh
confdump_SOURCES = conf/confdump.c
confdump_LDADD = $(CONF_LIBS)
