/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/*
 * Notices of change: who is told what and when, vetoes, what hooks may do, and
 * the generation.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "space/space.h"
#include "tap/tap.h"

static uint64_t page;

/* What hooks were told, as one character each: the subscriber's letter in the case of its phase. */
static char told[64];
static size_t told_count;

struct listener {
	char letter; /* upper case */
	int answer; /* in BEFORE */
	struct vas_notice last;
	unsigned int calls;
	int (*act)(struct listener *listener, const struct vas_notice *notice); /* may be NULL */
	void *act_on;
	int acted;
};

/* B for BEFORE, A for AFTER, C for CANCELLED behind the letter. */
static int listen(void *context, const struct vas_notice *notice)
{
	struct listener *listener = context;

	listener->calls++;
	listener->last = *notice;
	if (told_count + 2 < sizeof(told)) {
		told[told_count++] = listener->letter;
		told[told_count++] = "BAC"[notice->phase];
	}
	if (listener->act)
		listener->acted = listener->act(listener, notice);
	return notice->phase == VAS_NOTICE_BEFORE ? listener->answer : -EIO;
}

static const char *told_so_far(void)
{
	static char copy[sizeof(told)];

	memcpy(copy, told, told_count);
	copy[told_count] = 0;
	told_count = 0;
	return copy;
}

static struct vas_span reserve(uint64_t pages)
{
	struct vas_span span;

	if (vas_reserve(pages * page, NULL, &span))
		tap_bail("no span");
	return span;
}

static int commit_pages(struct vas_span span, uint64_t first, uint64_t pages)
{
	return vas_commit((void *)(uintptr_t)(span.start + first * page), pages * page, NULL);
}

static uint64_t subscribe(const struct vas_span *span, struct listener *listener)
{
	uint64_t id = 0;

	is_err(vas_notice_subscribe(span, listen, listener, &id), 0, "%c subscribes",
	       listener->letter);
	return id;
}

static uint64_t generation_of(struct vas_span span)
{
	uint64_t generation = UINT64_MAX;

	vas_generation_at(vas_span_pointer(span), &generation);
	return generation;
}

static void test_order(void)
{
	struct listener a = { .letter = 'A' }, b = { .letter = 'B' }, c = { .letter = 'C' };
	struct vas_span span = reserve(8), other = reserve(8);
	struct vas_span part = { span.start + 2 * page, page };
	uint64_t ids[3] = { subscribe(&span, &a), subscribe(NULL, &b), subscribe(&part, &c) };
	struct vas_owner owner;

	vas_owner_at(vas_span_pointer(span), &owner);
	is_err(commit_pages(span, 0, 1), 0, "a commit in a part that C does not watch");
	is_str(told_so_far(), "ABBBAABA", "A and B are told before and after, in order");
	is_err(commit_pages(span, 0, 4), 0, "a commit over the part that it does watch");
	is_str(told_so_far(), "ABBBCBAABACA", "all three are told");
	ok(c.last.size == sizeof(c.last) && c.last.span.start == span.start &&
		   c.last.span.size == 4 * page && c.last.owner == owner.id &&
		   c.last.change == VAS_CHANGE_COMMIT && c.last.phase == VAS_NOTICE_AFTER &&
		   c.last.final == 0,
	   "with the part that changes, its owner and what it is");
	is_u64(c.last.generation, 2, "and the second generation");
	is_u64(generation_of(span), 2, "which is the owner's now");
	is_err(commit_pages(other, 0, 1), 0, "a commit elsewhere");
	is_str(told_so_far(), "BBBA", "is told to B only");
	is_err(vas_notice_cancel(ids[1]), 0, "B cancels");
	is_err(vas_notice_cancel(ids[1]), ENOENT, "and cannot twice");
	is_err(vas_release(vas_span_pointer(other), NULL), 0, "a release elsewhere");
	is_str(told_so_far(), "", "is told to nobody");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "a release");
	is_str(told_so_far(), "ABCBAACA", "is told to A and C");
	ok(c.last.change == VAS_CHANGE_RELEASE && c.last.final == 1 && c.last.owner == owner.id &&
		   c.last.generation == 3,
	   "as final, of the same owner");
	is_err(vas_notice_cancel(ids[0]), 0, "A cancels");
	is_err(vas_notice_cancel(ids[2]), 0, "C cancels");
}

