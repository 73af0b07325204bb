# SPDX-License-Identifier: GPL-2.0-or-later
control_tests = unit/control/args_test unit/control/command_test unit/control/out_test unit/control/record_test unit/control/server_test \
	unit/control/verdict_test
check_PROGRAMS += $(control_tests)
TESTS += $(control_tests)

unit_control_args_test_SOURCES = unit/control/args_test.c
unit_control_args_test_LDADD = $(CONTROL_LIBS) $(CMOCKA_LIBS)
unit_control_command_test_SOURCES = unit/control/command_test.c
unit_control_command_test_LDADD = $(CONTROL_LIBS) $(CMOCKA_LIBS)
unit_control_out_test_SOURCES = unit/control/out_test.c
unit_control_out_test_LDADD = $(CONTROL_LIBS) $(CMOCKA_LIBS)
unit_control_record_test_SOURCES = unit/control/record_test.c
unit_control_record_test_LDADD = $(CONTROL_LIBS) $(CMOCKA_LIBS)
unit_control_server_test_SOURCES = unit/control/server_test.c
# whoever connects is another user
unit_control_server_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=getsockopt -Wl,--wrap=__getsockopt64
unit_control_server_test_LDADD = $(CONTROL_LIBS) $(CMOCKA_LIBS)
unit_control_verdict_test_SOURCES = unit/control/verdict_test.c
unit_control_verdict_test_LDADD = $(CONTROL_LIBS) $(CMOCKA_LIBS)
