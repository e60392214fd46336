/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking where pages lie, and moving them: on the real kernel, which has made-up nodes beside its own (support/fake_nodes.h), and
 * as it is.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/fake_nodes.h"
#include "sys/definitions.h"
#include "tap/tap.h"

#define HUGE (2u << 20)

static struct fake_nodes fake;
static uint64_t page;

/* What the first use keeps is no leak of a case. */
static void begin(void)
{
	struct vas_span span;

	if (vas_reserve(page, NULL, &span) || vas_release(vas_span_pointer(span), NULL))
		tap_bail("cannot reserve");
	tap_baseline();
}

static struct vas_policy policy_of(enum vas_policy_mode mode, uint64_t nodes)
{
	return (struct vas_policy){ .size = sizeof(struct vas_policy), .mode = mode, .nodes = { nodes } };
}

/* A span whose committed pages hold their number, all on one node. */
static struct vas_span make_span(uint64_t size, unsigned char node)
{
	struct vas_span span;

	VAS_OPTS(vas_reserve_opts, opts);
	opts.alignment = HUGE;
	VAS_OPTS(vas_commit_opts, commit);
	commit.flags = VAS_COMMIT_NOHUGE;
	if (vas_reserve(size, &opts, &span) || vas_commit(vas_span_pointer(span), size, &commit))
		tap_bail("no span");
	for (uint64_t i = 0; i < size; i += page)
		*(uint64_t *)(uintptr_t)(span.start + i) = i;
	fake_nodes_place(&fake, span, node);
	return span;
}

static void end_span(struct vas_span span)
{
	bool kept = true;

	for (uint64_t i = 0; i < span.size; i += page)
		kept = kept && *(uint64_t *)(uintptr_t)(span.start + i) == i;
	ok(kept, "contents are as they were");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
	is_err(vas_sync_check(NULL), 0, "books and mappings agree");
}

static int migrate(struct vas_span span, struct vas_policy policy, uint64_t *moved)
{
	*moved = 4711;
	return vas_policy_migrate(vas_span_pointer(span), span.size, &policy, moved);
}

static struct vas_policy_report look(struct vas_span span, const struct vas_policy *policy)
{
	struct vas_policy_report report = { .size = sizeof(report) };

	is_err(vas_policy_query(vas_span_pointer(span), span.size, policy, &report), 0, "looked");
	return report;
}

static void query_case(void *unused)
{
	struct vas_policy bind = policy_of(VAS_POLICY_BIND, 0x5), prefer = policy_of(VAS_POLICY_PREFER, 0x4);
	struct vas_policy_report report = { .size = sizeof(report) };
	struct vas_span span;

	(void)unused;
	begin();
	is_err(vas_reserve(16 * page, NULL, &span), 0, "a span");
	report = look(span, NULL);
	ok(!report.present && report.absent == 16 * page, "nothing is there");
	is_err(vas_commit(vas_span_pointer(span), 8 * page, NULL), 0, "half of it committed");
	fake_nodes_place(&fake, span, 2);
	fake.nodes[3] = 1;
	for (unsigned i = 0; i < 5; i++)
		*(char *)(uintptr_t)(span.start + i * page) = 1;
	ok(*(volatile char *)(uintptr_t)(span.start + 6 * page) == 0, "one page was read only");
	report = look(span, &bind);
	is_u64(report.present, 5 * page, "what was written is there");
	is_u64(report.absent, 11 * page, "the rest is not");
	is_u64(report.nodes[0], 0x6, "on two nodes");
	is_u64(report.wrong, page, "one page is where the policy has no node");
	is_u64(report.first_wrong, span.start + 3 * page, "this one");
	is_u64(look(span, &prefer).wrong, 0, "one that prefers excludes no node");
	is_u64(look(span, NULL).wrong, 0, "nor does no policy");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
	report.present = 4711;
	is_err(vas_policy_query(vas_span_pointer(span), span.size, NULL, &report), EFAULT,
	       "nothing is mapped");
	is_u64(report.present, 4711, "the report is untouched");
}