static void test_veto(void)
{
	struct listener a = { .letter = 'A' }, b = { .letter = 'B', .answer = -EPERM };
	struct listener c = { .letter = 'C' };
	struct vas_report report = { .size = sizeof(report) };
	struct vas_span span = reserve(8);
	uint64_t ids[3] = { subscribe(NULL, &a), subscribe(&span, &b), subscribe(NULL, &c) };
	enum vas_retired state = VAS_RETIRED_HELD;

	is_err(commit_pages(span, 0, 1), EBUSY, "a commit that B refuses");
	is_str(told_so_far(), "ABBBAC", "A is told that it will not be, B and C are not");
	vas_report_get(&report);
	is_i64(report.why, VAS_WHY_VETO, "the report names the veto");
	is_u64(generation_of(span), 0, "nothing has changed");
	is_u64(a.last.generation, 0, "and A was told so");
	b.answer = 1;
	is_err(commit_pages(span, 0, 1), 0, "a positive answer is no veto");
	is_str(told_so_far(), "ABBBCBAABACA", "nor are answers in AFTER");
	b.answer = -EPERM;
	is_err(vas_release(vas_span_pointer(span), &state), 0, "a release cannot be refused");
	is_i64(state, VAS_RETIRED_GONE, "and is done");
	is_str(told_so_far(), "ABBBCBAABACA", "all were told");
	for (int i = 0; i < 3; i++)
		is_err(vas_notice_cancel(ids[i]), 0, "cancelled");
}

/* A change that fails when nobody has refused it. */
static void test_failed(void)
{
	struct listener a = { .letter = 'A' };
	struct vas_span span = reserve(8);
	uint64_t id = subscribe(&span, &a);

	VAS_OPTS(vas_commit_opts, opts);
	opts.prot = PROT_READ;
	is_err(vas_commit((void *)(uintptr_t)span.start, 9 * page, &opts), ENOENT,
	       "a commit beyond the span");
	is_str(told_so_far(), "", "is told to nobody");
	is_err(vas_notice_cancel(id), 0, "cancelled");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
}

static int act_commit(struct listener *listener, const struct vas_notice *notice)
{
	struct vas_span *span = listener->act_on;

	return notice->phase == VAS_NOTICE_BEFORE ? commit_pages(*span, 4, 1) : listener->acted;
}

static int act_release(struct listener *listener, const struct vas_notice *notice)
{
	struct vas_span *span = listener->act_on;

	(void)notice;
	return vas_release(vas_span_pointer(*span), NULL);
}

static int act_cancel(struct listener *listener, const struct vas_notice *notice)
{
	(void)notice;
	return vas_notice_cancel(*(uint64_t *)listener->act_on);
}

static struct listener late = { .letter = 'L' };
static uint64_t late_id;

static int act_subscribe(struct listener *listener, const struct vas_notice *notice)
{
	(void)listener;
	return notice->phase == VAS_NOTICE_BEFORE ?
		       vas_notice_subscribe(NULL, listen, &late, &late_id) :
		       0;
}

static int act_fork(struct listener *listener, const struct vas_notice *notice)
{
	pid_t child;
	int status;

	(void)listener;
	(void)notice;
	child = fork();
	if (child == 0)
		_exit(vas_sync_check(NULL) ? 1 : 0);
	return child < 0 || waitpid(child, &status, 0) != child || status;
}

