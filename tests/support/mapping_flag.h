/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel tells of a mapping in the line VmFlags of smaps. */
#ifndef TESTS_SUPPORT_MAPPING_FLAG_H
#define TESTS_SUPPORT_MAPPING_FLAG_H

/* Whether the mapping that holds an address has a flag, as " lo"; -1: there is no mapping. */
int mapping_flag(const void *address, const char *flag);

#endif
