# SPDX-License-Identifier: GPL-2.0-or-later
channel_tests = unit/channel/batch_test unit/channel/mcast_test unit/channel/multi_test \
	unit/channel/route_test unit/channel/runs_test unit/channel/tcp_test unit/channel/udp_test
check_PROGRAMS += $(channel_tests)
TESTS += $(channel_tests)

unit_channel_batch_test_SOURCES = unit/channel/batch_test.c
unit_channel_batch_test_LDADD = $(CHANNEL_LIBS) $(CMOCKA_LIBS)
unit_channel_mcast_test_SOURCES = unit/channel/mcast_test.c unit/channel/lab.c unit/channel/lab.h
unit_channel_mcast_test_LDADD = $(CHANNEL_LIBS) $(CMOCKA_LIBS)
unit_channel_multi_test_SOURCES = unit/channel/multi_test.c unit/channel/lab.c unit/channel/lab.h
unit_channel_multi_test_LDADD = $(CHANNEL_LIBS) $(CMOCKA_LIBS)
unit_channel_route_test_SOURCES = unit/channel/route_test.c unit/channel/lab.c unit/channel/lab.h
unit_channel_route_test_LDADD = $(CHANNEL_LIBS) $(CMOCKA_LIBS)
unit_channel_runs_test_SOURCES = unit/channel/runs_test.c unit/channel/lab.c unit/channel/lab.h
unit_channel_runs_test_LDADD = $(CHANNEL_LIBS) $(CMOCKA_LIBS)
unit_channel_tcp_test_SOURCES = unit/channel/tcp_test.c unit/channel/lab.c unit/channel/lab.h
unit_channel_tcp_test_LDADD = $(CHANNEL_LIBS) $(CMOCKA_LIBS)
unit_channel_udp_test_SOURCES = unit/channel/udp_test.c unit/channel/lab.c unit/channel/lab.h
unit_channel_udp_test_LDADD = $(CHANNEL_LIBS) $(CMOCKA_LIBS)