static void migrate_case(void *unused)
{
	struct vas_policy policy = policy_of(VAS_POLICY_BIND, 0x4);
	struct vas_span span;
	uint64_t moved;

	(void)unused;
	begin();
	span = make_span(2 * HUGE, 0);
	is_err(migrate(span, policy, &moved), 0, "to the third node");
	is_u64(moved, span.size, "all of it moved");
	is_u64(look(span, &policy).wrong, 0, "and is there");
	fake.moves = 0;
	is_err(migrate(span, policy, &moved), 0, "once more");
	ok(moved == 0 && fake.moves == 0, "nothing was asked to move");
	is_err(migrate(span, policy_of(VAS_POLICY_INTERLEAVE, 0xa), &moved), 0, "to two nodes");
	ok(moved == span.size && look(span, NULL).nodes[0] == 0xa, "both have some");
	ok(fake.nodes[0] != fake.nodes[HUGE / page] && fake.nodes[0] == fake.nodes[HUGE / page - 1],
	   "each a piece as large as a huge page");
	is_err(migrate(span, policy_of(VAS_POLICY_PREFER, 0xa), &moved), 0, "to the first of two");
	ok(moved == HUGE && look(span, NULL).nodes[0] == 0x2, "the other half moved");
	policy = policy_of(VAS_POLICY_BIND, 0xd);
	policy.flags = VAS_POLICY_HOME(3);
	is_err(migrate(span, policy, &moved), 0, "to nodes with a home");
	ok(moved == span.size && look(span, NULL).nodes[0] == 0x8, "there all moved");
	fake.privileged = true;
	is_err(migrate(span, policy_of(VAS_POLICY_WEIGHTED, 0x1), &moved), 0, "with privilege");
	ok(moved == span.size && look(span, NULL).nodes[0] == 0x1, "all moved");
	fake.privileged = false;
	end_span(span);
}

static void refusal_case(void *unused)
{
	struct vas_policy second = policy_of(VAS_POLICY_BIND, 0x2);
	struct vas_region_stats stats = { .size = sizeof(stats) };
	struct vas_region *region;
	struct vas_span span;
	uint64_t moved;

	(void)unused;
	begin();
	span = make_span(8 * page, 0);
	fake.stuck = span.start + 2 * page;
	is_err(migrate(span, second, &moved), EBUSY, "one page is held");
	is_u64(moved, 4711, "the output is untouched");
	ok(look(span, &second).wrong == page, "the rest moved");
	fake.stuck = 0;
	fake.full = 3;
	is_err(migrate(span, policy_of(VAS_POLICY_BIND, 0x8), &moved), ENOMEM, "a node is full");
	fake.full = 0;
	is_err(migrate(span, policy_of(VAS_POLICY_BIND, 0x20), &moved), EINVAL, "no such node");
	is_err(migrate(span, policy_of(VAS_POLICY_LOCAL, 0), &moved), EINVAL, "no nodes");
	end_span(span);
	is_err(migrate(span, second, &moved), ENOENT, "nothing is owned there");
	is_err(vas_region_create(16 * page, NULL, &region), 0, "a region");
	is_err(vas_region_stats(region, &stats), 0, "where it is");
	is_err(migrate(stats.span, second, &moved), EBUSY, "a region uses it");
	is_err(vas_region_destroy(region, NULL), 0, "destroyed");
}

/* An arena of eight pages that are there, seen once more from its third page on. */
static struct vas_arena *make_arena(enum vas_arena_kind kind, struct vas_span *span)
{
	struct vas_arena_info info = { .size = sizeof(info) };
	struct vas_arena *arena;

	VAS_OPTS(vas_arena_opts, opts);
	opts.kind = kind;
	opts.initial = 8 * page;
	if (vas_arena_create(32 * page, &opts, &arena) || vas_arena_get(arena, &info))
		tap_bail("no arena");
	*span = (struct vas_span){ info.span.start, 8 * page };
	for (uint64_t i = 0; i < 8; i++)
		memset((char *)vas_span_pointer(*span) + i * page, (int)i + 1, page);
	fake_nodes_place(&fake, *span, 0);
	return arena;
}

