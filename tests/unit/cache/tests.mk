# SPDX-License-Identifier: GPL-2.0-or-later
cache_tests = unit/cache/clash_test unit/cache/external_test unit/cache/internal_test unit/cache/table_test \
	unit/cache/expects_test unit/cache/peer_flows_test unit/cache/reply_index_test unit/cache/whole_test
check_PROGRAMS += $(cache_tests)
TESTS += $(cache_tests)
EXTRA_DIST += unit/cache/flows.h

unit_cache_clash_test_SOURCES = unit/cache/clash_test.c
unit_cache_clash_test_LDADD = $(CACHE_LIBS) $(CMOCKA_LIBS)
unit_cache_expects_test_SOURCES = unit/cache/expects_test.c unit/flow/expect_random.c unit/flow/expect_random.h \
	unit/flow/flow_random.c unit/flow/flow_random.h
unit_cache_expects_test_LDADD = $(CACHE_LIBS) $(CMOCKA_LIBS)
unit_cache_external_test_SOURCES = unit/cache/external_test.c
unit_cache_external_test_LDADD = $(CACHE_LIBS) $(CMOCKA_LIBS)
unit_cache_peer_flows_test_SOURCES = unit/cache/peer_flows_test.c
unit_cache_peer_flows_test_LDADD = $(CACHE_LIBS) $(CMOCKA_LIBS)
unit_cache_internal_test_SOURCES = unit/cache/internal_test.c
unit_cache_internal_test_LDADD = $(CACHE_LIBS) $(CMOCKA_LIBS)
unit_cache_table_test_SOURCES = unit/cache/table_test.c
unit_cache_table_test_LDADD = $(CACHE_LIBS) $(CMOCKA_LIBS)
unit_cache_whole_test_SOURCES = unit/cache/whole_test.c
unit_cache_whole_test_LDADD = $(CACHE_LIBS) $(CMOCKA_LIBS)
unit_cache_reply_index_test_SOURCES = unit/cache/reply_index_test.c
unit_cache_reply_index_test_LDADD = $(CACHE_LIBS) $(CMOCKA_LIBS)
