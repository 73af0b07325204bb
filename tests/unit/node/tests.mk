# SPDX-License-Identifier: GPL-2.0-or-later
node_tests = unit/node/pipeline_test unit/node/source_test unit/node/source_bypass_test unit/node/exp_path_test unit/node/complete_test \
	unit/node/seam_test
check_PROGRAMS += $(node_tests)
TESTS += $(node_tests)

unit_node_pipeline_test_SOURCES = unit/node/pipeline_test.c
unit_node_pipeline_test_LDADD = $(NODE_LIBS) $(CMOCKA_LIBS)
unit_node_source_test_SOURCES = unit/node/source_test.c
unit_node_source_test_LDADD = $(NODE_LIBS) $(CMOCKA_LIBS)
unit_node_source_bypass_test_SOURCES = unit/node/source_bypass_test.c
unit_node_source_bypass_test_LDADD = $(NODE_LIBS) $(CMOCKA_LIBS)
unit_node_exp_path_test_SOURCES = unit/node/exp_path_test.c
unit_node_exp_path_test_LDADD = $(NODE_LIBS) $(CMOCKA_LIBS)
unit_node_complete_test_SOURCES = unit/node/complete_test.c
unit_node_complete_test_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc -Wl,--wrap=calloc
unit_node_complete_test_LDADD = $(NODE_LIBS) $(CMOCKA_LIBS)
unit_node_seam_test_SOURCES = unit/node/seam_test.c unit/proto/double/double.c unit/proto/double/double.h \
	unit/proto/double/key_seal.h
unit_node_seam_test_LDADD = $(NODE_LIBS) $(CMOCKA_LIBS)
