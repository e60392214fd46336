/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/* budget: 6 */
/*
 * Views over the real kernel: the same bytes at several addresses, in step with the arena; what they count, where they lie, what they
 * may do; refusals that leave everything as it was; notices; forked children.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/huge_pool.h"
#include "support/view_looks.h"

#define MIB (1ull << 20)

static uint64_t page;

static struct vas_arena *make(uint64_t maximum, uint64_t initial)
{
	struct vas_arena *arena = NULL;

	VAS_OPTS(vas_arena_opts, opts);
	opts.initial = initial;
	if (vas_arena_create(maximum, &opts, &arena))
		tap_bail("no arena");
	return arena;
}

static struct vas_view *open_part(struct vas_arena *arena, uint64_t offset, uint64_t extent)
{
	struct vas_view *view = NULL;

	VAS_OPTS(vas_view_opts, opts);
	opts.offset = offset;
	opts.extent = extent;
	if (vas_view_open(arena, &opts, &view))
		tap_bail("no view");
	return view;
}

static void test_coherent(void *unused)
{
	struct vas_arena *arena = make(64 * MIB, MIB);
	struct vas_view *all, *upper, *first = vas_view_first(arena);
	unsigned char *a, *b, *c;

	(void)unused;
	arena_baseline();
	all = open_part(arena, 0, 0);
	upper = open_part(arena, MIB / 2, 4 * MIB);
	a = view_start(first);
	b = view_start(all);
	c = view_start(upper);
	ok(a != b && b != c, "three addresses");
	a[0] = 1;
	b[MIB / 2] = 2;
	c[page] = 3;
	ok(b[0] == 1 && c[0] == 2 && a[MIB / 2 + page] == 3, "the same bytes");
	is_u64(view_look(all).bytes, MIB, "as large as the arena");
	is_u64(view_look(all).extent, 64 * MIB, "as far as it may grow");
	is_u64(view_look(upper).bytes, MIB / 2, "or what it has of it");
	ok(view_look(upper).arena == arena && view_look(upper).offset == MIB / 2, "and of which");
	is_u64(committed(), MIB, "counted once");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");

	is_err(vas_arena_grow(arena, 8 * MIB, 0, NULL), 0, "grown");
	a[3 * MIB] = 4;
	ok(b[3 * MIB] == 4 && c[3 * MIB - MIB / 2] == 4, "all have the new bytes");
	is_u64(view_look(upper).bytes, 4 * MIB, "as far as they reach");
	is_u64(committed(), 8 * MIB, "counted once still");
	is_err(vas_arena_shrink(arena, MIB / 2), 0, "shrunk");
	is_u64(view_look(upper).bytes, 0, "a view that has nothing of it now");
	ok(touch(c, false) == SIGBUS && touch(b + MIB / 2, false) == SIGBUS, "beyond is a signal");
	ok(touch(b + MIB / 2 - 1, true) == 0 && b[0] == 1, "below is what it was");
	is_err(vas_arena_grow(arena, MIB, 0, NULL), 0, "grown again");
	ok(c[0] == 0 && c[page] == 0, "what was given back is gone");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");

	is_err(vas_view_close(upper, NULL), 0, "closed");
	is_u64(committed(), MIB, "which counts nothing");
	is_err(vas_arena_grow(arena, 2 * MIB, 0, NULL), 0, "grown without it");
	ok(b[2 * MIB - 1] == 0, "the other has it");
	is_err(vas_arena_destroy(arena, NULL), 0, "the arena ends its views");
	is_u64(committed(), 0, "nothing is left");
	is_err(vas_sync_check(NULL), 0, "nor in the maps");
}

static void test_place(void *unused)
{
	struct vas_arena *arena = make(16 * MIB, MIB);
	struct vas_view *view = NULL;
	struct vas_ledger_entry entry = { .size = sizeof(entry) };
	struct vas_owner_details details = { .size = sizeof(details) };
	struct vas_owner owner;
	struct vas_span place;
	bool named = false;

	(void)unused;
	arena_baseline();
	VAS_OPTS(vas_reserve_opts, reserve);
	VAS_OPTS(vas_view_opts, opts);
	if (vas_reserve(16 * MIB, NULL, &place) || vas_release(vas_span_pointer(place), NULL))
		tap_bail("no place");
	reserve.place = VAS_PLACE_EXACT;
	reserve.address = place.start;
	reserve.name = "seen";
	opts.reserve = &reserve;
	is_err(vas_view_open(arena, &opts, &view), 0, "at a chosen address");
	is_u64(view_look(view).span.start, place.start, "there it is");
	is_err(vas_view_open(arena, &opts, &view), EEXIST, "a second time");
	for (size_t i = 0; !vas_ledger_get(i, &entry); i++)
		named |= !strcmp(entry.name, "seen") && entry.committed == 0;
	ok(named, "in the ledger by its name, with nothing committed");
	is_err(vas_owner_at(vas_span_pointer(place), &owner), 0, "it is owned");
	is_err(vas_owner_details(owner.id, &details), 0, "by a name");
	is_err(vas_commit(vas_span_pointer(place), page, NULL), EBUSY, "nobody else commits there");
	is_err(vas_decommit(vas_span_pointer(place), page, NULL), EBUSY, "nor decommits");
	is_err(vas_release(vas_span_pointer(place), NULL), EBUSY, "nor releases");
	is_err(vas_view_close(view, NULL), 0, "closed");
	is_err(vas_owner_at(vas_span_pointer(place), &owner), ENOENT, "and free");
	is_err(vas_view_close(vas_view_first(arena), NULL), EINVAL, "the first stays");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

static void test_protect(void *unused)
{
	struct vas_arena *arena = make(16 * MIB, MIB);
	struct vas_view *view = NULL, *first = vas_view_first(arena);
	unsigned char *a = view_start(first), *b;

	(void)unused;
	arena_baseline();
	VAS_OPTS(vas_view_opts, opts);
	opts.prot = PROT_READ;
	is_err(vas_view_open(arena, &opts, &view), 0, "to be read only");
	b = view_start(view);
	is_u64((uint64_t)view_look(view).prot, PROT_READ, "so it tells");
	a[0] = 5;
	ok(b[0] == 5 && touch(b, true) == SIGSEGV, "read, not written");
	is_err(vas_arena_grow(arena, 2 * MIB, 0, NULL), 0, "grown");
	ok(touch(b + 2 * MIB - 1, false) == 0 && touch(b + 2 * MIB - 1, true) == SIGSEGV,
	   "nor the new bytes");
	is_err(vas_view_protect(view, PROT_READ | PROT_WRITE), 0, "to be written");
	is_err(vas_view_protect(first, PROT_NONE), 0, "the first not at all");
	ok(touch(b, true) == 0 && touch(a, false) == SIGSEGV, "each has its own");
	is_err(vas_arena_grow(arena, 3 * MIB, 0, NULL), 0, "grown");
	ok(touch(b + 3 * MIB - 1, true) == 0 && touch(a + 3 * MIB - 1, false) == SIGSEGV,
	   "also of new bytes");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_view_protect(first, PROT_READ | PROT_WRITE), 0, "the first again");
	ok(a[0] == 5, "its bytes are there");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

/* Kernel mappings in a span. */
static unsigned int mappings(struct vas_span span)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long long low, high;
	unsigned int count = 0;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%llx-%llx", &low, &high) == 2 && low < span.start + span.size &&
		    high > span.start)
			count++;
	if (maps)
		fclose(maps);
	return count;
}

