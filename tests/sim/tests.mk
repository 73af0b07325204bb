# SPDX-License-Identifier: GPL-2.0-or-later

# two whole nodes over a bad network: SIM_SEEDS=n how many seeds, SIM_SEED=n one of them again
check_PROGRAMS += sim/sim
TESTS += sim/sim sim/mutants/run.sh
sim_sim_SOURCES = sim/judge.c sim/kernel.c sim/net.c sim/node.c sim/old.c sim/scenario.c sim/sim.c sim/sim.h
sim_sim_LDADD = $(S)/libdaemon.a $(S)/libsync.a $(S)/libcache.a $(WIRE_LIBS)
EXTRA_DIST += sim/mutants/run.sh
