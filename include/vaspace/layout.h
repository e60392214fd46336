/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/layout.h - read the mappings of this or another process, or of a
 * saved file, and search the gaps between them.
 *
 * What is read is a hint: mappings change while they are being read. Within
 * one reading addresses never go backwards and never overlap.
 */
#ifndef VASPACE_LAYOUT_H
#define VASPACE_LAYOUT_H

#include <vaspace/base.h>
#include <vaspace/reserve.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VAS_MAPPING_SHARED 0x0001u /* MAP_SHARED */
#define VAS_MAPPING_DELETED 0x0002u /* the file has no name any more */
#define VAS_MAPPING_FILE 0x0004u /* backed by a file, a memfd or a device */
#define VAS_MAPPING_STACK 0x0008u /* [stack]: it grows down */
#define VAS_MAPPING_HEAP 0x0010u /* [heap]: below the program break */
#define VAS_MAPPING_KERNEL 0x0020u /* [vdso], [vvar], [vsyscall] and their like */
#define VAS_MAPPING_NAMED 0x0040u /* [anon:NAME] or [anon_shmem:NAME] */
#define VAS_MAPPING_CLIPPED 0x0080u /* the name did not fit the buffer: this is its beginning */

/* One mapping as the kernel tells it. */
struct vas_mapping {
	uint64_t start; /* first byte */
	uint64_t end; /* one past the last byte */
	uint64_t offset; /* in the file, bytes */
	uint64_t inode; /* 0 for anonymous memory */
	uint32_t device_major;
	uint32_t device_minor;
	uint32_t prot; /* PROT_READ, PROT_WRITE, PROT_EXEC */
	uint32_t flags; /* VAS_MAPPING_ bits */
	uint32_t name_length; /* bytes of name without the NUL */
	const char *name; /* never NULL; unescaped, " (deleted)" cut off; valid until the next call */
};

/* A free range. */
struct vas_gap {
	uint64_t start;
	uint64_t end;
	uint32_t flags; /* VAS_GAP_ bits */
};
#define VAS_GAP_TRIMMED_BELOW 0x1u /* the low end was moved up by a margin */
#define VAS_GAP_TRIMMED_ABOVE 0x2u /* the high end was moved down by a margin */

enum vas_layout_source {
	VAS_LAYOUT_PROCESS = 0, /* opts.pid */
	VAS_LAYOUT_FILE /* opts.path: a saved copy of a maps file */
};

struct vas_layout_opts {
	size_t size;
	enum vas_layout_source source;
	int32_t pid; /* PROCESS: 0 = this process */
	const char *path; /* FILE */
	size_t buffer_size; /* bytes read at once, at least 4096; 0 = 64 KiB */
	uint64_t stack_margin; /* bytes kept below a stack's top; 0 = RLIMIT_STACK and the guard gap */
	uint64_t brk_margin; /* bytes kept free above the break; 0 = 64 MiB */
	uint32_t flags; /* VAS_LAYOUT_ bits */
};
#define VAS_LAYOUT_RAW_GAPS 0x1u /* gaps as they are, without margins */
#define VAS_LAYOUT_HIGH_WINDOW 0x2u /* gaps above the kernel's default window too */
#define VAS_LAYOUT_ALL 0x3u

/* A reading in progress. Used by one thread at a time. */
struct vas_layout;

/*
 * Opens the mappings of a process, or a saved file. All memory that reading
 * needs is taken here: vas_layout_next maps and allocates nothing.
 *
 * Errors, with *layout untouched:
 *  -EINVAL	layout is NULL, a negative pid, a buffer below 4096 bytes, an
 *		unknown source or flag, FILE without a path
 *  -E2BIG	opts is larger than known, with a non-zero tail
 *  -ENOENT	/proc is not there, or the file is not
 *  -ESRCH	there is no such process
 *  -EACCES	another user's process, or a file that may not be read
 *  -EPERM	a sandbox forbids it
 *  -EMFILE, -ENFILE	no descriptor is left
 *  -ENOMEM	no memory for the buffer
 *  -ENOSYS	a sandbox denies the call
 *  -EIO, -EISDIR, -ELOOP, -ENAMETOOLONG, -ENOTDIR, -EOVERFLOW	as open(2)
 *
 * In a forked child a layout of this process (pid 0) is the child's: its descriptor is opened anew at
 * the next call, which begins the reading again; -EIO when that cannot be done.
 *
 * Thread-safe. Not signal-safe. The caller closes it with vas_layout_close.
 */
