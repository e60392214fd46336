/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel numbers that the headers of the oldest supported distribution
 * (Debian 12: glibc 2.36, Linux 6.1) may lack. They are part of the kernel's
 * frozen interface, so a definition that is there already is the same.
 */
#ifndef VAS_SYS_DEFINITIONS_H
#define VAS_SYS_DEFINITIONS_H

#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#ifndef MAP_FIXED_NOREPLACE /* 4.17 */
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MADV_POPULATE_READ /* 5.14 */
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE /* 5.14 */
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED /* 5.18 */
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_COLLAPSE /* 6.1 */
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_GUARD_INSTALL /* 6.13 */
#define MADV_GUARD_INSTALL 102
#endif
#ifndef MADV_GUARD_REMOVE /* 6.13 */
#define MADV_GUARD_REMOVE 103
#endif
#ifndef PR_SET_VMA /* 5.17 */
#define PR_SET_VMA 0x53564d41
#endif
#ifndef PR_SET_VMA_ANON_NAME /* 5.17 */
#define PR_SET_VMA_ANON_NAME 0
#endif

/* The longest name that PR_SET_VMA_ANON_NAME takes, with the NUL. */
#define VAS_ANON_NAME_SIZE 80

/* ioctl PROCMAP_QUERY on a descriptor of /proc/PID/maps, from 6.11. */
struct vas_procmap_query {
	uint64_t size; /* sizeof this */
	uint64_t query_flags;
	uint64_t query_addr;
	uint64_t vma_start;
	uint64_t vma_end;
	uint64_t vma_flags;
	uint64_t vma_page_size;
	uint64_t vma_offset;
	uint64_t inode;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint32_t vma_name_size; /* in: room; out: length with the NUL */
	uint32_t build_id_size;
	uint64_t vma_name_addr;
	uint64_t build_id_addr;
};
_Static_assert(sizeof(struct vas_procmap_query) == 104, "the layout is the kernel's");

#define VAS_PROCMAP_QUERY	     _IOWR('f', 17, struct vas_procmap_query)
#define VAS_PROCMAP_READABLE	     0x01u
#define VAS_PROCMAP_WRITABLE	     0x02u
#define VAS_PROCMAP_EXECUTABLE	     0x04u
#define VAS_PROCMAP_SHARED	     0x08u
#define VAS_PROCMAP_COVERING_OR_NEXT 0x10u

/* The gap that Linux keeps below a growing stack unless booted with stack_guard_gap=. */
#define VAS_STACK_GUARD_PAGES 256u

#endif