static void arena_moves(enum vas_arena_kind kind)
{
	struct vas_policy second = policy_of(VAS_POLICY_BIND, 0x2);
	uint64_t moved = 4711;
	struct vas_arena *arena;
	struct vas_span span;
	bool same = true;

	begin();
	arena = make_arena(kind, &span);
	is_err(migrate(span, second, &moved), EBUSY, "not as a span");
	is_err(vas_arena_migrate(arena, (struct vas_span){ 2 * page, 3 * page }, &second, &moved),
	       0, "three pages");
	ok(moved == 3 * page && look(span, NULL).nodes[0] == 0x3 && fake.nodes[1] == 0 &&
		   fake.nodes[2] == 1 && fake.nodes[4] == 1 && fake.nodes[5] == 0,
	   "these, and no other");
	is_err(vas_arena_migrate(arena, (struct vas_span){ page, 31 * page }, &second, &moved), 0,
	       "all but the first, and what it may become");
	ok(moved == 4 * page && look(span, NULL).nodes[0] == 0x3 && fake.nodes[0] == 0,
	   "which has no pages");
	is_err(vas_arena_migrate(arena, (struct vas_span){ 16 * page, 0 }, &second, &moved), 0,
	       "beyond its size");
	is_u64(moved, 0, "nothing");
	is_err(vas_arena_migrate(arena, (struct vas_span){ 0, 0 }, &second, NULL), 0, "all");
	is_u64(look(span, &second).wrong, 0, "is there");
	moved = 4711;
	fake.stuck = span.start + 3 * page;
	second = policy_of(VAS_POLICY_BIND, 0x4);
	is_err(vas_arena_migrate(arena, (struct vas_span){ 0, 0 }, &second, &moved), EBUSY,
	       "one page is held");
	ok(moved == 4711 && look(span, &second).wrong == page, "the rest moved");
	fake.stuck = 0;
	for (uint64_t i = 0; i < 8; i++)
		same &= *((unsigned char *)vas_span_pointer(span) + i * page) == i + 1;
	ok(same, "the bytes stay");
	is_err(vas_sync_check(NULL), 0, "and the books are right");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

static void memfd_case(void *unused)
{
	(void)unused;
	arena_moves(VAS_ARENA_MEMFD);
}

static void private_case(void *unused)
{
	(void)unused;
	arena_moves(VAS_ARENA_ANONYMOUS);
}

struct heard {
	uint32_t count;
	struct vas_notice seen[4];
	int veto;
};

static int hear(void *context, const struct vas_notice *notice)
{
	struct heard *heard = context;

	if (heard->count < 4)
		heard->seen[heard->count++] = *notice;
	return heard->veto;
}

static void notice_case(void *unused)
{
	struct vas_policy second = policy_of(VAS_POLICY_BIND, 0x2);
	struct heard heard = { .veto = -1 };
	uint64_t id, moved, before = 0, after = 0;
	struct vas_span span;

	(void)unused;
	begin();
	span = make_span(8 * page, 0);
	is_err(vas_notice_subscribe(&span, hear, &heard, &id), 0, "a subscriber");
	is_err(migrate(span, second, &moved), EBUSY, "refuses");
	is_u64(look(span, NULL).nodes[0], 0x1, "nothing moved");
	memset(&heard, 0, sizeof(heard));
	is_err(vas_generation_at(vas_span_pointer(span), &before), 0, "its generation");
	is_err(migrate(span, second, &moved), 0, "or agrees");
	is_err(vas_generation_at(vas_span_pointer(span), &after), 0, "its generation after");
	is_u64(after, before + 1, "one more");
	ok(heard.count == 2 && heard.seen[0].change == VAS_CHANGE_MIGRATE &&
		   heard.seen[0].phase == VAS_NOTICE_BEFORE &&
		   heard.seen[1].phase == VAS_NOTICE_AFTER && heard.seen[1].span.start == span.start &&
		   heard.seen[1].generation == after,
	   "told before and after");
	memset(&heard, 0, sizeof(heard));
	fake.stuck = span.start;
	is_err(migrate(span, policy_of(VAS_POLICY_BIND, 0x4), &moved), EBUSY, "a page is stuck");
	ok(heard.count == 2 && heard.seen[1].phase == VAS_NOTICE_AFTER,
	   "told, since the rest did move");
	is_err(vas_notice_cancel(id), 0, "cancelled");
	fake.stuck = 0;
	end_span(span);
}

/* Each view's subscribers are told, of what it shows. */
static void view_notice_case(void *unused)
{
	struct vas_policy second = policy_of(VAS_POLICY_BIND, 0x2);
	struct vas_view_info info = { .size = sizeof(info) };
	struct heard heard = { .veto = -1 };
	uint64_t id, moved = 4711;
	struct vas_arena *arena;
	struct vas_view *view;
	struct vas_span span;

	(void)unused;
	begin();
	arena = make_arena(VAS_ARENA_MEMFD, &span);
	VAS_OPTS(vas_view_opts, opts);
	opts.offset = 2 * page;
	is_err(vas_view_open(arena, &opts, &view), 0, "a view of the third page and on");
	is_err(vas_view_get(view, &info), 0, "where it is");
	is_err(vas_notice_subscribe(&info.span, hear, &heard, &id), 0, "a subscriber");
	is_err(vas_arena_migrate(arena, (struct vas_span){ page, 2 * page }, &second, &moved),
	       EBUSY, "refuses");
	ok(moved == 4711 && look(span, NULL).nodes[0] == 0x1, "nothing moved");
	memset(&heard, 0, sizeof(heard));
	is_err(vas_arena_migrate(arena, (struct vas_span){ 0, 2 * page }, &second, &moved), 0,
	       "what it does not show");
	is_u64(heard.count, 0, "is not told");
	is_err(vas_arena_migrate(arena, (struct vas_span){ 0, 4 * page }, &second, &moved), 0,
	       "two pages of it");
	ok(heard.count == 2 && heard.seen[0].phase == VAS_NOTICE_BEFORE &&
		   heard.seen[1].phase == VAS_NOTICE_AFTER &&
		   heard.seen[1].change == VAS_CHANGE_MIGRATE &&
		   heard.seen[1].span.start == info.span.start &&
		   heard.seen[1].span.size == 2 * page,
	   "are told before and after");
	is_u64(moved, 2 * page, "and moved");
	memset(&heard, 0, sizeof(heard));
	is_err(vas_arena_migrate(arena, (struct vas_span){ 0, 4 * page }, &second, &moved), 0,
	       "again");
	ok(moved == 0 && heard.count == 2 && heard.seen[1].phase != VAS_NOTICE_AFTER,
	   "is taken back, as nothing moved");
	is_err(vas_notice_cancel(id), 0, "and goes");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

/* A home node goes with its policy, whatever maps the memory anew. */
static void home_case(void *unused)
{
	struct vas_policy policy = policy_of(VAS_POLICY_BIND, 0x6);
	struct vas_region *region;
	struct vas_block block;

	(void)unused;
	begin();
	VAS_OPTS(vas_reserve_opts, reserve);
	VAS_OPTS(vas_region_opts, opts);
	VAS_OPTS(vas_commit_opts, commit);
	VAS_OPTS(vas_park_opts, park);
	park.flags = VAS_PARK_DISCARD;
	opts.reserve = &reserve;
	policy.flags = VAS_POLICY_HOME(2);
	is_err(vas_region_create(16 * page, &opts, &region), 0, "a region");
	is_err(vas_region_alloc(region, 4 * page, NULL, &block), 0, "a block");
	commit.policy = &policy;
	is_err(vas_region_commit(region, block.start, 2 * page, &commit), 0, "with a home");
	ok(fake.homes == 1 && fake.home == 2 && fake.mode_nodes == 0x6, "the kernel was told");
	is_err(vas_region_park(region, &park), 0, "parked");
	is_err(vas_region_unpark(region, &park), 0, "unparked");
	ok(fake.homes == 2 && fake.home == 2, "it was told again");
	policy.flags = VAS_POLICY_HOME(1);
	is_err(vas_region_commit(region, (char *)block.start + 2 * page, page, &commit), 0,
	       "another home");
	is_u64(fake.home, 1, "is another policy");
	policy.flags = VAS_POLICY_HOME(9);
	is_err(vas_region_commit(region, (char *)block.start + 3 * page, page, &commit), EINVAL,
	       "no such node");
	policy.mode = VAS_POLICY_INTERLEAVE;
	policy.flags = VAS_POLICY_HOME(1);
	is_err(vas_region_commit(region, (char *)block.start + 3 * page, page, &commit), EINVAL,
	       "what interleaves has no home");
	is_err(vas_region_destroy(region, NULL), 0, "destroyed");
}

/* The kernel as it is. */
static void real_case(void *unused)
{
	struct vas_policy policy = policy_of(VAS_POLICY_BIND, 0x1);
	struct vas_span span;
	uint64_t moved = 4711;

	(void)unused;
	vas_sys_replace(NULL);
	begin();
	span = make_span(64 * page, 0);
	policy = policy_of(VAS_POLICY_BIND, look(span, NULL).nodes[0]);
	ok(look(span, &policy).wrong == 0 && look(span, &policy).present == span.size,
	   "all is there, on nodes that are told");
	is_err(migrate(span, policy, &moved), 0, "to where it is");
	is_u64(moved, 0, "nothing moved");
	is_err(migrate(span, policy_of(VAS_POLICY_BIND, UINT64_C(1) << 63), &moved), EINVAL,
	       "no such node");
	end_span(span);
}

int main(void)
{
	struct vas_sys *real = vas_sys_real();
	int32_t status;

	page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (real->move_pages(real, &page, 1, NULL, &status, 0) == -ENOSYS)
		tap_skip_all("no-policies", "this kernel has no memory policies");
	tap_plan(0);
	fake_nodes_init(&fake);
	tap_case("the kernel as it is", real_case, NULL, 10);
	vas_sys_replace(&fake.sys);
	tap_case("where pages lie", query_case, NULL, 10);
	tap_case("pages of a memfd's arena", memfd_case, NULL, 10);
	tap_case("pages of a private arena", private_case, NULL, 10);
	tap_case("what views' subscribers hear", view_notice_case, NULL, 10);
	tap_case("pages move", migrate_case, NULL, 20);
	tap_case("what cannot move", refusal_case, NULL, 10);
	tap_case("who is told", notice_case, NULL, 10);
	tap_case("home nodes", home_case, NULL, 10);
	return tap_done();
}
