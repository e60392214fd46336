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

/* The device of a mapping, as st_dev has it. */
static inline uint64_t vas_sys_device(uint64_t major, uint64_t minor)
{
	return (major & 0xfffff000u) << 32 | (major & 0xfffu) << 8 | (minor & 0xffffff00u) << 12 |
	       (minor & 0xffu);
}

#define VAS_QUERY_COVERING_OR_NEXT 0x1u /* else only the mapping that covers the address */

struct vas_sys_limit {
	uint64_t current; /* UINT64_MAX = unlimited */
	uint64_t maximum;
};

/* What a descriptor is, as far as mapping it goes. */
enum vas_sys_kind {
	VAS_SYS_KIND_OTHER, /* a device's, a pipe, a directory: nothing is known of it */
	VAS_SYS_KIND_FILE, /* a regular file on a disk or network */
	VAS_SYS_KIND_SHMEM, /* a memfd, or a file of a tmpfs: page cache without a disk */
	VAS_SYS_KIND_HUGETLB /* a memfd or file of huge pages from the pool */
};

struct vas_sys_stat {
	/* The object's identity: the same pair is the same object, until it is gone. */
	uint64_t device;
	uint64_t inode;
	uint64_t size; /* bytes, as ftruncate sets it; 0 for what is no regular file */
	uint64_t held; /* bytes of memory or disk behind it (st_blocks) */
	/* Only with VAS_STAT_KIND, which costs two calls more. */
	enum vas_sys_kind kind;
	bool readable; /* opened for reading: can be mapped at all */
	bool writable; /* opened for writing (seals are not looked at) */
	uint64_t page_size; /* offsets and sizes of mappings are multiples of it; punches too */
};

#define VAS_STAT_KIND 0x1u /* else those fields are zero */

/* A run of pages that are alike. */
struct vas_sys_pages {
	uint64_t start;
	uint64_t end;
	uint64_t categories; /* VAS_PAGE_ bits (sys/definitions.h) */
};

#define VAS_STRAYS 16u

struct vas_sys {
	/* What changes of a region's memory look at comes first, in one line of the cache. */
	uint64_t page_size;
	/* Ours, but the kernel would not take it back so far: sys/strays.h. */
	uint32_t stray_count; /* (atomic, for a first look) */

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
	/*
	 * mbind(2): the memory policy of a range. mode: VAS_MPOL_ (sys/definitions.h); nodes:
	 * bits bits in words of 64, NULL with 0 bits; flags: 0 touches no page that is there.
	 */
	int64_t (*set_policy)(struct vas_sys *sys, uint64_t address, uint64_t size, int mode,
			      const uint64_t *nodes, uint32_t bits, uint32_t flags);
	/* set_mempolicy_home_node(2): where a range with such a policy takes its pages first. -ENOSYS before 5.17. */
	int64_t (*set_home)(struct vas_sys *sys, uint64_t address, uint64_t size, uint32_t node);
	/* get_mempolicy(2), set_mempolicy(2): the calling thread's policy. nodes: bits bits in words of 64. */
	int64_t (*get_thread_policy)(struct vas_sys *sys, int *mode, uint64_t *nodes,
				     uint32_t bits);
	int64_t (*set_thread_policy)(struct vas_sys *sys, int mode, const uint64_t *nodes,
				     uint32_t bits);
	/*
	 * move_pages(2) in this process: status[i] becomes the node that pages[i] lies on, or -errno. nodes: where
	 * to, NULL = nowhere; flags: VAS_MPOL_MF_ bits, 0 without nodes.
	 */
	int64_t (*move_pages)(struct vas_sys *sys, const uint64_t *pages, uint64_t count,
			      const int32_t *nodes, int32_t *status, uint32_t flags);
	/*
	 * ioctl(PAGEMAP_SCAN) on a descriptor of a pagemap file: the first runs of pages of the range that this process
	 * has mapped or swapped out, count at most. Returns how many. -ENOTTY: this kernel has none (before 6.7).
	 */
	int64_t (*scan)(struct vas_sys *sys, int fd, struct vas_span range,
			struct vas_sys_pages *runs, uint32_t count);
	/*
	 * mincore(2): of shared memory which pages the object has in memory. A byte a page, whose lowest bit counts. Pages that
	 * were allocated and never touched count as none.
	 */
	int64_t (*resident)(struct vas_sys *sys, uint64_t address, uint64_t size,
			    unsigned char *pages);
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
	/* lseek(2); whence: SEEK_SET, SEEK_DATA or SEEK_HOLE. -ENXIO: no bytes are written from there on. */
	int64_t (*seek)(struct vas_sys *sys, int fd, uint64_t offset, int whence);
	/*
	 * ioctl(PROCMAP_QUERY) on a descriptor of a maps file. -ENOENT: nothing
	 * there; -ENOTTY: this kernel has none (also when switched off).
	 */
	int64_t (*query)(struct vas_sys *sys, int fd, uint64_t address, uint32_t flags,
			 struct vas_sys_query *result);