/* Whether exactly the first bytes of it can be touched. */
static bool reaches(struct vas_view *view, uint64_t bytes, int beyond)
{
	unsigned char *start = view_start(view);
	uint64_t extent = view_look(view).extent;

	return (bytes == 0 || (touch(start, true) == 0 && touch(start + bytes - 1, true) == 0)) &&
	       (bytes == extent || (touch(start + bytes, false) == beyond &&
				    touch(start + extent - 1, false) == beyond));
}

static void check_tail(enum vas_tail tail, const char *name, int beyond, unsigned int most)
{
	struct vas_arena *arena = NULL;
	struct vas_view *views[3];
	uint64_t sizes[] = { 0, MIB, 5 * MIB, 2 * MIB, 16 * MIB, 0, 3 * MIB };
	bool exact = true, few = true, agree = true;

	VAS_OPTS(vas_arena_opts, opts);
	opts.tail = tail;
	if (vas_arena_create(16 * MIB, &opts, &arena))
		tap_bail("no arena");
	views[0] = vas_view_first(arena);
	views[1] = open_part(arena, MIB, 8 * MIB);
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (sizes[i] < vas_arena_size(arena) ? vas_arena_shrink(arena, sizes[i])
						     : vas_arena_grow(arena, sizes[i], 0, NULL))
			tap_bail("it is not as large");
		views[2] = open_part(arena, 0, 4 * MIB);
		for (unsigned int j = 0; j < 3; j++) {
			exact &= reaches(views[j], view_look(views[j]).bytes, beyond);
			few &= mappings(view_look(views[j]).span) <= most;
		}
		agree &= vas_sync_check(NULL) == 0;
		if (vas_view_protect(views[1], i % 2 ? PROT_READ | PROT_WRITE : PROT_NONE) ||
		    vas_view_protect(views[1], PROT_READ | PROT_WRITE) ||
		    vas_view_close(views[2], NULL))
			tap_bail("it is not protected");
		exact &= reaches(views[1], view_look(views[1]).bytes, beyond);
	}
	ok(exact, "%s: just the size can be touched", name);
	ok(few, "%s: in so many kernel mappings", name);
	ok(agree, "%s: the books and the maps agree", name);
	is_u64(committed(), 3 * MIB, "%s: what is counted", name);
	is_err(vas_arena_destroy(arena, NULL), 0, "%s: destroyed", name);
}

