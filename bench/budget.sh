#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The test of `make check`: the hot path stays within bench/budget.
exec sh "${srcdir:-.}/instructions.sh" --check ..
