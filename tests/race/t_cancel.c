/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 8 */
/*
 * Cancelled threads. No function is a cancellation point: a thread that was
 * cancelled before it calls one comes out of it, with locks dropped and nothing
 * left half done, and ends only where it says so. For every function, in a
 * thread whose cancellation is pending; the functions come from src/vaspace.map.
 *
 * Then threads are cancelled at any moment while they work. Asynchronous cancellation
 * is not supported, as with nearly all of libc.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "tap/tap.h"

static uint64_t page;
static const char *volatile calling; /* what the cancelled thread is in; NULL = nothing */

/* What the calls work on. */
static struct vas_span span;
static void *mapped;
static struct vas_region *region, *upper;
static struct vas_block block, second;
static uint64_t subscription;

static int note(void *context, const struct vas_notice *notice)
{
	(void)context;
	(void)notice;
	return 0;
}

static void hear(void *context, uint32_t reasons, const struct vas_pressure *pressure)
{
	(void)context;
	(void)reasons;
	(void)pressure;
}

static void log_line(void *context, enum vas_log_level level, const char *line)
{
	(void)context;
	(void)level;
	(void)line;
}

#define CALL(name) static int call_##name(void)
#define SIZED(type, variable) struct type variable = { .size = sizeof(variable) }

CALL(version) { return vas_version() < 0; }
CALL(feature) { return vas_feature("reserve") != 1; }
CALL(why_name) { return !vas_why_name(VAS_WHY_TAKEN); }
CALL(log_set) { return vas_log_set(log_line, NULL, VAS_LOG_DEBUG), 0; }
CALL(probe_reset) { return vas_probe_reset(), 0; }
CALL(reserve) { return vas_reserve(64 * page, NULL, &span); }
CALL(commit) { return vas_commit(vas_span_pointer(span), 4 * page, NULL); }
CALL(protect) { return vas_protect(vas_span_pointer(span), page, PROT_READ); }
CALL(guard) { return vas_guard(vas_span_pointer(span), page); }
CALL(unguard) { return vas_unguard(vas_span_pointer(span), page); }
CALL(decommit) { return vas_decommit(vas_span_pointer(span), 2 * page, NULL); }
CALL(release) { return vas_release(vas_span_pointer(span), NULL); }
CALL(adopt) { return vas_adopt(mapped, page, NULL); }
CALL(disown) { return vas_disown(mapped); }
CALL(fork_hold_set) { return vas_fork_hold_set(NULL, NULL), 0; }
CALL(fork_pause_set) { return vas_fork_pause_set(NULL, NULL, 0), 0; }
CALL(fork_prepare) { return vas_fork_prepare(), 0; }
CALL(fork_parent) { return vas_fork_parent(), 0; }
CALL(fork_child) { return vas_fork_child(); }
CALL(notice_cancel) { return vas_notice_cancel(subscription); }
CALL(sync_check) { return vas_sync_check(NULL); }
CALL(pressure_check) { return vas_pressure_check() < 0; }
CALL(reclaim) { return vas_reclaim(UINT64_MAX, NULL); }
CALL(topology_error) { return !vas_topology_error(); }
CALL(region_create) { return vas_region_create(256 * page, NULL, &region); }
CALL(region_free) { return vas_region_free(region, second.start, NULL); }
CALL(region_destroy) { return vas_region_destroy(region, NULL); }
CALL(region_tick) { return vas_region_tick(region, 1); }
CALL(region_trim) { return vas_region_trim(region, UINT64_MAX, NULL); }
CALL(region_merge) { return vas_region_merge(region, upper); }

CALL(notice_subscribe)
{
	return vas_notice_subscribe(NULL, note, NULL, &subscription);
}

CALL(pressure_set)
{
	VAS_OPTS(vas_pressure_opts, opts);
	opts.vmas_percent = 1;
	opts.cgroup_room = UINT64_MAX;
	return vas_pressure_set(hear, NULL, &opts);
}

CALL(pressure_get)
{
	SIZED(vas_pressure, pressure);
	return vas_pressure_get(&pressure);
}

CALL(owner_at)
{
	struct vas_owner owner;
	return vas_owner_at(vas_span_pointer(span), &owner);
}

CALL(generation_at)
{
	uint64_t generation;
	return vas_generation_at(vas_span_pointer(span), &generation);
}

