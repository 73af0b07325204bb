# SPDX-License-Identifier: GPL-2.0-or-later
libnode_a_SOURCES = \
	node/ambiguous.c \
	node/complete.c \
	node/exp_path.c \
	node/path.c \
	node/pipeline.c \
	node/pipeline_new.c \
	node/records.c \
	node/sink_cache.c \
	node/sink_kernel.c \
	node/source.c \
	node/source_bypass.c \
	node/source_cache.c \
	node/stale.c
