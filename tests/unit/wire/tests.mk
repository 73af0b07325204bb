# SPDX-License-Identifier: GPL-2.0-or-later
wire_tests = unit/wire/vectors_test unit/wire/malformed_test unit/wire/encode_test unit/wire/decode_test \
	unit/wire/expect_test unit/wire/fill_test
vector_file = unit/wire/vector_file.c unit/wire/vector_file.h unit/wire/recorded.h
check_PROGRAMS += $(wire_tests)
TESTS += $(wire_tests)

unit_wire_vectors_test_SOURCES = unit/wire/vectors_test.c $(vector_file)
unit_wire_vectors_test_LDADD = $(WIRE_LIBS) $(CMOCKA_LIBS)
unit_wire_malformed_test_SOURCES = unit/wire/malformed_test.c $(vector_file)
unit_wire_malformed_test_LDADD = $(WIRE_LIBS) $(CMOCKA_LIBS)
unit_wire_encode_test_SOURCES = unit/wire/encode_test.c unit/flow/flow_random.c unit/flow/flow_random.h
unit_wire_encode_test_LDADD = $(WIRE_LIBS) $(CMOCKA_LIBS)
unit_wire_decode_test_SOURCES = unit/wire/decode_test.c unit/flow/flow_random.c unit/flow/flow_random.h
unit_wire_decode_test_LDADD = $(WIRE_LIBS) $(CMOCKA_LIBS)
unit_wire_expect_test_SOURCES = unit/wire/expect_test.c $(vector_file) \
	unit/flow/expect_random.c unit/flow/expect_random.h unit/flow/flow_random.c unit/flow/flow_random.h
unit_wire_expect_test_LDADD = $(WIRE_LIBS) $(CMOCKA_LIBS)
unit_wire_fill_test_SOURCES = unit/wire/fill_test.c unit/flow/expect_random.c unit/flow/expect_random.h \
	unit/flow/flow_random.c unit/flow/flow_random.h
unit_wire_fill_test_LDADD = $(WIRE_LIBS) $(CMOCKA_LIBS)

EXTRA_DIST += vectors