CALL(owner_details)
{
	SIZED(vas_owner_details, details);
	struct vas_owner owner;
	return vas_owner_at(vas_span_pointer(span), &owner) ||
	       vas_owner_details(owner.id, &details);
}

CALL(window_get)
{
	SIZED(vas_window, window);
	return vas_window_get(&window);
}

CALL(stats_get)
{
	SIZED(vas_stats, stats);
	return vas_stats_get(&stats);
}

CALL(ledger_get)
{
	SIZED(vas_ledger_entry, entry);
	return vas_ledger_get(0, &entry);
}

CALL(setting_get)
{
	SIZED(vas_setting, setting);
	return vas_setting_get(0, &setting);
}

/* All of them: each reads, opens or maps something else. */
CALL(probe_get)
{
	SIZED(vas_probe_info, info);
	size_t index = 0;

	while (vas_probe_get(index, &info) == 0)
		index++;
	return index == 0;
}

CALL(limits_combine)
{
	SIZED(vas_limits, limits);
	const struct vas_limits *list[] = { &limits };
	return vas_limits_combine(list, 1, NULL, &limits);
}

CALL(limits_check)
{
	SIZED(vas_limits, limits);
	return vas_limits_check(&limits, span);
}

/* A failure with evidence to be read. */
static void fail_once(void)
{
	struct vas_span none;

	VAS_OPTS(vas_reserve_opts, opts);
	opts.place = VAS_PLACE_EXACT;
	opts.address = span.start;
	if (vas_reserve(page, &opts, &none) == 0)
		abort();
}

CALL(report_get)
{
	SIZED(vas_report, report);
	fail_once();
	return vas_report_get(&report);
}

CALL(report_explain)
{
	SIZED(vas_report, report);
	fail_once();
	return vas_report_explain(&report);
}

CALL(report_format)
{
	char line[200];
	fail_once();
	return vas_report_format(line, sizeof(line)) <= 0;
}

static struct vas_layout *layout;

CALL(layout_open) { return vas_layout_open(NULL, &layout); }
CALL(layout_rewind) { return vas_layout_rewind(layout); }
CALL(layout_close) { return vas_layout_close(layout), 0; }

CALL(layout_next)
{
	struct vas_mapping mapping;
	int got;

	while ((got = vas_layout_next(layout, &mapping)) > 0)
		continue;
	return got;
}

CALL(layout_next_gap)
{
	struct vas_gap gap;

	vas_layout_rewind(layout);
	return vas_layout_next_gap(layout, &gap) < 0;
}

CALL(layout_at)
{
	struct vas_mapping mapping;
	return vas_layout_at(layout, span.start, &mapping);
}

CALL(layout_find)
{
	struct vas_span found;
	return vas_layout_find(layout, page, NULL, &found);
}

/* The module may be missing: what counts is that the call returns. */
CALL(topology_get)
{
	SIZED(vas_topology, topology);
	(void)vas_topology_get(&topology);
	return 0;
}

CALL(node_get)
{
	SIZED(vas_node, node);
	(void)vas_node_get(0, &node);
	return 0;
}

CALL(node_at)
{
	uint32_t node;
	(void)vas_node_at(&page, &node);
	return 0;
}

CALL(policy_choose)
{
	SIZED(vas_node_wish, wish);
	SIZED(vas_policy, policy);
	(void)vas_policy_choose(&wish, &policy);
	return 0;
}

CALL(policy_query)
{
	SIZED(vas_policy_report, report);
	(void)vas_policy_query(vas_span_pointer(span), page, NULL, &report);
	return 0;
}

CALL(policy_migrate)
{
	SIZED(vas_policy, policy);
	policy.mode = VAS_POLICY_BIND;
	policy.nodes[0] = 1;
	(void)vas_policy_migrate(vas_span_pointer(span), page, &policy, NULL);
	return 0;
}

CALL(policy_object)
{
	SIZED(vas_policy, policy);
	(void)vas_policy_object("NUMANode", 0, &policy);
	return 0;
}

CALL(region_alloc)
{
	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_COMMIT | VAS_ALLOC_LOW;
	return vas_region_alloc(region, 8 * page, &opts, &block);
}

