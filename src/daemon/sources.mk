# SPDX-License-Identifier: GPL-2.0-or-later
# pipeline.c is linked by the simulation too: it knows neither sockets nor the clock.
libdaemon_a_SOURCES = daemon/pipeline.c
