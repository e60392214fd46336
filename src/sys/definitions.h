/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel numbers that the headers of the oldest supported distribution
 * (Debian 12: glibc 2.36, Linux 6.1) may lack. They are part of the kernel's
 * frozen interface, so a definition that is there already is the same.
 */
#ifndef VAS_SYS_DEFINITIONS_H
#define VAS_SYS_DEFINITIONS_H

#include <stdint.h>
#include <fcntl.h>
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

#ifndef MREMAP_MAYMOVE
#define MREMAP_MAYMOVE 1
#define MREMAP_FIXED   2
#endif
#ifndef FALLOC_FL_KEEP_SIZE
#define FALLOC_FL_KEEP_SIZE 0x01
#endif
#ifndef FALLOC_FL_PUNCH_HOLE
#define FALLOC_FL_PUNCH_HOLE 0x02
#endif
#ifndef MFD_CLOEXEC
#define MFD_CLOEXEC	  0x1u
#define MFD_ALLOW_SEALING 0x2u
#endif
#ifndef MFD_HUGETLB
#define MFD_HUGETLB 0x4u
#endif
#ifndef MFD_NOEXEC_SEAL /* 6.3 */
#define MFD_NOEXEC_SEAL 0x8u
#endif
#ifndef MFD_EXEC /* 6.3 */
#define MFD_EXEC 0x10u
#endif
#ifndef F_ADD_SEALS
#define F_ADD_SEALS   1033
#define F_GET_SEALS   1034
#define F_SEAL_SEAL   0x01u
#define F_SEAL_SHRINK 0x02u
#define F_SEAL_GROW   0x04u
#define F_SEAL_WRITE  0x08u
#endif
#ifndef F_SEAL_FUTURE_WRITE /* 5.1 */
#define F_SEAL_FUTURE_WRITE 0x10u
#endif
#ifndef F_SEAL_EXEC /* 6.3 */
#define F_SEAL_EXEC 0x20u
#endif
/* Either ends writing, and punching. */
#define VAS_SEALS_WRITING (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
#ifndef MFD_HUGE_SHIFT
#define MFD_HUGE_SHIFT 26
#endif

/* Modes of mbind(2). */
#define VAS_MPOL_DEFAULT	     0
#define VAS_MPOL_PREFERRED	     1
#define VAS_MPOL_BIND		     2
#define VAS_MPOL_INTERLEAVE	     3
#define VAS_MPOL_LOCAL		     4 /* 3.8 */
#define VAS_MPOL_PREFERRED_MANY	     5 /* 5.15 */
#define VAS_MPOL_WEIGHTED_INTERLEAVE 6 /* 6.9 */

/* Commands of membarrier(2). */
#define VAS_MEMBARRIER_GLOBAL_EXPEDITED		 2 /* 4.16: in all processes that registered */
#define VAS_MEMBARRIER_REGISTER_GLOBAL_EXPEDITED 4

/* Flags of move_pages(2). */
#define VAS_MPOL_MF_MOVE     0x2u /* pages that only this process has */
#define VAS_MPOL_MF_MOVE_ALL 0x4u /* others, too: CAP_SYS_NICE */

/* What fstatfs(2) calls file systems. */
#define VAS_MAGIC_TMPFS	    0x01021994u
#define VAS_MAGIC_RAMFS	    0x858458f6u /* memfds of a kernel without shmem */
#define VAS_MAGIC_HUGETLBFS 0x958458f6u

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

/* ioctl PAGEMAP_SCAN on a descriptor of /proc/PID/pagemap, from 6.7. */
struct vas_pagemap_scan {
	uint64_t size; /* sizeof this */
	uint64_t flags;
	uint64_t start;
	uint64_t end;
	uint64_t walk_end; /* out */
	uint64_t vec;
	uint64_t vec_len;
	uint64_t max_pages;
	uint64_t category_inverted;
	uint64_t category_mask;
	uint64_t category_anyof_mask;
	uint64_t return_mask;
};
_Static_assert(sizeof(struct vas_pagemap_scan) == 96, "the layout is the kernel's");

#define VAS_PAGEMAP_SCAN _IOWR('f', 16, struct vas_pagemap_scan)
#define VAS_PAGE_FILE	 0x04u /* of the object that is mapped, no copy */
#define VAS_PAGE_PRESENT 0x08u
#define VAS_PAGE_SWAPPED 0x10u
#define VAS_PAGE_HUGE	 0x40u /* mapped as a huge page, of the pool or transparent */

/* The gap that Linux keeps below a growing stack unless booted with stack_guard_gap=. */
#define VAS_STACK_GUARD_PAGES 256u

#endif
