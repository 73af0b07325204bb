# SPDX-License-Identifier: GPL-2.0-or-later

# Whole nodes over a bad network: SIM_SEEDS=n how many seeds of each kind, SIM_SEED=n one of them again (sim.c). watch.c
# stands between the external cache and whoever changes it.
check_PROGRAMS += sim/sim
TESTS += sim/sim sim/mutants/run.sh
SIM_WRAP = -Wl,--wrap=table_remove,--wrap=hash_key_random,--wrap=external_new_flow,--wrap=external_replace,--wrap=external_update
sim_sim_SOURCES = sim/forge.c sim/judge.c sim/kernel.c sim/net.c sim/node.c sim/old.c sim/scenario.c sim/sim.c sim/sim.h \
	sim/truth.c sim/watch.c
sim_sim_LDADD = $(NODE_LIBS)
sim_sim_LDFLAGS = $(AM_LDFLAGS) $(SIM_WRAP)
EXTRA_DIST += sim/check sim/same sim/mutants/run.sh sim/mutants/list
