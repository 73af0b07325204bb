# SPDX-License-Identifier: GPL-2.0-or-later
gate_tests = unit/gate/await_test unit/gate/gate_test unit/gate/packet_test unit/gate/waiting_test
check_PROGRAMS += $(gate_tests)
TESTS += $(gate_tests)

unit_gate_await_test_SOURCES = unit/gate/await_test.c
unit_gate_await_test_LDADD = $(GATE_LIBS) $(CMOCKA_LIBS)
unit_gate_gate_test_SOURCES = unit/gate/gate_test.c
unit_gate_gate_test_LDADD = $(GATE_LIBS) $(CMOCKA_LIBS)
unit_gate_packet_test_SOURCES = unit/gate/packet_test.c
unit_gate_packet_test_LDADD = $(GATE_LIBS) $(CMOCKA_LIBS)
unit_gate_waiting_test_SOURCES = unit/gate/waiting_test.c
unit_gate_waiting_test_LDADD = $(GATE_LIBS) $(CMOCKA_LIBS)