static void test_inside(void)
{
	struct vas_span span = reserve(8), other = reserve(8);
	struct vas_report report = { .size = sizeof(report) };
	struct listener a = { .letter = 'A', .act = act_commit, .act_on = &span };
	uint64_t id = subscribe(&span, &a);

	is_err(commit_pages(span, 0, 1), 0, "a commit");
	is_err(a.acted, EDEADLK, "in whose notice the same span cannot be committed");
	is_str(told_so_far(), "ABAA", "which nobody is told of");
	vas_report_get(&report);
	is_i64(report.why, VAS_WHY_REENTERED, "the report says why");
	a.act = act_release;
	is_err(commit_pages(span, 1, 1), 0, "a commit");
	is_err(a.acted, EDEADLK, "in whose notice the same span cannot be released");
	a.act = act_commit;
	a.act_on = &other;
	is_err(commit_pages(span, 2, 1), 0, "a commit");
	is_err(a.acted, 0, "in whose notice another span is committed");
	a.act = act_cancel;
	a.act_on = &id;
	is_err(commit_pages(span, 3, 1), 0, "a commit");
	is_err(a.acted, EDEADLK, "in whose notice no subscription is cancelled");
	told_so_far();
	a.act = act_subscribe;
	is_err(commit_pages(span, 4, 1), 0, "a commit");
	is_str(told_so_far(), "ABAA", "in whose notice somebody subscribes, who is not told of its end");
	a.act = NULL;
	is_err(commit_pages(span, 5, 1), 0, "the next commit");
	is_str(told_so_far(), "ABLBAALA", "is told to both");
	a.act = act_fork;
	is_err(commit_pages(span, 6, 1), 0, "a commit");
	is_i64(a.acted, 0, "in whose notice the process forks, and the child's books are right");
	a.act = NULL;
	is_err(vas_notice_cancel(id), 0, "cancelled");
	is_err(vas_notice_cancel(late_id), 0, "cancelled");
	is_err(vas_sync_check(NULL), 0, "the books are right");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
	is_err(vas_release(vas_span_pointer(other), NULL), 0, "released");
	told_so_far();
}

static void test_generation(void)
{
	struct vas_span span = reserve(8);
	uint64_t generation = 17;

	is_u64(generation_of(span), 0, "a fresh span");
	is_err(commit_pages(span, 0, 1), 0, "a commit");
	is_u64(generation_of(span), 1, "is counted, although nobody is told");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
	is_err(vas_generation_at(vas_span_pointer(span), &generation), ENOENT, "nobody's address");
	is_u64(generation, 17, "leaves the output");
	span = reserve(8);
	is_u64(generation_of(span), 0, "the next owner begins anew");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
}

static const struct vas_holding_user_ops user_ops = { 0 };

static void test_use(void)
{
	struct vas_holding_user user = { .ops = &user_ops }, second = { .ops = &user_ops };
	struct vas_report report = { .size = sizeof(report) };
	struct vas_span span = reserve(8);
	struct vas_space *space;
	enum vas_retired state;
	uint64_t size;

	vas_space_default(&space);
	is_err(commit_pages(span, 0, 1), 0, "something is committed");
	is_err(vas_space_use_at(space, span.start, &user), EBUSY, "so the span cannot be used");
	is_err(vas_release(vas_span_pointer(span), NULL), 0, "released");
	is_err(vas_space_use_at(space, span.start, &user), ENOENT, "nothing to use");
	span = reserve(8);
	is_err(vas_space_use_at(space, span.start + page, &user), ENOENT, "not where a span starts");
	is_err(vas_space_use_at(space, span.start, &user), 0, "the span is used");
	is_err(vas_space_use_at(space, span.start, &second), EBUSY, "not by two");
	is_err(commit_pages(span, 0, 1), EBUSY, "nobody else may commit in it");
	vas_report_get(&report);
	is_i64(report.why, VAS_WHY_USED, "as the report says");
	is_err(vas_release(vas_span_pointer(span), NULL), EBUSY, "nor release it");
	vas_report_get(&report);
	is_i64(report.why, VAS_WHY_USED, "as the report says");
	vas_space_unuse(space, &user);
	ok(!user.holding && !space->users, "the use has ended");
	is_err(vas_space_use_at(space, span.start, &second), 0, "now the second may");
	is_err(vas_space_release(space, span.start, &user, &state, &size), EBUSY,
	       "only he who uses it releases it");
	is_err(vas_space_release(space, span.start, &second, &state, &size), 0, "he does");
	ok(!second.holding && !space->users, "which ends the use");
}

int main(void)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	is_err(vas_notice_cancel(1), ENOENT, "nothing to cancel before the first call");
	test_order();
	test_veto();
	test_failed();
	test_inside();
	test_generation();
	test_use();
	is_err(vas_sync_check(NULL), 0, "the books are right");
	return tap_done();
}