VAS_API int vas_layout_open(const struct vas_layout_opts *opts, struct vas_layout **layout);

/*
 * Reads the next mapping, in ascending order.
 *
 * Returns 1 with *mapping filled, 0 at the end, or, with *mapping untouched:
 *  -EBADMSG	a line is malformed; vas_report_get tells its number. The
 *		reading ends there: nothing after it is trusted
 *  -EINVAL	layout or mapping is NULL
 *  -ESRCH	the process has ended meanwhile
 *  -EIO, -ENOMEM, -EPERM, -EACCES	as read(2)
 *
 * Not thread-safe for one layout. Not signal-safe.
 */
VAS_API int vas_layout_next(struct vas_layout *layout, struct vas_mapping *mapping);

/*
 * Reads the next free range of user space, in ascending order, less the
 * margins that opts asked for: below mmap_min_addr, below each stack, above
 * the program break, and above the window. Gaps and mappings of one layout are
 * one reading: use either, or rewind between.
 *
 * Returns 1 with *gap filled, 0 at the end; errors as vas_layout_next.
 *
 * Not thread-safe for one layout. Not signal-safe.
 */
VAS_API int vas_layout_next_gap(struct vas_layout *layout, struct vas_gap *gap);

/*
 * Starts again from the lowest address, with a fresh look at the process.
 *
 * Errors: -EINVAL layout is NULL; -EIO, -ESRCH, -EPERM, -ENOSYS as lseek(2) and read(2): the
 * layout then stands at its end. Not thread-safe for one layout. Not signal-safe.
 */
VAS_API int vas_layout_rewind(struct vas_layout *layout);

/*
 * The mapping that covers address, or the next one above it. One cheap query
 * (PROCMAP_QUERY) where the kernel has it, else one reading of the text. The
 * name is valid until the next call on this layout. Ends a reading in progress.
 *
 * Errors, with *mapping untouched:
 *  -EINVAL	layout or mapping is NULL
 *  -ENOENT	nothing is mapped at or above address
 *  others	as vas_layout_next
 *
 * Not thread-safe for one layout. Not signal-safe.
 */
VAS_API int vas_layout_at(struct vas_layout *layout, uint64_t address, struct vas_mapping *mapping);

/*
 * Where vas_reserve would find room for size bytes in this layout: a dry run
 * over the gaps, for this process, another one or a saved file. Only looks.
 *
 * Errors, with *span untouched: -EINVAL, -E2BIG, -ERANGE, -EEXIST and -ENOSPC
 * as vas_reserve; the others as vas_layout_next. vas_report_get then tells the
 * largest gap.
 *
 * Not thread-safe for one layout. Not signal-safe.
 */
VAS_API int vas_layout_find(struct vas_layout *layout, uint64_t size,
			    const struct vas_reserve_opts *opts, struct vas_span *span);

/*
 * Closes the layout and gives its memory back; NULL is ignored.
 *
 * Cannot fail. Not thread-safe for one layout. Not signal-safe.
 */
VAS_API void vas_layout_close(struct vas_layout *layout);

/* What bounds this process's address space. */
struct vas_window {
	size_t size; /* set by the caller: sizeof(struct vas_window) */
	uint64_t page_size; /* bytes */
	uint64_t min; /* lowest address that can be mapped: mmap_min_addr, 64 KiB at least */
	uint64_t max; /* one past the highest address the kernel gives without being asked for more */
	uint64_t high_max; /* one past the highest address it gives at all */
	uint32_t bits; /* the width of max: 2^bits >= max */
	uint32_t high_bits; /* the width of high_max */
};

/*
 * The bounds of this process's address space, found by trying once.
 *
 * Errors, with *window untouched:
 *  -EINVAL	window is NULL or its size field is below the first version's
 *  -EPERM, -ENOMEM, -ENOSYS	not even a probe may be mapped
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_window_get(struct vas_window *window);

#ifdef __cplusplus
}
#endif
#endif
