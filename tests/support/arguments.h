/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bad arguments, for t_errno_arguments: how an answer is held against the errno
 * table, what every options and every result struct must bear, and the functions of those
 * headers that have a file of their own (arguments_<header>.c).
 */
#ifndef TESTS_SUPPORT_ARGUMENTS_H
#define TESTS_SUPPORT_ARGUMENTS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vaspace/vaspace.h>

#define KERNEL_HALF 0xffff800000000000u
#define NO_REPORT (-1) /* the function keeps none */
#define SENTINEL_ERRNO EXDEV

extern uint64_t arguments_page; /* bytes */
extern struct vas_span arguments_owned; /* a reserved span of 16 pages */

/* Makes both, and the sentinel. Stops the test when that fails. */
void arguments_begin(void);

/* One answer: as wanted, a row of the table when it is an error, with its reason, and errno as it was. */
void answer(const char *function, const char *what, int got, int want, int why);
/* Whether memory is what it was filled with before the call: 0xa5 throughout, at most 8192 bytes. */
bool untouched(const void *memory, size_t size);

typedef int call_options_fn(const void *options);
/* known: the size of the struct; good: one whose call succeeds. */
void check_options(const char *function, call_options_fn *call, const void *good, size_t known,
		   int why);
/* What a span of shared memory may not be asked for. options: those of call, which point to reserve; fork: a policy that cannot be. */
void check_shared_reserve(const char *function, call_options_fn *call, const void *options,
			  struct vas_reserve_opts *reserve, enum vas_fork fork);
typedef int call_result_fn(void *result);
void check_result(const char *function, call_result_fn *call, size_t known);

/* vaspace/arena.h */
void check_arena_ahead(void);
void check_arena_create(void);
void check_arena_destroy(void);
void check_arena_extent_at(void);
void check_arena_fill(void);
void check_arena_generation(void);
void check_arena_get(void);
void check_arena_grow(void);
void check_arena_set_policy(void);
void check_arena_migrate(void);
void check_arena_shrink(void);
void check_arena_open(void);
void check_arena_pin(void);
void check_arena_punch(void);
void check_arena_shrink_within(void);
void check_arena_unpin(void);
void check_arena_seal(void);
void check_arena_size(void);
void check_arena_sync(void);
void check_arena_trim(void);
void check_arena_wait(void);
/* vaspace/ring.h */
/* vaspace/policy.h */
void check_policy_choose(void);
void check_policy_migrate(void);
void check_policy_object(void);
void check_policy_query(void);

void check_queue_create(void);
void check_queue_destroy(void);
void check_queue_get(void);
void check_queue_get_begin(void);
void check_queue_get_end(void);
void check_queue_join(void);
void check_queue_leave(void);
void check_queue_put(void);
void check_queue_put_begin(void);
void check_queue_put_end(void);
void check_queue_wait(void);
void check_ring_create(void);
void check_ring_destroy(void);
void check_ring_get(void);
void check_queue_open(void);
void check_queue_ring(void);
void check_ring_open(void);
/* vaspace/replace.h */
void check_replace_cancel(void);
void check_replace_commit(void);
void check_replace_prepare(void);
/* vaspace/view.h */
void check_mirror_open(void);
void check_view_close(void);
void check_view_first(void);
void check_view_get(void);
void check_view_open(void);
void check_view_protect(void);
/* vaspace/reserve.h: adoption */
void check_adopt(void);
void check_disown(void);
/* vaspace/fork.h */
void check_fork(void);
void check_fork_child(void);
/* vaspace/memory.h */
void check_decommit(void);
void check_protect(void);
void check_guard(void);
void check_unguard(void);
/* vaspace/notice.h */
void check_notice_subscribe(void);
void check_notice_cancel(void);
void check_generation_at(void);
/* vaspace/system.h: shutdown, while arguments_owned is there */
void check_shutdown(void);
/* vaspace/pressure.h */
void check_pressure_get(void);
void check_pressure_set(void);
void check_pressure_check(void);
void check_reclaim(void);
/* vaspace/region.h */
void check_region_create(void);
void check_region_destroy(void);
void check_region_detached(void);
void check_region_from_manifest(void);
void check_region_manifest(void);
void check_region_park(void);
void check_region_unpark(void);
void check_region_alloc(void);
void check_region_free(void);
void check_region_free_tagged(void);
void check_region_tick(void);
void check_region_join(void);
void check_region_enter(void);
void check_region_leave(void);
void check_region_quit(void);
void check_region_trim(void);
void check_region_resize(void);
void check_region_split_block(void);
void check_region_merge_blocks(void);
void check_region_split(void);
void check_region_merge(void);
void check_region_commit(void);
void check_region_decommit(void);
void check_region_protect(void);
void check_region_guard(void);
void check_region_unguard(void);
void check_region_block_at(void);
void check_region_next(void);
void check_region_stats(void);

#endif
