/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel, as one table of operations.
 *
 * Everything the library asks of the kernel goes through a struct vas_sys.
 * There are four: real (sys/real.c), tracing (sys/trace.c), faulting
 * (sys/fault.c), and a simulated address space in memory (sys/sim.c). Tracing
 * and faulting stand in front of another table.
 *
 * Conventions: a result >= 0 is success, a negative one is -errno; errno is
 * preserved; EINTR is retried inside; no operation is a cancellation point.
 * A NULL slot does not exist: every table fills every slot.
 *
 * Page size is a property of the table, since the simulated kernel has others.
 */
#ifndef VAS_SYS_SYS_H
#define VAS_SYS_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vaspace/base.h>

/* One mapping as PROCMAP_QUERY tells it; name is filled only when asked for. */
struct vas_sys_query {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	uint64_t inode;
	uint32_t device_major;
	uint32_t device_minor;
	uint32_t prot; /* PROT_ bits */
	uint32_t shared; /* 1: MAP_SHARED */
	char *name; /* in: a buffer or NULL */
	uint32_t name_size; /* in: room; out: length with the NUL, 0 = no name */
};

#define VAS_QUERY_COVERING_OR_NEXT 0x1u /* else only the mapping that covers the address */

struct vas_sys_limit {
	uint64_t current; /* UINT64_MAX = unlimited */
	uint64_t maximum;
};

#define VAS_STRAYS 16u

struct vas_sys {
	const char *name;
	uint64_t page_size;
	/*
	 * An address in the topmost mapping part of the main thread's stack, which
	 * never moves; 0 = not known. Real: AT_EXECFN; simulated: its [stack].
	 */
	uint64_t stack_address;

	/*
	 * mmap(2). Claims (without MAP_FIXED) go by raw system call, so that
	 * sanitizers' interceptors cannot move them; replacing calls (with
	 * MAP_FIXED) go through libc, so that their shadows see them.
	 * Returns the address.
	 */
	int64_t (*map)(struct vas_sys *sys, uint64_t address, uint64_t size, int prot, int flags,
		       int fd, uint64_t offset);
	int64_t (*unmap)(struct vas_sys *sys, uint64_t address, uint64_t size);
	int64_t (*protect)(struct vas_sys *sys, uint64_t address, uint64_t size, int prot);
	int64_t (*advise)(struct vas_sys *sys, uint64_t address, uint64_t size, int advice);
	/* msync(2). With MS_ASYNC: -ENOMEM exactly when the range has a hole. */
	int64_t (*sync)(struct vas_sys *sys, uint64_t address, uint64_t size, int flags);
	/* prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME). */
	int64_t (*set_name)(struct vas_sys *sys, uint64_t address, uint64_t size, const char *name);
	/* brk(0): the current program break. */
	int64_t (*get_brk)(struct vas_sys *sys);
	/* getrlimit(2) of a resource whose unit is bytes. */
	int64_t (*get_limit)(struct vas_sys *sys, int resource, struct vas_sys_limit *limit);
	/* openat(AT_FDCWD, path, flags | O_CLOEXEC). */
	int64_t (*open)(struct vas_sys *sys, const char *path, int flags);
	int64_t (*close)(struct vas_sys *sys, int fd);
	int64_t (*read)(struct vas_sys *sys, int fd, void *buffer, uint64_t size);
	int64_t (*seek)(struct vas_sys *sys, int fd, uint64_t offset); /* SEEK_SET */
	/*
	 * ioctl(PROCMAP_QUERY) on a descriptor of a maps file. -ENOENT: nothing
	 * there; -ENOTTY: this kernel has none (also when switched off).
	 */
	int64_t (*query)(struct vas_sys *sys, int fd, uint64_t address, uint32_t flags,
			 struct vas_sys_query *result);

	/* Ours, but the kernel would not take it back so far: sys/strays.h. */
	uint32_t stray_count; /* (atomic, for a first look) */
	struct vas_span strays[VAS_STRAYS];
};

/* The table for this process's kernel. The same object at every call; never NULL. */
struct vas_sys *vas_sys_real(void);

/*
 * The table that public functions use: real unless VASPACE_TRACE asks for a
 * trace, or a test replaced it. Replacing is for tests only, before threads.
 */
struct vas_sys *vas_sys_current(void);
void vas_sys_replace(struct vas_sys *sys); /* NULL: back to the default */
/* Whether the default prints a trace. The environment decides it once, before threads. */
void vas_sys_set_trace(bool on);

/* Writes a line of a log or trace at once. Past the table: no test fails it. */
void vas_sys_print(int fd, const char *bytes, size_t count);

/*
 * VAS_CALL(sys, op, ...) is sys->op(sys, ...). In builds with
 * VASPACE_CALL_SITES each place in the source where a call is made registers
 * itself in a linker section and counts its hits, which is how the fault tests
 * prove that they reached every one of them.
 */
struct vas_call_site {
	const char *file;
	const char *operation;
	int line;
	unsigned int hits; /* calls made from here (atomic) */
	unsigned int faults; /* of these: failed on purpose */
};

#ifdef VASPACE_CALL_SITES
void vas_call_site_enter(struct vas_call_site *site);
struct vas_call_site *vas_call_site_current(void); /* of this thread, valid inside an operation */
size_t vas_call_site_count(void);
struct vas_call_site *vas_call_site_get(size_t index);
#define VAS_CALL_SITE(op)                                                                          \
	({                                                                                         \
		static struct vas_call_site site_                                                  \
			__attribute__((section("vas_call_sites"), used,                            \
				       aligned(8))) = { __FILE__, #op, __LINE__, 0, 0 };           \
		vas_call_site_enter(&site_);                                                       \
	})
#else
#define VAS_CALL_SITE(op) ((void)0)
#endif
#define VAS_CALL(sys, op, ...) (VAS_CALL_SITE(op), (sys)->op((sys), ##__VA_ARGS__))

#endif
