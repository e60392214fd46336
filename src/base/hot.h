/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VAS_HOT marks the functions that a repeated reserve and release run through.
 * munmap flushes the processor's address translations, so after each call what
 * counts is how many different pages of code and data are touched; functions
 * marked so are linked side by side.
 */
#ifndef VAS_BASE_HOT_H
#define VAS_BASE_HOT_H

#define VAS_HOT __attribute__((hot))

#endif
