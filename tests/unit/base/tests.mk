# SPDX-License-Identifier: GPL-2.0-or-later
base_tests = unit/base/bytes_test unit/base/evloop_test unit/base/gather_test unit/base/hash_test \
	unit/base/json_test unit/base/log_test unit/base/rate_test unit/base/text_test unit/base/values_test
check_PROGRAMS += $(base_tests)
TESTS += $(base_tests)

unit_base_bytes_test_SOURCES = unit/base/bytes_test.c
unit_base_bytes_test_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
unit_base_evloop_test_SOURCES = unit/base/evloop_test.c
unit_base_evloop_test_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
unit_base_gather_test_SOURCES = unit/base/gather_test.c
unit_base_gather_test_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
unit_base_hash_test_SOURCES = unit/base/hash_test.c
unit_base_hash_test_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
unit_base_json_test_SOURCES = unit/base/json_test.c
unit_base_json_test_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
unit_base_rate_test_SOURCES = unit/base/rate_test.c
unit_base_rate_test_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
# connect() is wrapped: to the log daemon of the test.
unit_base_log_test_SOURCES = unit/base/log_test.c
unit_base_log_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=connect
unit_base_log_test_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
unit_base_text_test_SOURCES = unit/base/text_test.c
unit_base_text_test_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
unit_base_values_test_SOURCES = unit/base/values_test.c
unit_base_values_test_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)