static void test_tails(void *unused)
{
	struct vas_probe_info probe = { .size = sizeof(probe) };
	bool guards = false;

	(void)unused;
	arena_baseline();
	check_tail(VAS_TAIL_BARE, "BARE", SIGBUS, 1);
	check_tail(VAS_TAIL_NONE, "NONE", SIGSEGV, 2);
	for (uint32_t i = 0; !vas_probe_get(i, &probe); i++)
		guards |= !strcmp(probe.name, "guard_object") && probe.state == VAS_PROBE_YES;
	if (guards)
		check_tail(VAS_TAIL_GUARD, "GUARD", SIGSEGV, 1);
}

static void check_pool(enum vas_tail tail, const char *name, int beyond)
{
	static const uint64_t ladder[] = { HUGE_PAGE };
	struct vas_arena *arena = NULL;
	struct vas_view *view, *upper;
	uint64_t all = huge_pool_free();
	unsigned char *a, *b;

	VAS_OPTS(vas_arena_opts, opts);
	opts.tail = tail;
	opts.ladder = ladder;
	opts.ladder_count = 1;
	opts.initial = HUGE_PAGE;
	is_err(vas_arena_create((all + 8) * HUGE_PAGE, &opts, &arena), 0, "%s: an arena on the pool", name);
	view = open_part(arena, 0, 0);
	upper = open_part(arena, HUGE_PAGE, 2 * HUGE_PAGE);
	a = view_start(vas_view_first(arena));
	b = view_start(view);
	is_u64((uint64_t)(uintptr_t)b % HUGE_PAGE, 0, "%s: a view lies at a multiple of its page", name);
	is_u64(huge_pool_free(), all - 1, "%s: views take no page of the pool", name);
	a[5] = 1;
	is_u64(b[5], 1, "%s: the same bytes", name);
	ok(touch(b + HUGE_PAGE, false) == beyond, "%s: a signal beyond", name);
	is_err(vas_arena_grow(arena, 3 * HUGE_PAGE, 0, NULL), 0, "%s: grown", name);
	b[HUGE_PAGE] = 2;
	is_u64(view_start(upper)[0], 2, "%s: the other has it", name);
	is_u64(huge_pool_free(), all - 3, "%s: three pages", name);
	is_err(vas_arena_grow(arena, (all + 1) * HUGE_PAGE, 0, NULL), ENOMEM, "%s: more than there is", name);
	is_u64(huge_pool_free(), all - 3, "%s: none is kept", name);
	ok(touch(b + 3 * HUGE_PAGE, false) == beyond && b[HUGE_PAGE] == 2, "%s: as it was", name);
	is_err(vas_arena_shrink(arena, HUGE_PAGE), 0, "%s: shrunk", name);
	is_u64(huge_pool_free(), all - 1, "%s: the pages are back", name);
	ok(touch(b + HUGE_PAGE, false) == beyond && b[5] == 1, "%s: a signal beyond", name);
	is_err(vas_view_protect(view, PROT_READ), 0, "%s: to be read only", name);
	ok(touch(b, true) == SIGSEGV && touch(a, true) == 0, "%s: through that view", name);
	is_err(vas_sync_check(NULL), 0, "%s: the books and the maps agree", name);
	is_err(vas_arena_destroy(arena, NULL), 0, "%s: destroyed", name);
	is_u64(huge_pool_free(), all, "%s: all are back", name);
}

