/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: threaded */
/*
 * Adoption: which ranges may become owned spans, what they are then, and that
 * disowning leaves what is mapped.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "space/space.h"
#include "support/crew.h"
#include "support/window.h"
#include "tap/tap.h"

#define PAGES 16u

static uint64_t page;

static void *at(void *start, uint64_t pages)
{
	return (char *)start + pages * page;
}

/* PAGES pages with pages of nobody's around. */
static void *map_pages(int prot)
{
	char *got = mmap(NULL, (PAGES + 2) * page, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (got == MAP_FAILED)
		tap_bail("nothing mapped");
	munmap(got, page);
	munmap(got + (PAGES + 1) * page, page);
	return got + page;
}

static void refused(void *start, const struct vas_adopt_opts *opts, int error, enum vas_why why,
		    uint64_t pages, const char *what)
{
	struct vas_report report = { .size = sizeof(report) };
	struct vas_owner owner;

	is_err(vas_adopt(start, PAGES * page, opts), error, "%s", what);
	vas_report_get(&report);
	ok(report.operation == VAS_OPERATION_ADOPT && report.why == why, "with its reason: %s",
	   vas_why_name(report.why));
	is_u64(report.address, (uintptr_t)at(start, pages), "and its address");
	is_err(vas_owner_at(start, &owner), ENOENT, "nothing is owned");
}

static void test_reserved(void *unused)
{
	struct vas_owner_details details = { .size = sizeof(details) };
	char *start = map_pages(PROT_READ | PROT_WRITE), ends[2];
	struct vas_owner owner;
	enum vas_retired state;

	(void)unused;
	VAS_OPTS(vas_adopt_opts, opts);
	opts.name = "adopted";
	opts.flags = VAS_ADOPT_NODUMP;
	opts.fork = VAS_FORK_ABSENT;
	/* Several kernel mappings, with something hidden in them. */
	memset(start, 0x5a, PAGES * page);
	madvise(at(start, 3), page, MADV_DONTFORK);
	mprotect(start, PAGES * page, PROT_NONE);
	is_err(vas_adopt(start, PAGES * page, &opts), 0, "a range without access is adopted");
	is_err(vas_adopt(start, PAGES * page, &opts), EEXIST, "not twice");
	is_err(vas_owner_at(start + PAGES * page - 1, &owner), 0, "it is owned");
	ok(owner.span.start == (uintptr_t)start && owner.span.size == PAGES * page, "all of it");
	is_err(vas_owner_details(owner.id, &details), 0, "there are details");
	is_str(details.name, "adopted", "with its name");
	ok(details.committed == 0 && details.vmas == 1, "nothing is committed");
	is_err(vas_sync_check(NULL), 0, "the books are right");
	is_err(vas_commit(start, 4 * page, NULL), 0, "pages are committed");
	ends[0] = start[0];
	ends[1] = start[4 * page - 1];
	ok(ends[0] == 0 && ends[1] == 0, "and read as zeroes");
	memset(start, 1, 4 * page);
	is_err(vas_sync_check(NULL), 0, "the books are right");
	is_err(vas_release(start, &state), 0, "released");
	ok(state == VAS_RETIRED_GONE && !page_is_mapped((uintptr_t)start, page) &&
		   !page_is_mapped((uintptr_t)at(start, PAGES - 1), page),
	   "and unmapped");
}

static void test_committed(void *unused)
{
	struct vas_owner_details details = { .size = sizeof(details) };
	struct vas_stats before = { .size = sizeof(before) }, after = { .size = sizeof(after) };
	char *start = map_pages(PROT_READ | PROT_WRITE);
	struct vas_owner owner;

	(void)unused;
	VAS_OPTS(vas_adopt_opts, opts);
	opts.flags = VAS_ADOPT_COMMITTED | VAS_ADOPT_NODUMP;
	memset(start, 0x5a, PAGES * page);
	vas_stats_get(&before);
	is_err(vas_adopt(start, PAGES * page, &opts), 0, "an accessible range is adopted");
	vas_owner_at(start, &owner);
	is_err(vas_owner_details(owner.id, &details), 0, "there are details");
	ok(details.committed == PAGES * page && details.vmas == 1, "all of it is committed");
	ok(start[0] == 0x5a && start[PAGES * page - 1] == 0x5a, "the contents are there");
	is_err(vas_commit(start, PAGES * page, NULL), 0, "committing it changes nothing");
	ok(start[0] == 0x5a, "the contents are there");
	vas_stats_get(&after);
	is_u64(after.committed - before.committed, PAGES * page, "the sums know it");
	is_err(vas_sync_check(NULL), 0, "the books are right");
	is_err(vas_disown(start), 0, "disowned");
	is_err(vas_owner_at(start, &owner), ENOENT, "nobody owns it");
	is_err(vas_disown(start), ENOENT, "not twice");
	is_err(vas_release(start, NULL), ENOENT, "nor released");
	vas_stats_get(&after);
	ok(after.committed == before.committed && after.reserved == before.reserved &&
		   after.spans == before.spans && after.vmas == before.vmas,
	   "the sums are as before");
	ok(start[0] == 0x5a && start[PAGES * page - 1] == 0x5a, "what is mapped stays");
	mprotect(start, PAGES * page, PROT_READ);
	is_err(vas_adopt(start, PAGES * page, &opts), 0, "adopted again, read-only");
	is_err(vas_sync_check(NULL), 0, "the books are right");
	is_err(vas_release(start, NULL), 0, "released");
	ok(!page_is_mapped((uintptr_t)start, page), "and unmapped");
}

static void test_refused(void *unused)
{
	char *start = map_pages(PROT_NONE);
	struct vas_span owned;
	void *got;
	int fd;

	(void)unused;
	VAS_OPTS(vas_adopt_opts, committed);
	VAS_OPTS(vas_reserve_opts, exact);
	committed.flags = VAS_ADOPT_COMMITTED;
	refused(start, &committed, EINVAL, VAS_WHY_UNLIKE, 0, "COMMITTED without access");
	mprotect(at(start, 5), page, PROT_READ);
	refused(start, NULL, EINVAL, VAS_WHY_UNLIKE, 5, "a page that can be read");
	mprotect(start, PAGES * page, PROT_READ);
	refused(start, NULL, EINVAL, VAS_WHY_UNLIKE, 0, "a range that can be read");
	mprotect(at(start, PAGES - 1), page, PROT_READ | PROT_WRITE);
	refused(start, &committed, EINVAL, VAS_WHY_UNLIKE, PAGES - 1, "two protections");
	mprotect(start, PAGES * page, PROT_NONE);
	munmap(at(start, 7), page);
	refused(start, NULL, EINVAL, VAS_WHY_NOT_MAPPED, 7, "a hole");
	munmap(at(start, PAGES - 1), page);
	munmap(start, page);
	refused(start, NULL, EINVAL, VAS_WHY_NOT_MAPPED, 0, "a hole at the start");
	got = mmap(start, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	got = mmap(at(start, 7), page, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	refused(start, NULL, EEXIST, VAS_WHY_TAKEN, 7, "shared memory");
	fd = memfd_create("t_adopt", MFD_CLOEXEC);
	ok(ftruncate(fd, (off_t)page) == 0, "a file");
	got = mmap(at(start, 7), page, PROT_NONE, MAP_PRIVATE | MAP_FIXED, fd, 0);
	refused(start, NULL, EEXIST, VAS_WHY_TAKEN, 7, "a file");
	close(fd);
	got = mmap(at(start, 7), page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ok(got == at(start, 7), "a page without access");
	refused(start, NULL, EINVAL, VAS_WHY_NOT_MAPPED, PAGES - 1, "a hole at the end");
	exact.place = VAS_PLACE_EXACT;
	exact.address = (uintptr_t)at(start, PAGES - 1);
	is_err(vas_reserve(page, &exact, &owned), 0, "an owned span in its place");
	refused(start, NULL, EEXIST, VAS_WHY_TAKEN, PAGES - 1, "an owned span");
	is_err(vas_sync_check(NULL), 0, "the books are right");
	is_err(vas_release(vas_span_pointer(owned), NULL), 0, "released");
	munmap(start, PAGES * page);
}

/* The middle of a mapping: what is around stays. */
static void test_middle(void *unused)
{
	char *start = map_pages(PROT_READ | PROT_WRITE);

	(void)unused;
	memset(start, 0x77, PAGES * page);
	VAS_OPTS(vas_adopt_opts, opts);
	opts.flags = VAS_ADOPT_COMMITTED;
	opts.fork = VAS_FORK_ABSENT;
	is_err(vas_adopt(at(start, 4), 4 * page, &opts), 0, "the middle is adopted");
	is_err(vas_release(at(start, 4), NULL), 0, "and released");
	ok(start[4 * page - 1] == 0x77 && start[8 * page] == 0x77 &&
		   !page_is_mapped((uintptr_t)at(start, 4), page) &&
		   !page_is_mapped((uintptr_t)at(start, 7), page),
	   "what is around it stays");
	munmap(start, PAGES * page);
}

static int in_child(void *start)
{
	struct vas_owner owner;
	pid_t child = fork();
	int status = -1;

	if (child == 0)
		_exit(page_is_mapped((uintptr_t)start, page) || vas_owner_at(start, &owner) == 0);
	waitpid(child, &status, 0);
	return status;
}

static int byte_in_child(const char *byte)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0)
		_exit(*byte);
	waitpid(child, &status, 0);
	return status;
}

static void test_recipe(void *unused)
{
	char *start = map_pages(PROT_NONE);

	(void)unused;
	VAS_OPTS(vas_adopt_opts, opts);
	opts.fork = VAS_FORK_ABSENT;
	is_err(vas_adopt(start, PAGES * page, &opts), 0, "adopted without inheritance");
	is_i64(in_child(start), 0, "a child does not have it");
	is_err(vas_release(start, NULL), 0, "released");
	start = map_pages(PROT_READ);
	opts.flags |= VAS_ADOPT_COMMITTED;
	is_err(vas_adopt(start, PAGES * page, &opts), 0, "the same, committed");
	is_i64(in_child(start), 0, "a child does not have it");
	is_err(vas_release(start, NULL), 0, "released");
	start = map_pages(PROT_READ);
	opts.fork = VAS_FORK_SHARE;
	is_err(vas_adopt(start, PAGES * page, &opts), EOPNOTSUPP, "private memory cannot be shared");
	opts.fork = VAS_FORK_WIPE;
	mprotect(start, PAGES * page, PROT_READ | PROT_WRITE);
	start[page] = 7;
	is_err(vas_adopt(start, PAGES * page, &opts), 0, "it can be wiped");
	is_i64(byte_in_child(start + page), 0, "a child finds zeroes");
	is_err(vas_release(start, NULL), 0, "released");
}

struct log {
	unsigned int before, after, cancelled;
	int disown;
	void *start;
};

static int note(void *context, const struct vas_notice *notice)
{
	struct log *log = context;

	log->before += notice->phase == VAS_NOTICE_BEFORE && notice->final &&
		       notice->change == VAS_CHANGE_RELEASE;
	log->after += notice->phase == VAS_NOTICE_AFTER;
	log->cancelled += notice->phase == VAS_NOTICE_CANCELLED;
	log->disown = vas_disown(log->start);
	return -EPERM;
}

static const struct vas_holding_user_ops user_ops = { 0 };

static void test_disown(void *unused)
{
	struct vas_holding_user user = { .ops = &user_ops };
	struct log log = { 0 };
	struct vas_space *space;
	struct vas_span span;
	uint64_t id;

	(void)unused;
	is_err(vas_reserve(PAGES * page, NULL, &span), 0, "a reserved span");
	vas_space_default(&space);
	vas_space_use_at(space, span.start, &user);
	is_err(vas_disown(vas_span_pointer(span)), EBUSY, "is not disowned while it is used");
	vas_space_unuse(space, &user);
	is_err(vas_commit(vas_span_pointer(span), page, NULL), 0, "something is committed");
	*(char *)vas_span_pointer(span) = 3;
	log.start = vas_span_pointer(span);
	vas_notice_subscribe(&span, note, &log, &id);
	is_err(vas_disown(vas_span_pointer(span)), 0, "disowned");
	is_err(log.disown, ENOENT, "in the last notice it was no more");
	ok(log.before == 1 && log.after == 1 && log.cancelled == 0, "which was told as final");
	vas_notice_cancel(id);
	ok(*(char *)vas_span_pointer(span) == 3, "what is mapped stays");
	is_err(vas_sync_check(NULL), 0, "the books are right");
	munmap(vas_span_pointer(span), span.size);
}

/* Several threads want the same range: one gets it. */
#define ROUNDS 40u
static struct {
	void *start;
	unsigned int won; /* atomic */
} race;

static void race_adopt(void *argument, unsigned int number)
{
	(void)argument;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		int err;

		if (number == 0)
			race.start = map_pages(PROT_NONE);
		crew_meet();
		/* Overlapping, not the same. */
		err = vas_adopt(at(race.start, number), (PAGES - number) * page, NULL);
		if (err == 0)
			__atomic_fetch_add(&race.won, 1, __ATOMIC_RELAXED);
		else if (err != -EEXIST)
			crew_fault("adoption answers %d", err);
		crew_meet();
		if (err == 0 && vas_disown(at(race.start, number)))
			crew_fault("it cannot be disowned");
		crew_meet();
		if (number == 0)
			munmap(race.start, PAGES * page);
	}
}

static void test_race(void)
{
	crew_run(3, race_adopt, NULL);
	is_u64(crew_faults(), 0, "adoptions at the same time");
	is_u64(race.won, ROUNDS, "one wins each time");
	is_err(vas_sync_check(NULL), 0, "the books are right");
}

int main(void)
{
	struct vas_span span;

	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	/* What is made once. */
	if (vas_reserve(page, NULL, &span) || vas_release(vas_span_pointer(span), NULL))
		tap_bail("no span");
	tap_case("reserved spans", test_reserved, NULL, 10);
	tap_case("committed spans", test_committed, NULL, 10);
	tap_case("refusals", test_refused, NULL, 10);
	tap_case("the middle of a mapping", test_middle, NULL, 10);
	tap_case("the recipe", test_recipe, NULL, 10);
	tap_case("disowning", test_disown, NULL, 10);
	test_race();
	return tap_done();
}