CALL(region_resize) { return vas_region_resize(region, block.start, 12 * page); }
CALL(region_commit) { return vas_region_commit(region, block.start, page, NULL); }
CALL(region_protect) { return vas_region_protect(region, block.start, page, PROT_READ); }
CALL(region_guard) { return vas_region_guard(region, block.start, page); }
CALL(region_unguard) { return vas_region_unguard(region, block.start, page); }
CALL(region_decommit) { return vas_region_decommit(region, block.start, page, NULL); }
CALL(region_block_at) { return vas_region_block_at(region, block.start, &second); }
CALL(region_next) { return vas_region_next(region, NULL, &second); }

CALL(region_stats)
{
	SIZED(vas_region_stats, stats);
	return vas_region_stats(region, &stats);
}

CALL(region_split_block)
{
	second.start = (char *)block.start + 4 * page;
	return vas_region_split_block(region, block.start, second.start);
}

CALL(region_merge_blocks)
{
	int err = vas_region_merge_blocks(region, block.start, second.start);
	second = block;
	return err;
}

CALL(region_split)
{
	SIZED(vas_region_stats, stats);
	int err = vas_region_stats(region, &stats);
	char *start = vas_span_pointer(stats.span);
	return err ? err : vas_region_split(region, start + 128 * page, &upper);
}

/* A region of its own, with a quarantine. */
static struct vas_region *watched;
static struct vas_region_thread *member;

CALL(region_join)
{
	VAS_OPTS(vas_region_opts, opts);
	opts.flags = VAS_REGION_QUARANTINE;
	int err = vas_region_create(64 * page, &opts, &watched);
	return err ? err : vas_region_join(watched, &member);
}

CALL(region_enter) { return vas_region_enter(member), 0; }
CALL(region_leave) { return vas_region_leave(member), 0; }
CALL(region_quit) { return vas_region_quit(member); }

CALL(region_free_tagged)
{
	struct vas_block tagged;
	VAS_OPTS(vas_alloc_opts, opts);
	opts.tag = 7;
	int err = vas_region_alloc(watched, page, &opts, &tagged);
	err = err ? err : vas_region_free_tagged(watched, tagged.start, 7, NULL);
	return err ? err : vas_region_destroy(watched, NULL);
}

/* Parked: its manifest is written, and a region made from it once this one is gone. */
static unsigned char manifest[16384];
static size_t manifest_length;

static int park(void)
{
	VAS_OPTS(vas_park_opts, opts);
	opts.flags = VAS_PARK_DISCARD;
	return vas_region_park(region, &opts);
}

static int unpark(void)
{
	VAS_OPTS(vas_park_opts, opts);
	opts.flags = VAS_PARK_DISCARD;
	return vas_region_unpark(region, &opts);
}

CALL(region_park) { return park(); }
CALL(region_unpark) { return unpark(); }

/* Nothing was committed as a whole, so there is nothing that a driver could have detached. */
CALL(region_detached)
{
	return vas_region_detached(region, block.start, page) == 0;
}

CALL(region_manifest)
{
	return vas_region_manifest(region, manifest, sizeof(manifest), &manifest_length);
}

CALL(region_from_manifest)
{
	int err = vas_region_destroy(region, NULL);

	return err ? err : vas_region_from_manifest(manifest, manifest_length, &region);
}

static struct vas_arena *arena;
CALL(arena_create) { return vas_arena_create(64 * page, NULL, &arena); }
CALL(arena_grow) { return vas_arena_grow(arena, 8 * page, 0, NULL); }
CALL(arena_ahead) { return vas_arena_ahead(arena, 8 * page, 0, NULL); }
CALL(arena_punch) { return vas_arena_punch(arena, page, page); }
CALL(arena_fill) { return vas_arena_fill(arena, page, page); }
CALL(arena_trim) { return vas_arena_trim(arena, NULL); }
CALL(arena_seal) { return vas_arena_seal(arena, VAS_SEAL_GROW); }
CALL(arena_shrink) { return vas_arena_shrink(arena, page); }
CALL(arena_size) { return vas_arena_size(arena) != page; }
CALL(arena_destroy) { return vas_arena_destroy(arena, NULL); }

static struct vas_view *view;
CALL(view_open) { return vas_view_open(arena, NULL, &view); }
CALL(view_first) { return vas_view_first(arena) == NULL; }
CALL(view_protect) { return vas_view_protect(view, 1); }
CALL(view_close) { return vas_view_close(view, NULL); }

static struct vas_replace *replace;
static struct vas_span replaced;

