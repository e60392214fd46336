/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeping the books whole over fork(). */
#ifndef VAS_SPACE_FORK_H
#define VAS_SPACE_FORK_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/fork.h>

struct vas_lock;
struct vas_sys;
struct vas_space;
struct vas_holding;
struct vas_backing;
struct vas_extent;

/* Registers the handlers. Once, by a constructor in a file that every program with a space links. */
void vas_fork_register(void);

/* As vas_fork_prepare, vas_fork_parent and vas_fork_child. */
void vas_fork_begin(void);
void vas_fork_end_parent(void);
int vas_fork_end_child(void);

/* The lock under which the process's space is made; for the fork handlers. */
struct vas_lock *vas_space_making(void);

/*
 * Whether memory of this kind goes with the span's fork policy: only what is shared can stay shared, only
 * private anonymous memory be wiped, and what comes from the pool in private has no copy
 * that the pool is sure to have room for.
 */
bool vas_fork_suits(const struct vas_holding *holding, const struct vas_backing *backing);

/*
 * What such memory needs beside the span's recipe: a child's copy of private memory of the pool could find it
 * empty at the first touch, so there is none.
 */
uint32_t vas_fork_recipe(const struct vas_backing *backing);
/* Gives a child its own copy of a part that is shared. -errno: that part is as it was, or as reserved. */
int vas_fork_copy(struct vas_space *space, struct vas_holding *holding,
		  const struct vas_extent *piece);
/* Pages of this process, from a descriptor of /proc/self/mem, page by page: an error where touching is a signal. */
int vas_fork_copy_pages(struct vas_sys *sys, int fd, uint64_t from, uint64_t to, uint64_t size);
/* A child could not have a span: it is forgotten, and what is mapped there goes, as soon as the kernel allows. Lock held. */
void vas_fork_lose(struct vas_space *space, struct vas_holding *holding);
/* Whether a child's copy of it is not the kernel's to make. */
bool vas_fork_has_copies(const struct vas_holding *holding);
/* As vas_fork_hold_set; and calls what was set. */
void vas_fork_set_hold(vas_fork_hold *hold, void *context);
void vas_fork_call_hold(struct vas_span span, int holding);

/* As vas_fork_pause_set. */
void vas_fork_set_pause(vas_fork_pause *pause, void *context, uint32_t milliseconds);

/*
 * Writers that a fork has stopped. Without bytes that no member has: where a checker keeps count of what was never written, copying such
 * would wait for its lock, which its own fork handler may hold.
 */
struct vas_fork_pausing {
	vas_fork_pause *pause; /* NULL: none */
	void *context;
	uint64_t nanoseconds; /* that the parent waits at most */
	struct vas_sys *sys;
	int ends[2]; /* of the pipe: the parent reads, the child keeps the other; -1 = none */
	int64_t deadline; /* of the system's clock; copies that are not made by then do not count */
};
_Static_assert(sizeof(struct vas_fork_pausing) ==
		       3 * sizeof(void *) + 2 * sizeof(uint64_t) + 2 * sizeof(int),
	       "no bytes are between");
/* Calls the hook, if there is one and there may be something to copy. No lock held. */
void vas_fork_pause_begin(struct vas_fork_pausing *begun);
/* Right before the fork, by the one thread that forks: that is under way from now on. */
void vas_fork_pause_open(const struct vas_fork_pausing *begun);
/* What was under way, which is no more; */
struct vas_fork_pausing vas_fork_pause_take(void);
/* and its end: the parent waits for the child. No lock held. */
void vas_fork_pause_end(const struct vas_fork_pausing *taken, bool child);
/* In a child: what was under way was another thread's of the parent, for another fork. */
void vas_fork_pause_forget(void);
/* In a child: whether the parent's writers are stopped still, where they were to be. */
bool vas_fork_in_time(void);

/* What a child could not have as it should. Begins as zeroes. */
struct vas_fork_loss {
	uint32_t count; /* spans */
	int error; /* of the first: -errno */
	struct vas_span first;
};

void vas_fork_note(struct vas_fork_loss *loss, struct vas_span span, int err);

/* In a child, the space's lock held: what each span has become there, but for copies that users make. */
void vas_fork_inherit(struct vas_space *space, struct vas_fork_loss *loss);

#endif
