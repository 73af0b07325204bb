# SPDX-License-Identifier: GPL-2.0-or-later
command_tests = unit/command/job_clients_test unit/command/values_test unit/command/json_page_test unit/command/health_test \
	unit/command/monitor_test unit/command/page_test
check_PROGRAMS += $(command_tests)
TESTS += $(command_tests)

unit_command_job_clients_test_SOURCES = unit/command/job_clients_test.c
unit_command_job_clients_test_LDADD = $(S)/libcommand.a $(S)/libcontrol.a $(FOLLOW_LIBS) $(CMOCKA_LIBS)
unit_command_values_test_SOURCES = unit/command/values_test.c
unit_command_values_test_LDADD = $(S)/libcommand.a $(S)/libcontrol.a $(FOLLOW_LIBS) $(CMOCKA_LIBS)
unit_command_json_page_test_SOURCES = unit/command/json_page_test.c
unit_command_json_page_test_LDADD = $(S)/libcommand.a $(S)/libcontrol.a $(FOLLOW_LIBS) $(CMOCKA_LIBS)
unit_command_health_test_SOURCES = unit/command/health_test.c
unit_command_health_test_LDADD = $(S)/libcommand.a $(S)/libcontrol.a $(FOLLOW_LIBS) $(CMOCKA_LIBS)
unit_command_page_test_SOURCES = unit/command/page_test.c
unit_command_page_test_LDADD = $(S)/libcommand.a $(BASE_LIBS) $(CMOCKA_LIBS)
unit_command_monitor_test_SOURCES = unit/command/monitor_test.c
unit_command_monitor_test_LDADD = $(S)/libcommand.a $(S)/libcontrol.a $(FLOW_LIBS) $(CMOCKA_LIBS)
