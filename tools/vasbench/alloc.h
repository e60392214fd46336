/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The benchmark "alloc": allocators of ranges against each other. An allocator is a struct
 * alloc_kind; what it is put through is a struct alloc_case. Each pair of the two runs in a process of
 * its own.
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
	void *state;
};

/* Errors are negative errnos; an allocation that fails may tell anything that is not 0. */
struct alloc_kind {
	const char *name;
	int (*open)(struct alloc_space *space);
	int (*take)(void *state, const struct alloc_request *request, struct alloc_item *item);
	int (*give)(void *state, const struct alloc_item *item);
	uint64_t (*books)(void *state); /* bytes of metadata; NULL: not known */
	bool everywhere; /* hands out what it likes: not to be checked for overlaps */
	const char *preload; /* library of a process of its own */
	const char *setting; /* NAME=VALUE of its environment */
};

extern const struct alloc_kind alloc_null;
extern const struct alloc_kind alloc_yardstick, alloc_yardstick_mutex, alloc_yardstick_spin;
extern const struct alloc_kind alloc_blocks;
extern const struct alloc_kind alloc_region;

/* What allocs and frees follow each other. */
enum alloc_shape {
	ALLOC_REPLACE, /* a random block is freed, another one allocated */
	ALLOC_BURST, /* the same, but half of all freed first, then allocated */
	ALLOC_LIFO, /* so many allocated, then freed, the last one first */
	ALLOC_FIFO, /* the first of so many freed, another one allocated */
	ALLOC_PAIR, /* each freed at once */
};

struct alloc_case {
	const char *name;
	enum alloc_shape shape;
	uint32_t live;
	uint64_t span; /* bytes */
	bool mixed; /* alignments of 4 KiB, 64 KiB, 2 MiB */
	bool uneven; /* windows begin and end anywhere */
	uint64_t window; /* bytes of each request's window; 0: none */
	unsigned int threads; /* 0: one */
};

/* One row of a group. */
struct alloc_row {
	const struct alloc_kind *kind;
	double bound; /* ratio to the group's first row that must not be exceeded; 0: none */
};

/* What a worker that has a load can be asked (worker_run): */
enum alloc_op {
	ALLOC_OP_PAIRS, /* ns of count pairs by the median batch */
	ALLOC_OP_BOOKS, /* bytes of metadata, in place of ns */
	ALLOC_OP_LIVE, /* blocks */
	ALLOC_OP_FAILED, /* allocations refused since the start, of 2^20 tried */
};

/* A load in this process, ready to run. */
struct alloc_load;
int alloc_load_open(const struct alloc_kind *kind, const struct alloc_case *shape,
		    struct alloc_load **load);
void alloc_load_close(struct alloc_load *load);
/* As struct worker_job wants it. */
int alloc_load_run(void *load, unsigned int op, unsigned int count, uint64_t *spent);
/* Pairs that one round of this case takes. */
unsigned int alloc_load_pairs(const struct alloc_case *shape);

/* Measures one group; a kind that cannot be set up (-ENOPKG) is left out with a note. */
int alloc_group(struct group_context *group, const struct alloc_case *shape,
		const struct alloc_row *rows, unsigned int count);

int bench_alloc(struct output *output, unsigned int rounds);

#endif
