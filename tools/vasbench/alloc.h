/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The benchmark "alloc": allocators of ranges against each other. An allocator is a struct
 * alloc_kind; what it is put through is a struct alloc_case. Each pair of the two runs in a
 * process of its own.
 */
#ifndef VASBENCH_ALLOC_H
#define VASBENCH_ALLOC_H

#include <stdbool.h>
#include <stdint.h>

#include "group.h"

#define ALLOC_GRANULE 4096u

/* Bytes. A window is in offsets from where the space begins. */
struct alloc_request {
	uint64_t size;
	uint64_t alignment; /* ALLOC_GRANULE or more */
	uint64_t min;
	uint64_t max; /* 0: no window */
};

/* A block as its user keeps it. */
struct alloc_item {
	uint64_t start;
	uint32_t handle;
	uint32_t granules; /* as requested; 0: there is none */
};

/* One allocator over size bytes. */
struct alloc_space {
	uint64_t size;
	uint32_t live; /* blocks there may be */
	uint32_t first; /* blocks that the first of two threads begins with */
	void *state;
};

/* Errors are negative errnos; an allocation that fails may tell anything that is not 0. */
struct alloc_kind {
	const char *name;
	int (*open)(struct alloc_space *space);
	int (*take)(void *state, const struct alloc_request *request, struct alloc_item *item);
	int (*give)(void *state, const struct alloc_item *item);
	uint64_t (*books)(void *state); /* bytes of metadata; NULL: not known */
	bool unchecked; /* its blocks are not what was asked for: they may overlap */
	/* NAME=VALUE of the environment: it runs in a program of its own. */
	const char *preload;
	const char *setting; /* the same, or NULL */
};

/* alloc_kinds.c: ours */
extern const struct alloc_kind alloc_null;
extern const struct alloc_kind alloc_yardstick, alloc_yardstick_mutex, alloc_yardstick_spin;
extern const struct alloc_kind alloc_yardstick_each;
extern const struct alloc_kind alloc_blocks;
extern const struct alloc_kind alloc_region;
/* alloc_peers.c: others; open answers -ENOPKG where they are not installed */
extern const struct alloc_kind alloc_jemalloc, alloc_jemalloc_cached;
extern const struct alloc_kind alloc_malloc, alloc_mimalloc;
extern const struct alloc_kind alloc_mmap;
extern const struct alloc_kind alloc_asmjit;

/* What allocs and frees follow each other. */
enum alloc_shape {
	ALLOC_REPLACE, /* a random block is freed, another one allocated */
	ALLOC_BURST, /* the same, but half of all freed first, then allocated */
	ALLOC_LIFO, /* so many allocated, then freed, the last one first */
	ALLOC_FIFO, /* the first of so many freed, another one allocated */
	ALLOC_PAIR, /* each freed at once */
	ALLOC_REFUSED, /* a request that nothing satisfies, among as many free ranges as blocks */
};

struct alloc_case {
	enum alloc_shape shape;
	uint32_t live;
	uint64_t span; /* bytes */
	bool mixed; /* alignments of 4 KiB, 64 KiB, 2 MiB */
	bool uneven; /* windows begin and end anywhere */
	uint64_t window; /* bytes of each request's window; 0: none */
	uint32_t threads; /* 0: one */
	uint64_t size; /* of each request; 0: 4 KiB to 4 MiB, log-uniform */
	uint64_t alignment; /* with size */
};

/* What a process that has a load can be asked (worker_run): */
enum alloc_op {
	ALLOC_OP_PAIRS, /* ns of count pairs by the median batch */
	ALLOC_OP_BOOKS, /* bytes of metadata, in place of ns */
	ALLOC_OP_LIVE, /* blocks */
	ALLOC_OP_FAILED, /* allocations refused since the start, of 2^20 tried */
	ALLOC_OP_DELAYS, /* times operations one by one; ns of the median, times ALLOC_DELAY_UNIT */
	ALLOC_OP_P99, /* of the last ALLOC_OP_DELAYS */
	ALLOC_OP_P999,
};

#define ALLOC_DELAY_UNIT 16u

/* One row of a group: an allocator and what it goes through. */
struct alloc_row {
	const struct alloc_kind *kind;
	const struct alloc_case *shape;
	const char *name; /* NULL: the kind's */
	enum alloc_op op;
	unsigned int base; /* the row that it is compared with */
	double bound; /* ratio to that row that must not be exceeded; 0: none */
	double bound_ns;
};

#define ALLOC_ROWS MEASURE_CONTENDERS

/*
 * Measures one group and fills results (may be NULL), as many as there are rows; ns is 0 where a
 * kind is not installed, which a note tells. Rows of the same kind and case that follow each
 * other share one load.
 */
int alloc_group(struct group_context *group, const char *name, const struct alloc_row *rows,
		unsigned int count, struct contender *results);

/* alloc_parts.c, alloc_delay.c, alloc_packing.c */
int alloc_part_random(struct group_context *group);
int alloc_part_aligned(struct group_context *group);
int alloc_part_order(struct group_context *group);
int alloc_part_windows(struct group_context *group);
int alloc_part_threads(struct group_context *group);
int alloc_part_delay(struct group_context *group);
int alloc_part_packing(struct group_context *group);
int alloc_part_books(struct group_context *group);
/* alloc_count.c: instructions, counted by valgrind */
int alloc_part_instructions(struct group_context *group);

/* "--alloc-worker" and "--alloc-count": what processes that "alloc" starts do. */
int alloc_worker_main(const char *kind, const char *shape);
int alloc_count_main(const char *kind, const char *shape);

int bench_alloc(struct output *output, unsigned int rounds);

#endif
