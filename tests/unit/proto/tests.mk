# SPDX-License-Identifier: GPL-2.0-or-later
proto_tests = unit/proto/v1/vectors_test unit/proto/v1/malformed_test unit/proto/v1/encode_test unit/proto/v1/decode_test \
	unit/proto/v1/expect_test unit/proto/v1/fill_test unit/proto/v1/v1_test
vector_file = unit/proto/v1/vector_file.c unit/proto/v1/vector_file.h unit/proto/v1/recorded.h
check_PROGRAMS += $(proto_tests)
TESTS += $(proto_tests)

unit_proto_v1_vectors_test_SOURCES = unit/proto/v1/vectors_test.c $(vector_file)
unit_proto_v1_vectors_test_LDADD = $(PROTO_LIBS) $(CMOCKA_LIBS)
unit_proto_v1_malformed_test_SOURCES = unit/proto/v1/malformed_test.c $(vector_file)
unit_proto_v1_malformed_test_LDADD = $(PROTO_LIBS) $(CMOCKA_LIBS)
unit_proto_v1_encode_test_SOURCES = unit/proto/v1/encode_test.c unit/flow/flow_random.c unit/flow/flow_random.h
unit_proto_v1_encode_test_LDADD = $(PROTO_LIBS) $(CMOCKA_LIBS)
unit_proto_v1_decode_test_SOURCES = unit/proto/v1/decode_test.c unit/flow/flow_random.c unit/flow/flow_random.h
unit_proto_v1_decode_test_LDADD = $(PROTO_LIBS) $(CMOCKA_LIBS)
unit_proto_v1_expect_test_SOURCES = unit/proto/v1/expect_test.c $(vector_file) \
	unit/flow/expect_random.c unit/flow/expect_random.h unit/flow/flow_random.c unit/flow/flow_random.h
unit_proto_v1_expect_test_LDADD = $(PROTO_LIBS) $(CMOCKA_LIBS)
unit_proto_v1_fill_test_SOURCES = unit/proto/v1/fill_test.c unit/flow/expect_random.c unit/flow/expect_random.h \
	unit/flow/flow_random.c unit/flow/flow_random.h
unit_proto_v1_fill_test_LDADD = $(PROTO_LIBS) $(CMOCKA_LIBS)
unit_proto_v1_v1_test_SOURCES = unit/proto/v1/v1_test.c
unit_proto_v1_v1_test_LDADD = $(PROTO_LIBS) $(CMOCKA_LIBS)

EXTRA_DIST += vectors