CALL(replace_prepare)
{
	struct vas_replace_part part = { .size = page };
	int err = vas_reserve(page, NULL, &replaced);

	part.start = vas_span_pointer(replaced);
	if (!err)
		err = vas_commit(part.start, page, NULL);
	return err ? err : vas_replace_prepare(&part, 1, &replace);
}

CALL(replace_commit) { return vas_replace_commit(replace); }

CALL(replace_cancel)
{
	int err = vas_replace_cancel(NULL);

	return err ? err : vas_release(vas_span_pointer(replaced), NULL);
}

CALL(mirror_open)
{
	void *memory = mmap(NULL, page, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct vas_view *mirror = NULL;
	int err = vas_mirror_open(memory, page, NULL, NULL, &mirror);

	munmap(memory, page);
	return err ? err : vas_view_close(mirror, NULL);
}

CALL(view_get)
{
	SIZED(vas_view_info, info);
	return vas_view_get(view, &info);
}

static struct vas_arena *opened;
CALL(arena_open)
{
	SIZED(vas_arena_info, info);
	int err = vas_arena_get(arena, &info);

	return err ? err : vas_arena_open(info.fd, info.header, NULL, &opened);
}
CALL(arena_generation) { return vas_arena_generation(opened) == 0; }
CALL(arena_wait)
{
	uint64_t now;

	return vas_arena_wait(opened, UINT64_MAX, 0, &now);
}
CALL(arena_sync)
{
	int err = vas_arena_sync(opened);

	return err ? err : vas_arena_destroy(opened, NULL);
}

CALL(arena_set_policy)
{
	SIZED(vas_policy, policy);
	(void)vas_arena_set_policy(arena, (struct vas_span){ 0, 0 }, &policy);
	return 0;
}

CALL(arena_migrate)
{
	SIZED(vas_policy, policy);
	policy.mode = VAS_POLICY_BIND;
	policy.nodes[0] = 1;
	(void)vas_arena_migrate(arena, (struct vas_span){ 0, 0 }, &policy, NULL);
	return 0;
}

CALL(arena_extent_at)
{
	SIZED(vas_arena_extent, extent);
	(void)vas_arena_extent_at(arena, 0, &extent);
	return 0;
}

CALL(arena_pin)
{
	uint64_t size;

	return vas_arena_pin(opened, &size);
}
CALL(arena_unpin) { return vas_arena_unpin(opened); }
CALL(arena_shrink_within) { return vas_arena_shrink_within(opened, UINT64_MAX, 1000); }

CALL(arena_get)
{
	SIZED(vas_arena_info, info);
	return vas_arena_get(arena, &info);
}

static struct vas_ring *ring;
CALL(ring_create) { return vas_ring_create(page, NULL, &ring); }
CALL(ring_destroy) { return vas_ring_destroy(ring, NULL); }

static struct vas_ring *ring_opened;
CALL(ring_open)
{
	SIZED(vas_ring_info, info);
	int err = vas_ring_get(ring, &info);

	if (!err)
		err = vas_ring_open(info.fd, info.header, NULL, &ring_opened);
	return err ? err : vas_ring_destroy(ring_opened, NULL);
}

CALL(ring_get)
{
	SIZED(vas_ring_info, info);
	return vas_ring_get(ring, &info);
}

static struct vas_queue *queue;
static struct vas_queue_end producer, consumer;
CALL(queue_wait) { return vas_queue_wait(&consumer, 0, 1000) != -EAGAIN; }
CALL(queue_put) { return vas_queue_put(&producer, "ab", 2); }
CALL(queue_put_end) { return vas_queue_put_end(&producer, 8); }
CALL(queue_get_end) { return vas_queue_get_end(&consumer); }
CALL(queue_leave) { return vas_queue_leave(&producer) || vas_queue_leave(&consumer); }
CALL(queue_destroy) { return vas_queue_destroy(queue, NULL); }

CALL(queue_create)
{
	VAS_OPTS(vas_queue_opts, opts);
	opts.flags = VAS_QUEUE_WAITS;
	return vas_queue_create(page, &opts, &queue);
}

static struct vas_queue *queue_opened;
CALL(queue_open)
{
	SIZED(vas_ring_info, info);
	int err = vas_queue_ring(queue, &info);

	if (!err)
		err = vas_queue_open(info.fd, info.header, NULL, &queue_opened);
	return err ? err : vas_queue_destroy(queue_opened, NULL);
}

CALL(queue_ring)
{
	SIZED(vas_ring_info, info);
	return vas_queue_ring(queue, &info);
}

CALL(queue_join)
{
	return vas_queue_join(queue, VAS_QUEUE_PRODUCER, &producer) ||
	       vas_queue_join(queue, VAS_QUEUE_CONSUMER, &consumer);
}

CALL(queue_put_begin)
{
	void *data;
	return vas_queue_put_begin(&producer, 8, &data);
}

CALL(queue_get_begin)
{
	const void *data;
	uint64_t length;
	return vas_queue_get_begin(&consumer, &data, &length);
}

CALL(queue_get)
{
	uint64_t length = 2;
	char data[2];
	return vas_queue_get(&consumer, data, &length);
}

CALL(shutdown) { return vas_pressure_set(NULL, NULL, NULL) || vas_shutdown(); }

/* In this order: what one makes the next ones use. */
static const struct {
	const char *name;
	int (*call)(void);
} calls[] = {
#define ROW(name) { "vas_" #name, call_##name }
	ROW(version), ROW(feature), ROW(why_name), ROW(log_set), ROW(window_get),
	ROW(reserve), ROW(notice_subscribe), ROW(pressure_set), ROW(commit), ROW(protect),
	ROW(guard), ROW(unguard), ROW(decommit), ROW(owner_at), ROW(generation_at),
	ROW(owner_details), ROW(stats_get), ROW(ledger_get), ROW(setting_get), ROW(probe_reset),
	ROW(probe_get), ROW(limits_combine), ROW(limits_check), ROW(report_get),
	ROW(report_explain), ROW(report_format), ROW(layout_open), ROW(layout_next),
	ROW(layout_next_gap), ROW(layout_at), ROW(layout_find), ROW(layout_rewind),
	ROW(layout_close), ROW(topology_get), ROW(node_get), ROW(node_at), ROW(topology_error),
	ROW(policy_choose), ROW(policy_object), ROW(policy_query), ROW(policy_migrate),
	ROW(adopt), ROW(disown), ROW(fork_hold_set), ROW(fork_pause_set),
	ROW(fork_prepare), ROW(fork_parent), ROW(fork_child),
	ROW(sync_check), ROW(pressure_check), ROW(pressure_get), ROW(reclaim),
	ROW(region_create), ROW(region_alloc), ROW(region_resize), ROW(region_commit),
	ROW(region_protect), ROW(region_guard), ROW(region_unguard), ROW(region_decommit),
	ROW(region_park), ROW(region_detached), ROW(region_manifest),
	ROW(region_from_manifest), ROW(region_unpark), ROW(region_block_at), ROW(region_next),
	ROW(region_stats), ROW(region_split_block), ROW(region_merge_blocks), ROW(region_free),
	ROW(region_tick), ROW(region_trim), ROW(region_join), ROW(region_enter),
	ROW(region_leave), ROW(region_quit), ROW(region_free_tagged), ROW(region_split), ROW(region_merge),
	ROW(region_destroy), ROW(arena_create), ROW(arena_grow), ROW(arena_ahead), ROW(arena_punch),
	ROW(arena_fill), ROW(arena_trim), ROW(arena_shrink), ROW(arena_seal), ROW(arena_size),
	ROW(arena_open), ROW(arena_generation), ROW(arena_wait), ROW(arena_pin),
	ROW(arena_unpin), ROW(arena_shrink_within), ROW(arena_sync),
	ROW(arena_extent_at), ROW(arena_set_policy), ROW(arena_migrate), ROW(arena_get), ROW(view_open), ROW(view_first), ROW(view_protect), ROW(view_get),
	ROW(mirror_open), ROW(replace_prepare), ROW(replace_commit), ROW(replace_cancel),
	ROW(view_close), ROW(arena_destroy), ROW(ring_create), ROW(ring_open), ROW(ring_get), ROW(ring_destroy),
	ROW(queue_create), ROW(queue_open), ROW(queue_ring), ROW(queue_join), ROW(queue_wait), ROW(queue_put), ROW(queue_put_begin), ROW(queue_put_end),
	ROW(queue_get), ROW(queue_get_begin), ROW(queue_get_end), ROW(queue_leave), ROW(queue_destroy),
	ROW(notice_cancel), ROW(release), ROW(shutdown),
#undef ROW
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

static int answers[CALLS];
static bool through; /* the thread came to its end */

static void *pending_main(void *unused)
{
	(void)unused;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pthread_cancel(pthread_self());
	for (size_t i = 0; i < CALLS; i++) {
		calling = calls[i].name;
		/* Printing is a cancellation point; the call must not be one. */
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
		answers[i] = calls[i].call();
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	}
	calling = NULL;
	through = true;
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	pthread_testcancel();
	return NULL;
}

static void test_pending(void)
{
	pthread_t thread;
	void *result;

	mapped = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mapped == MAP_FAILED || pthread_create(&thread, NULL, pending_main, NULL))
		tap_bail("no thread");
	pthread_join(thread, &result);
	ok(through, "a cancelled thread comes out of every function%s%s", through ? "" : "; not of ",
	   through ? "" : calling);
	ok(result == PTHREAD_CANCELED, "and ends where it looks whether it was cancelled");
	for (size_t i = 0; i < CALLS; i++)
		if (answers[i])
			ok(false, "%s answered %d", calls[i].name, answers[i]);
	munmap(mapped, page);
	is_err(vas_sync_check(NULL), 0, "the books are right");
}

/* Every function of the version map has a row above. */
static void test_map(void)
{
	const char *source = getenv("VASPACE_SOURCE");
	static const char here[] = __FILE__;
	char path[4096], line[256], name[128];
	unsigned int exported = 0;
	FILE *map;

	if (source)
		snprintf(path, sizeof(path), "%s/src/vaspace.map", source);
	else
		snprintf(path, sizeof(path), "%.*s/src/vaspace.map",
			 (int)(strstr(here, "/tests/race/") - here), here);
	map = fopen(path, "r");
	if (!map)
		tap_bail("%s cannot be read", path);
	while (fgets(line, sizeof(line), map)) {
		unsigned int found = 0;

		if (sscanf(line, " %127[a-z0-9_];", name) != 1 || strncmp(name, "vas_", 4) != 0)
			continue;
		exported++;
		for (size_t i = 0; i < CALLS; i++)
			found += strcmp(calls[i].name, name) == 0;
		if (found != 1)
			ok(false, "%s has %u rows in this test", name, found);
	}
	fclose(map);
	ok(exported == CALLS, "each of the %u exported functions has a row", exported);
}

/* --- at any moment --- */

#define VICTIMS 2u

struct victim {
	pthread_t thread;
	struct vas_span kept; /* size 0 = none; what it had when it ended */
};

static void *victim_main(void *argument)
{
	struct victim *victim = argument;

	for (;;) {
		if (vas_reserve(16 * page, NULL, &victim->kept) ||
		    vas_commit(vas_span_pointer(victim->kept), 4 * page, NULL) ||
		    vas_decommit(vas_span_pointer(victim->kept), 4 * page, NULL) ||
		    vas_release(vas_span_pointer(victim->kept), NULL))
			abort();
		victim->kept.size = 0;
		pthread_testcancel();
	}
	return NULL;
}

static void test_any_moment(void)
{
	uint64_t random = tap_seed(), rounds = tap_scaled(150);
	struct vas_stats stats = { .size = sizeof(stats) };
	struct victim victims[VICTIMS];
	bool clean = true;

	for (uint64_t round = 0; round < rounds; round++) {
		memset(victims, 0, sizeof(victims));
		for (unsigned int i = 0; i < VICTIMS; i++)
			if (pthread_create(&victims[i].thread, NULL, victim_main, &victims[i]))
				tap_bail("no thread");
		usleep((useconds_t)vas_random_below(&random, 300));
		for (unsigned int i = 0; i < VICTIMS; i++)
			pthread_cancel(victims[i].thread);
		for (unsigned int i = 0; i < VICTIMS; i++) {
			pthread_join(victims[i].thread, NULL);
			clean = clean && victims[i].kept.size == 0;
		}
	}
	vas_stats_get(&stats);
	ok(clean && stats.spans == 0 && stats.committed == 0, "threads cancelled at any moment");
	is_err(vas_sync_check(NULL), 0, "the books are right");
	is_err(vas_shutdown(), 0, "and not in use");
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	test_map();
	test_pending();
	test_any_moment();
	return tap_done();
}
