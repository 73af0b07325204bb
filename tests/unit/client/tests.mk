# SPDX-License-Identifier: GPL-2.0-or-later
client_tests = unit/client/answer_test unit/client/cli_test unit/client/client_test unit/client/reply_test
check_PROGRAMS += $(client_tests)
TESTS += $(client_tests)

unit_client_answer_test_SOURCES = unit/client/answer_test.c
unit_client_answer_test_LDADD = $(CLIENT_LIBS) $(CMOCKA_LIBS)
unit_client_cli_test_SOURCES = unit/client/cli_test.c
unit_client_cli_test_LDADD = $(CLIENT_LIBS) $(CMOCKA_LIBS)
unit_client_client_test_SOURCES = unit/client/client_test.c
unit_client_client_test_LDADD = $(CLIENT_LIBS) $(CMOCKA_LIBS)
unit_client_reply_test_SOURCES = unit/client/reply_test.c
unit_client_reply_test_LDADD = $(CLIENT_LIBS) $(CMOCKA_LIBS)