static void test_pool(void *unused)
{
	static const uint64_t ladder[] = { HUGE_PAGE };
	struct vas_arena *arena = NULL;

	(void)unused;
	arena_baseline();
	if (!huge_pool_take(8))
		tap_skip_all("no-huge-pages", "the pool of huge pages cannot be enlarged");
	check_pool(VAS_TAIL_BARE, "BARE", SIGBUS);
	check_pool(VAS_TAIL_NONE, "NONE", SIGSEGV);
	VAS_OPTS(vas_arena_opts, opts);
	opts.tail = VAS_TAIL_GUARD;
	opts.ladder = ladder;
	opts.ladder_count = 1;
	is_err(vas_arena_create(8 * HUGE_PAGE, &opts, &arena), EOPNOTSUPP, "no guards on the pool");
	huge_pool_return();
}

/* Refusals by what the arena is. */
static void test_refused(void *unused)
{
	struct vas_report report = { .size = sizeof(report) };
	struct vas_arena *private = NULL, *arena = make(16 * MIB, MIB);
	struct vas_arena_info info = { .size = sizeof(info) };
	struct vas_view *view = NULL;
	int kept, other;

	(void)unused;
	arena_baseline();
	VAS_OPTS(vas_arena_opts, opts);
	opts.kind = VAS_ARENA_ANONYMOUS;
	is_err(vas_arena_create(MIB, &opts, &private), 0, "private memory");
	is_err(vas_view_open(private, NULL, &view), EOPNOTSUPP, "is not seen twice");
	is_err(vas_report_get(&report), 0, "a report");
	is_str(vas_why_name(report.why), "private", "the reason");
	is_err(vas_view_protect(vas_view_first(private), PROT_READ), EOPNOTSUPP, "nor protected");
	is_err(vas_arena_destroy(private, NULL), 0, "destroyed");

	if (vas_arena_get(arena, &info))
		tap_bail("the arena tells nothing");
	kept = dup(info.fd);
	other = memfd_create("other", MFD_CLOEXEC);
	if (kept < 0 || other < 0 || dup2(other, info.fd) != info.fd)
		tap_bail("no other file");
	is_err(vas_view_open(arena, NULL, &view), EBADF, "another's descriptor");
	if (dup2(kept, info.fd) != info.fd)
		tap_bail("no way back");
	is_err(vas_sync_check(NULL), 0, "nothing of it is left");
	close(kept);
	close(other);
	is_err(vas_view_open(arena, NULL, &view), 0, "its own again");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

#define VIEWS 5u

static struct {
	struct vas_view *views[VIEWS];
	struct vas_notice seen[32];
	unsigned int count;
	unsigned int veto_at; /* the notice that is answered with a veto; 0 = none */
	int grown, closed; /* what calls inside answer */
	struct vas_arena *arena;
} heard;

static int hear(void *context, const struct vas_notice *notice)
{
	(void)context;
	if (heard.count < 32)
		heard.seen[heard.count] = *notice;
	heard.count++;
	if (notice->phase == VAS_NOTICE_BEFORE && heard.arena) {
		heard.grown = vas_arena_grow(heard.arena, 32 * MIB, 0, NULL);
		if (notice->span.start == view_look(heard.views[1]).span.start + MIB)
			heard.closed = vas_view_close(heard.views[1], NULL);
	}
	return heard.count == heard.veto_at ? -EPERM : 0;
}

static void test_notices(void *unused)
{
	struct vas_arena *arena = make(64 * MIB, MIB);
	uint64_t id, before[VIEWS], after;
	bool each = true, counted = true;

	(void)unused;
	arena_baseline();
	memset(&heard, 0, sizeof(heard));
	heard.views[0] = vas_view_first(arena);
	for (unsigned int i = 1; i < VIEWS; i++)
		heard.views[i] = open_part(arena, 0, i == 4 ? MIB : 0);
	for (unsigned int i = 0; i < VIEWS; i++)
		if (vas_generation_at(view_start(heard.views[i]), &before[i]))
			tap_bail("no generation");
	heard.arena = arena;
	if (vas_notice_subscribe(NULL, hear, NULL, &id))
		tap_bail("no notices");
	is_err(vas_arena_grow(arena, 3 * MIB, 0, NULL), 0, "grown");
	is_u64(heard.count, 8, "before and after, one a view that has the new bytes");
	for (unsigned int i = 0; i < 4; i++) {
		const struct vas_notice *end = &heard.seen[4 + i];
		struct vas_span span = view_look(heard.views[i]).span;

		each &= heard.seen[i].phase == VAS_NOTICE_BEFORE && end->phase == VAS_NOTICE_AFTER &&
			end->change == VAS_CHANGE_GROW && end->span.start == span.start + MIB &&
			end->span.size == 2 * MIB;
		counted &= !vas_generation_at(vas_span_pointer(span), &after) &&
			   after == before[i] + 1 && end->generation == after;
	}
	ok(each, "in the order of opening, of the bytes there");
	ok(counted, "each with its generation");
	is_err(vas_generation_at(view_start(heard.views[4]), &after), 0, "the one that has none of them");
	is_u64(after, before[4], "has not changed");
	is_err(heard.grown, EDEADLK, "it does not grow in there");
	is_err(heard.closed, EDEADLK, "nor is a view closed in a notice about it");

	heard.arena = NULL;
	heard.count = 0;
	heard.veto_at = 3;
	is_err(vas_arena_grow(arena, 5 * MIB, 0, NULL), EBUSY, "vetoed at the third");
	is_u64(heard.count, 5, "those before it are told");
	ok(heard.seen[3].phase == VAS_NOTICE_CANCELLED && heard.seen[4].phase == VAS_NOTICE_CANCELLED,
	   "that nothing came of it");
	is_u64(vas_arena_size(arena), 3 * MIB, "which is so");
	heard.veto_at = 0;
	heard.count = 0;
	is_err(vas_arena_shrink(arena, MIB), 0, "shrunk");
	ok(heard.count == 8 && heard.seen[7].change == VAS_CHANGE_SHRINK, "told of it");
	is_err(vas_notice_cancel(id), 0, "no more notices");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

/* A view that is closed between the notices of a growth hears the end of it. */
static int close_other(void *context, const struct vas_notice *notice)
{
	(void)context;
	if (notice->change == VAS_CHANGE_GROW || notice->change == VAS_CHANGE_RELEASE)
		heard.seen[heard.count++ % 32] = *notice;
	if (heard.count == 3 && heard.views[1]) {
		struct vas_view *view = heard.views[1];

		heard.views[1] = NULL;
		heard.closed = vas_view_close(view, NULL);
	}
	return 0;
}

static void test_closed_meanwhile(void *unused)
{
	struct vas_arena *arena = make(64 * MIB, MIB);
	unsigned int cancelled = 0, after = 0;
	uint64_t id, start;

	(void)unused;
	arena_baseline();
	memset(&heard, 0, sizeof(heard));
	heard.closed = 1;
	for (unsigned int i = 1; i < 3; i++)
		heard.views[i] = open_part(arena, 0, 0);
	start = view_look(heard.views[1]).span.start;
	if (vas_notice_subscribe(NULL, close_other, NULL, &id))
		tap_bail("no notices");
	/* In the third view's notice, the second's was told. */
	is_err(vas_arena_grow(arena, 3 * MIB, 0, NULL), 0, "grown");
	is_err(heard.closed, 0, "closed meanwhile");
	for (unsigned int i = 0; i < heard.count; i++) {
		bool there = heard.seen[i].span.start == start + MIB;

		cancelled += there && heard.seen[i].phase == VAS_NOTICE_CANCELLED;
		after += !there && heard.seen[i].phase == VAS_NOTICE_AFTER &&
			 heard.seen[i].change == VAS_CHANGE_GROW;
	}
	is_u64(cancelled, 1, "it is told that nothing came of it");
	is_u64(after, 2, "the others that it was done");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_notice_cancel(id), 0, "no more notices");
	is_err(vas_arena_destroy(arena, NULL), 0, "destroyed");
}

static const struct {
	enum vas_fork arena, view;
	int made; /* what opening answers */
	bool there; /* the child has the bytes */
} forks[] = {
	{ VAS_FORK_DEFAULT, VAS_FORK_DEFAULT, 0, true },
	{ VAS_FORK_SHARE, VAS_FORK_DEFAULT, 0, true },
	{ VAS_FORK_SHARE, VAS_FORK_SHARE, 0, true },
	{ VAS_FORK_ABSENT, VAS_FORK_DEFAULT, 0, false },
	{ VAS_FORK_TRAP, VAS_FORK_TRAP, 0, false },
	{ VAS_FORK_SHARE, VAS_FORK_ABSENT, EOPNOTSUPP, false },
	{ VAS_FORK_ABSENT, VAS_FORK_SHARE, EOPNOTSUPP, false },
	{ VAS_FORK_DEFAULT, VAS_FORK_COPY, EOPNOTSUPP, false },
};

/* In the child: 0, or the number of what is wrong. */
static int child_of(struct vas_arena *arena, struct vas_view *view, unsigned char *at, bool there)
{
	struct vas_view_info info = { .size = sizeof(info) };
	struct vas_view *more = NULL;

	if (vas_view_open(arena, NULL, &more) != (there ? -EPERM : -ESTALE))
		return 1;
	if (vas_view_protect(view, PROT_READ) != (there ? -EPERM : -ESTALE))
		return 2;
	if (vas_view_get(view, &info) != (there ? 0 : -ESTALE))
		return 3;
	if (there && at[0]++ != 1)
		return 4;
	if (vas_sync_check(NULL))
		return 5;
	if (vas_view_close(view, NULL) != (there ? 0 : -ESTALE))
		return 6;
	return vas_arena_destroy(arena, NULL) == (there ? 0 : -ESTALE) && !vas_sync_check(NULL) ? 0 : 7;
}

static void test_fork(void *unused)
{
	(void)unused;
	arena_baseline();
	for (unsigned int i = 0; i < sizeof(forks) / sizeof(forks[0]); i++) {
		struct vas_arena *arena = NULL;
		struct vas_view *view = NULL;
		unsigned char *at;
		int status = 0;
		pid_t child;

		VAS_OPTS(vas_reserve_opts, reserve);
		VAS_OPTS(vas_arena_opts, opts);
		VAS_OPTS(vas_view_opts, view_opts);
		reserve.fork = forks[i].arena;
		opts.reserve = view_opts.reserve = &reserve;
		opts.initial = MIB;
		if (vas_arena_create(16 * MIB, &opts, &arena))
			tap_bail("no arena");
		reserve.fork = forks[i].view;
		is_err(vas_view_open(arena, &view_opts, &view), forks[i].made, "row %u", i);
		if (!forks[i].made) {
			at = view_start(view);
			at[0] = 1;
			child = fork();
			if (child == 0)
				_exit(child_of(arena, view, at, forks[i].there));
			ok(child > 0 && waitpid(child, &status, 0) == child && status == 0,
			   "row %u: the child has what it should (%d)", i, WEXITSTATUS(status));
			is_u64(at[0], forks[i].there ? 2 : 1, "row %u: what the parent sees", i);
			is_err(vas_arena_grow(arena, 2 * MIB, 0, NULL), 0, "row %u: it grows", i);
			ok(touch(at + 2 * MIB - 1, true) == 0, "row %u: in the view", i);
		}
		is_err(vas_arena_destroy(arena, NULL), 0, "row %u: destroyed", i);
	}
}

static struct {
	struct vas_arena *arena;
	uint64_t vetoes;
	unsigned int done; /* (atomic) */
	unsigned int wrong; /* (atomic) */
} crowd;

/* Opens, writes through one and reads through the other, closes. */
static void *come_and_go(void *context)
{
	uint64_t mine = (uint64_t)(uintptr_t)context * page;

	while (!__atomic_load_n(&crowd.done, __ATOMIC_ACQUIRE)) {
		unsigned char *first = view_start(vas_view_first(crowd.arena));
		struct vas_view *view = NULL;

		VAS_OPTS(vas_view_opts, opts);
		opts.offset = mine;
		if (vas_view_open(crowd.arena, &opts, &view)) {
			__atomic_fetch_add(&crowd.wrong, 1, __ATOMIC_RELAXED);
			break;
		}
		first[mine]++;
		if (view_start(view)[0] != first[mine] || vas_view_protect(view, PROT_READ) ||
		    vas_view_close(view, NULL))
			__atomic_fetch_add(&crowd.wrong, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static int listen(void *context, const struct vas_notice *notice)
{
	(void)context;
	return notice->change == VAS_CHANGE_GROW && ++crowd.vetoes % 64 == 0 ? -1 : 0;
}

static void test_crowd(void *unused)
{
	pthread_t threads[3];
	uint64_t id, grown = 0;

	(void)unused;
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_HEAP);
	memset(&crowd, 0, sizeof(crowd));
	crowd.arena = make(64 * MIB, 8 * page);
	if (vas_notice_subscribe(NULL, listen, NULL, &id))
		tap_bail("no notices");
	for (uintptr_t i = 0; i < 3; i++)
		if (pthread_create(&threads[i], NULL, come_and_go, (void *)(i + 1)))
			tap_bail("no thread");
	for (unsigned int i = 0; i < 300; i++) {
		int err = vas_arena_grow(crowd.arena, (9 + i % 7) * page, 0, NULL);

		grown += err == 0;
		if ((err && err != -EBUSY) || (!err && vas_arena_shrink(crowd.arena, 8 * page)))
			__atomic_fetch_add(&crowd.wrong, 1, __ATOMIC_RELAXED);
		if (i % 50 == 0) {
			int status = 1;
			pid_t child = fork();

			if (child == 0)
				_exit(vas_arena_destroy(crowd.arena, NULL) ? 1 : 0);
			if (child < 0 || waitpid(child, &status, 0) != child || status)
				__atomic_fetch_add(&crowd.wrong, 1, __ATOMIC_RELAXED);
		}
	}
	__atomic_store_n(&crowd.done, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	is_u64(crowd.wrong, 0, "opened, protected and closed by three threads while it grows, shrinks and forks");
	ok(grown > 100, "it grew, but for vetoes");
	is_err(vas_notice_cancel(id), 0, "no more notices");
	is_err(vas_sync_check(NULL), 0, "the books and the maps agree");
	is_err(vas_arena_destroy(crowd.arena, NULL), 0, "destroyed");
}

int main(void)
{
	tap_plan(0);
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_case("the same bytes, in step", test_coherent, NULL, 20);
	tap_case("names and places", test_place, NULL, 20);
	tap_case("protections", test_protect, NULL, 20);
	tap_case("tails", test_tails, NULL, 20);
	tap_case("on huge pages of the pool", test_pool, NULL, 50);
	tap_case("refusals", test_refused, NULL, 20);
	tap_case("notices", test_notices, NULL, 20);
	tap_case("a view that is closed meanwhile", test_closed_meanwhile, NULL, 20);
	tap_case("forked children", test_fork, NULL, 20);
	tap_case("views that come and go", test_crowd, NULL, 60);
	return tap_done();
}
