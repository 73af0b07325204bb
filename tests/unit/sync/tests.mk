# SPDX-License-Identifier: GPL-2.0-or-later
sync_tests = unit/sync/queues_test unit/sync/ftfw_test unit/sync/notrack_test unit/sync/alarm_test \
	unit/sync/modes_test unit/sync/round_test unit/sync/silence_test unit/sync/active_test
check_PROGRAMS += $(sync_tests)
TESTS += $(sync_tests)

unit_sync_queues_test_SOURCES = unit/sync/queues_test.c unit/flow/flow_random.c unit/flow/flow_random.h
unit_sync_queues_test_LDADD = $(SYNC_LIBS) $(CMOCKA_LIBS)
unit_sync_ftfw_test_SOURCES = unit/sync/ftfw_test.c unit/sync/v1_recv.h
unit_sync_ftfw_test_LDADD = $(SYNC_LIBS) $(CMOCKA_LIBS)
unit_sync_notrack_test_SOURCES = unit/sync/notrack_test.c unit/sync/unack_world.h unit/sync/v1_recv.h
unit_sync_notrack_test_LDADD = $(SYNC_LIBS) $(CMOCKA_LIBS)
unit_sync_alarm_test_SOURCES = unit/sync/alarm_test.c unit/sync/unack_world.h unit/sync/v1_recv.h
unit_sync_alarm_test_LDADD = $(SYNC_LIBS) $(CMOCKA_LIBS)
unit_sync_modes_test_SOURCES = unit/sync/modes_test.c unit/sync/unack_world.h unit/sync/v1_recv.h unit/proto/v1/vector_file.c \
	unit/proto/v1/vector_file.h unit/proto/v1/recorded.h
unit_sync_modes_test_LDADD = $(SYNC_LIBS) $(CMOCKA_LIBS)
unit_sync_round_test_SOURCES = unit/sync/round_test.c
unit_sync_round_test_LDADD = $(SYNC_LIBS) $(CMOCKA_LIBS)
unit_sync_silence_test_SOURCES = unit/sync/silence_test.c unit/sync/unack_world.h unit/sync/v1_recv.h
unit_sync_silence_test_LDADD = $(SYNC_LIBS) $(CMOCKA_LIBS)
unit_sync_active_test_SOURCES = unit/sync/active_test.c unit/sync/unack_world.h unit/sync/v1_recv.h
unit_sync_active_test_LDADD = $(SYNC_LIBS) $(CMOCKA_LIBS)
