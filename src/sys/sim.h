/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A simulated kernel: one Linux address space as a sorted array of mappings.
 *
 * It answers map, unmap, protect, advise, sync, names, brk, limits, reads of
 * /proc/self/maps, PROCMAP_QUERY, objects behind descriptors, memory policies
 * and moves with the errno and the resulting maps that Linux gives, for widths
 * of 38 to 57 bits and pages of 4, 16 and 64 KiB. There is no memory behind the
 * addresses, but it is known which pages would hold some and which are guarded.
 * A test tool: not in the library.
 *
 * docs/simulated-kernel.md lists what is modelled and what differs.
 */
#ifndef VAS_SYS_SIM_H
#define VAS_SYS_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/spanset.h"
#include "sys/lock.h"
#include "sys/sys.h"

enum vas_sim_noreplace {
	VAS_SIM_NOREPLACE_HONOURED,
	VAS_SIM_NOREPLACE_IGNORED, /* treated as a hint, as before 4.17 */
	VAS_SIM_NOREPLACE_PARTIAL /* partial overlaps are clobbered, as 4.17 and 4.18 do */
};

struct vas_sim_config {
	/*
	 * Bits of user space, 38..57; 0 = 47. Up to 48 all of it is the default
	 * window. From 49 to 52 that is 48 bits (arm64), above 52 it is 47
	 * (x86 with 5 levels), and only a hint above the window reaches more.
	 */
	uint32_t width;
	uint64_t page_size; /* 4096, 16384, 65536; 0 = 4096 */
	enum vas_sim_noreplace noreplace;
	uint64_t max_map_count; /* 0 = 65530 */
	uint64_t address_limit; /* RLIMIT_AS, bytes; 0 = unlimited */
	uint64_t stack_limit; /* RLIMIT_STACK, bytes; 0 = 8 MiB */
	uint64_t min_address; /* mmap_min_addr as placing uses it; 0 = 64 KiB */
	uint64_t refused_below; /* -EPERM below it unless privileged: the sysctl; 0 = min_address */
	uint64_t commit_limit; /* private writable bytes one call may charge; 0 = unlimited */
	uint64_t memory; /* bytes that pages can be had from, huge ones apart; 0 = unlimited */
	uint64_t huge_size; /* of a huge page; 0 = as many pages as a page of page table holds */
	uint64_t huge_pages; /* in the pool */
	uint64_t file_limit; /* RLIMIT_FSIZE, bytes; 0 = unlimited */
	uint64_t seed; /* where stack, mmap base, heap and image lie */
	bool privileged; /* CAP_SYS_RAWIO: may map below refused_below */
	bool no_proc; /* opening /proc fails with -ENOENT */
	bool no_query; /* PROCMAP_QUERY answers -ENOTTY */
	bool no_guards; /* MADV_GUARD_INSTALL answers -EINVAL, as before 6.13 */
	bool no_object_guards; /* the same for files and shared memory, as before 6.15 */
	bool ignores_advice; /* madvise answers 0 to what it does not know, as emulators do, and it knows little */
	bool no_policy; /* mbind answers -ENOSYS */
	bool no_names; /* PR_SET_VMA answers -EINVAL */
	bool no_huge; /* built without transparent huge pages: no alignment of whole huge sizes */
	bool empty; /* no image, heap, stack, vdso: for differential tests */
};

/* Flags beside MAP_SHARED, MAP_PRIVATE, MAP_NORESERVE and MAP_GROWSDOWN. */
#define VAS_SIM_HUGETLB	 0x04000000u /* of hugetlbfs: never merges, being VM_DONTEXPAND */
#define VAS_SIM_DRIVER	 0x08000000u /* a driver's: never splits, never merges, no pages of its own */
#define VAS_SIM_LOCKED	 0x10000000u /* mlocked */
#define VAS_SIM_NO_WRITE 0x20000000u /* shared, of a descriptor that was opened for reading */
#define VAS_SIM_ACCOUNT	 0x40000000u /* counts towards committed memory, as VM_ACCOUNT */
#define VAS_SIM_SPECIAL	 0x80000000u /* vdso and the like: never merges */

/* Bits of struct vas_sim_mapping.advice. */
#define VAS_SIM_DONTDUMP   0x01u
#define VAS_SIM_DONTFORK   0x02u
#define VAS_SIM_WIPEONFORK 0x04u
#define VAS_SIM_HUGEPAGE   0x08u
#define VAS_SIM_NOHUGEPAGE 0x10u
#define VAS_SIM_RANDOM	   0x20u
#define VAS_SIM_SEQUENTIAL 0x40u

struct vas_sim_mapping {
	uint64_t start; /* I: page aligned, start < end */
	uint64_t end; /* I: end <= start of the next */
	uint64_t offset; /* in bytes; of private anonymous memory: start, as the kernel has it */
	uint64_t object; /* which shared anonymous object; 0 = none */
	uint64_t anon; /* which anon_vma; 0 = never written to */
	uint32_t prot;
	uint32_t flags; /* MAP_ and VAS_SIM_ bits that keep mappings apart */
	uint32_t advice; /* VAS_SIM_ bits of advice */
	uint32_t policy; /* which memory policy: an index of the simulator's list; 0 = default */
	/*
	 * -1 anonymous; from VAS_SIM_OBJECT_FIRST an object of the simulator's; every other
	 * number is a file of its own, readable, writable and endless.
	 */
	int fd;
	const char *name; /* lives as long as the simulator; equal names are the same pointer */
};

