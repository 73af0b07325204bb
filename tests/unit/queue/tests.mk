# SPDX-License-Identifier: GPL-2.0-or-later
queue_tests = unit/queue/packet_test unit/queue/queue_ct_test
check_PROGRAMS += $(queue_tests)
TESTS += $(queue_tests)

unit_queue_packet_test_SOURCES = unit/queue/packet_test.c
unit_queue_packet_test_LDADD = $(QUEUE_LIBS) $(CMOCKA_LIBS)
unit_queue_queue_ct_test_SOURCES = unit/queue/queue_ct_test.c
unit_queue_queue_ct_test_LDADD = $(QUEUE_LIBS) $(CMOCKA_LIBS) $(MNL_LIBS) $(NFHELP_LIBS)