	/*
	 * Objects behind descriptors. What makes one larger than RLIMIT_FSIZE allows
	 * answers -EFBIG and raises no SIGXFSZ (one that was pending before stays so).
	 */
	/* fstat(2); with VAS_STAT_KIND in flags also fstatfs(2) and F_GETFL. */
	int64_t (*stat)(struct vas_sys *sys, int fd, uint32_t flags, struct vas_sys_stat *result);
	/*
	 * fallocate(2); mode: FALLOC_FL_ bits. What a huge page pool refuses with
	 * -ENOSPC keeps the pages that it had got: punch them. What a signal interrupted goes
	 * again with all of this thread's signals blocked: go in steps, so that none waits for long.
	 */
	int64_t (*allocate)(struct vas_sys *sys, int fd, int mode, uint64_t offset, uint64_t size);
	int64_t (*truncate)(struct vas_sys *sys, int fd, uint64_t size);
	/* memfd_create(2); MFD_CLOEXEC is added. Returns the descriptor. */
	int64_t (*create)(struct vas_sys *sys, const char *name, uint32_t flags);
	/* fcntl(F_DUPFD_CLOEXEC): another descriptor of what fd has open. */
	int64_t (*duplicate)(struct vas_sys *sys, int fd);
	/* pipe2(O_CLOEXEC | O_NONBLOCK): ends[0] reads what ends[1] writes. */
	int64_t (*pipe)(struct vas_sys *sys, int ends[2]);
	/* fcntl(F_ADD_SEALS) unless add is 0, and F_GET_SEALS: those that are set then. -EINVAL: what cannot be sealed. */
	int64_t (*seals)(struct vas_sys *sys, int fd, uint32_t add);
	/* pread(2) and pwrite(2): the count, which may be short. */
	int64_t (*read_at)(struct vas_sys *sys, int fd, void *buffer, uint64_t size,
			   uint64_t offset);
	int64_t (*write_at)(struct vas_sys *sys, int fd, const void *buffer, uint64_t size,
			    uint64_t offset);

	/*
	 * mremap(2), through libc when it replaces or moves contents. flags: MREMAP_ bits.
	 * Returns the new address.
	 */
	int64_t (*move)(struct vas_sys *sys, uint64_t address, uint64_t size, uint64_t new_size,
			int flags, uint64_t new_address);

	/*
	 * Who is calling: getpid(2) and gettid(2), never from a cache that a raw clone
	 * spoils. They fail only where a sandbox denies them.
	 */
	int64_t (*process_id)(struct vas_sys *sys);
	int64_t (*thread_id)(struct vas_sys *sys);
	/*
	 * Whether this process has a thread of that number: 1, 0 when it is gone (tgkill(2)
	 * with no signal). Numbers are used again, after all others in turn.
	 */
	int64_t (*thread_alive)(struct vas_sys *sys, uint32_t thread);
	/*
	 * Whether there is a process of that number: 1, 0 when there is none (kill(2) with no signal). One that has ended and was not
	 * waited for is there still.
	 */
	int64_t (*process_alive)(struct vas_sys *sys, uint32_t process);

	/*
	 * Waiting for a word that another thread or process changes, by a shared futex(2). wait sleeps while the word has that value, at most so
	 * many nanoseconds (UINT64_MAX: without end): -ETIMEDOUT, or 0 for a wake-up, another value, a signal, or no reason at all: look at the
	 * word again. Where a sandbox denies futex it sleeps for a moment.
	 */
	int64_t (*wait)(struct vas_sys *sys, uint32_t *word, uint32_t value, uint64_t nanoseconds);
	/* Wakes at most count of those that wait for the word. Returns how many. */
	int64_t (*wake)(struct vas_sys *sys, uint32_t *word, uint32_t count);
	/* membarrier(2) without flags; command: VAS_MEMBARRIER_ (sys/definitions.h). */
	int64_t (*barrier)(struct vas_sys *sys, int command);
	/* CLOCK_MONOTONIC, in nanoseconds. */
	int64_t (*clock)(struct vas_sys *sys);

	struct vas_span strays[VAS_STRAYS]; /* so many as stray_count says */

	const char *name;
	/*
	 * An address in the topmost mapping part of the main thread's stack, which
	 * never moves; 0 = not known. Real: AT_EXECFN; simulated: its [stack].
	 */
	uint64_t stack_address;
};

/* Declares the functions of one table for memory policies and pages, which have files of their own. */
#define VAS_SYS_PAGES_SLOTS(prefix)                                                                \
	int64_t prefix##_move_pages(struct vas_sys *sys, const uint64_t *pages, uint64_t count,    \
				    const int32_t *nodes, int32_t *status, uint32_t flags);        \
	int64_t prefix##_set_home(struct vas_sys *sys, uint64_t address, uint64_t size,            \
				  uint32_t node);                                                  \
	int64_t prefix##_get_thread_policy(struct vas_sys *sys, int *mode, uint64_t *nodes,        \
					   uint32_t bits);                                         \
	int64_t prefix##_set_thread_policy(struct vas_sys *sys, int mode, const uint64_t *nodes,   \
					   uint32_t bits);                                         \
	int64_t prefix##_scan(struct vas_sys *sys, int fd, struct vas_span range,                  \
			      struct vas_sys_pages *runs, uint32_t count);                         \
	int64_t prefix##_resident(struct vas_sys *sys, uint64_t address, uint64_t size,            \
				  unsigned char *pages)

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