struct vas_sim_file; /* an open file of /proc: sim_text.c */

#define VAS_SIM_FILES	   8
#define VAS_SIM_FILE_FIRST 1000 /* descriptors are this and more */
#define VAS_SIM_NAMES	   32 /* different names that PR_SET_VMA can give */
#define VAS_SIM_NAME_SIZE  80

#define VAS_SIM_DESCRIPTORS	 64
#define VAS_SIM_DESCRIPTOR_FIRST 2000
#define VAS_SIM_OBJECTS		 64 /* that are mapped or open at once */
#define VAS_SIM_OBJECT_FIRST	 1000000
#define VAS_SIM_POLICIES	 32

/* What a descriptor of the simulator's stands for; mappings keep it when that is closed. */
struct vas_sim_object {
	bool used;
	enum vas_sys_kind kind; /* OTHER: a driver's */
	uint64_t inode; /* never given twice */
	uint64_t size; /* I: of huge pages when HUGETLB */
	uint64_t page_size;
	uint32_t seals; /* F_SEAL_ bits */
	struct vas_spanset held; /* offsets that have bytes */
};

struct vas_sim_descriptor {
	bool used, readable, writable;
	uint32_t object;
};

struct vas_sim_policy {
	int mode;
	uint64_t nodes; /* the first 64 */
	uint32_t home; /* VAS_SIM_NO_HOME: none */
};
#define VAS_SIM_NO_HOME UINT32_MAX

struct vas_sys_sim {
	struct vas_sys sys;
	struct vas_sim_config config; /* with defaults filled in */
	struct vas_lock lock; /* of everything below */
	struct vas_sim_mapping *mappings; /* sorted; the simulator's own memory, from mmap */
	size_t count, capacity;
	uint64_t task_size; /* one past the last user address */
	uint64_t window_end; /* one past the default window */
	uint64_t brk_start, brk;
	uint64_t stack_start; /* an address within the main stack; 0 = none */
	uint64_t mmap_base; /* top-down from here */
	uint64_t legacy_base; /* bottom-up from here when top-down finds nothing */
	uint64_t address_used; /* bytes mapped; I: the sum over mappings */
	uint64_t last_anon, last_object; /* identities handed out */
	uint64_t last_inode;
	struct vas_spanset private_pages; /* addresses with bytes of their own; I: all mapped */
	struct vas_spanset guards; /* addresses with a guard; I: all mapped */
	struct vas_sim_object objects[VAS_SIM_OBJECTS];
	struct vas_sim_descriptor descriptors[VAS_SIM_DESCRIPTORS];
	struct vas_sim_policy policies[VAS_SIM_POLICIES]; /* [0]: the default */
	uint32_t policy_count;
	/* For races: called before each map operation with the simulator unlocked. */
	void (*before_map)(struct vas_sys_sim *sim, void *context);
	void *context;
	struct vas_sim_file *files; /* VAS_SIM_FILES of them */
	char (*names)[VAS_SIM_NAME_SIZE]; /* VAS_SIM_NAMES of them, "" = unused */
};

/*
 * -EINVAL: the configuration is impossible; -ENOMEM. Nothing is held then.
 * The simulator must not move afterwards.
 */
int vas_sys_sim_init(struct vas_sys_sim *sim, const struct vas_sim_config *config);
void vas_sys_sim_destroy(struct vas_sys_sim *sim);
/* Checks every invariant; false (with a reason) when one is broken. */
bool vas_sys_sim_check(const struct vas_sys_sim *sim, const char **reason);
/*
 * Writes to every page of the range, as a program would. Returns the bytes where it would have got
 * a signal instead: holes, guards, no access, beyond the end of an object, no memory.
 */
uint64_t vas_sys_sim_touch(struct vas_sys_sim *sim, uint64_t address, uint64_t size);

/*
 * Opens a new object, for tests: a file, shared memory, huge pages, or (OTHER) a driver's, which
 * is mapped whole and goes whole. Returns the descriptor, -EMFILE or -ENFILE.
 */
int64_t vas_sys_sim_new_object(struct vas_sys_sim *sim, enum vas_sys_kind kind, uint64_t size,
			       bool writable);
/* mlock and munlock. 0, -ENOMEM: a hole (what lies before it is done), or the limit of mappings. */
int64_t vas_sys_sim_lock_pages(struct vas_sys_sim *sim, uint64_t address, uint64_t size, bool lock);

/* What is held: bytes of private pages, and of guards, in a range. */
uint64_t vas_sys_sim_private_bytes(struct vas_sys_sim *sim, uint64_t address, uint64_t size);
uint64_t vas_sys_sim_guarded_bytes(struct vas_sys_sim *sim, uint64_t address, uint64_t size);
/* Bytes of all objects that are open or mapped; and huge pages that are free. */
uint64_t vas_sys_sim_object_bytes(struct vas_sys_sim *sim);
uint64_t vas_sys_sim_huge_free(struct vas_sys_sim *sim);
/*
 * Puts a mapping as it is, past all limits, without merging: to build a layout.
 * Private anonymous memory gets its offset. -EEXIST: something is there; -ENOMEM.
 */
int vas_sys_sim_put(struct vas_sys_sim *sim, const struct vas_sim_mapping *mapping);

#endif
