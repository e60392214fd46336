/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 5 */
/*
 * No public call but those of topology allocates: malloc and its kin, defined
 * here in the executable, end the program while a call of the library is under
 * way. Reading a mapping's name, a report, a failure: every way through is gone.
 *
 * Not under AddressSanitizer, whose runtime is the allocator itself there.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "fault/no_malloc.h"
#include "tap/tap.h"

static uint64_t page;
static unsigned long lines;

static void on_log(void *context, enum vas_log_level level, const char *line)
{
	(void)context;
	(void)level;
	lines += strlen(line) > 0;
}

static void spans(void)
{
	static const struct {
		enum vas_place place;
		uint32_t flags;
	} ways[] = {
		{ VAS_PLACE_ANY, 0 },
		{ VAS_PLACE_LOW, 0 },
		{ VAS_PLACE_HIGH, 0 },
		{ VAS_PLACE_LOW, VAS_RESERVE_STRICT },
		{ VAS_PLACE_HIGH, VAS_RESERVE_STRICT | VAS_RESERVE_NODUMP },
		{ VAS_PLACE_SCATTER, VAS_RESERVE_NOFORK },
		{ VAS_PLACE_NEAR, 0 },
	};
	struct vas_span span, list[40];
	enum vas_retired state;
	bool good = true;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		VAS_OPTS(vas_reserve_opts, opts);
		opts.place = ways[i].place;
		opts.flags = ways[i].flags;
		opts.min = 1ull << 34;
		opts.name = "no malloc";
		if (ways[i].place == VAS_PLACE_NEAR) {
			opts.min = 0;
			opts.address = (uint64_t)(uintptr_t)&spans;
			opts.reach = 1ull << 31;
		}
		good &= CALL(vas_reserve(64 * page, &opts, &span)) == 0;
		good &= CALL(vas_commit(vas_span_pointer(span), 2 * page, NULL)) == 0;
		good &= CALL(vas_commit((char *)vas_span_pointer(span) + 4 * page, page, NULL)) == 0;
		good &= CALL(vas_commit(vas_span_pointer(span), 64 * page, NULL)) == 0;
		good &= CALL(vas_release(vas_span_pointer(span), &state)) == 0;
	}
	for (size_t i = 0; i < 40; i++)
		good &= CALL(vas_reserve(page << (i % 7), NULL, &list[i])) == 0;
	for (size_t i = 0; i < 40; i++)
		good &= CALL(vas_release(vas_span_pointer(list[i]), NULL)) == 0;
	ok(good, "reserve, commit and release in every way");
}

static void refusals(void)
{
	struct vas_report report = { .size = sizeof(report) };
	struct vas_limits limits = { .size = sizeof(limits), .min = 1ull << 40, .max = 1ull << 39 };
	const struct vas_limits *list[] = { &limits };
	struct vas_span span;
	char text[512];

	VAS_OPTS(vas_reserve_opts, opts);
	opts.limits = list;
	opts.limit_count = 1;
	CALL_VOID(vas_log_set(on_log, NULL, VAS_LOG_DEBUG));
	is_err(CALL(vas_reserve(page, &opts, &span)), ERANGE, "limits that exclude each other");
	is_err(CALL(vas_commit(arena + 1, page, NULL)), EINVAL, "a commit of what cannot be");
	is_err(CALL(vas_release(&span, NULL)), ENOENT, "a release of what is not owned");
	opts.limit_count = 0;
	opts.place = VAS_PLACE_EXACT;
	opts.address = (uint64_t)(uintptr_t)arena & ~(page - 1);
	is_err(CALL(vas_reserve(page, &opts, &span)), EEXIST, "what is taken");
	is_err(CALL(vas_report_get(&report)), 0, "vas_report_get");
	is_err(CALL(vas_report_explain(&report)), 0, "vas_report_explain");
	ok(CALL(vas_report_format(text, sizeof(text))) > 0, "vas_report_format");
	ok(lines > 0, "the log hook was called");
	CALL_VOID(vas_log_set(NULL, NULL, VAS_LOG_ERROR));
}

static void layouts(void)
{
	struct vas_layout_opts opts = { .size = sizeof(opts), .buffer_size = 4096 };
	struct vas_layout *layout;
	struct vas_mapping mapping;
	struct vas_span span;
	struct vas_gap gap;
	int count = 0;

	for (int pid = 0; pid < 2; pid++) {
		opts.pid = pid ? getpid() : 0;
		is_err(CALL(vas_layout_open(&opts, &layout)), 0, "vas_layout_open");
		while (CALL(vas_layout_next(layout, &mapping)) == 1)
			count++;
		is_err(CALL(vas_layout_rewind(layout)), 0, "vas_layout_rewind");
		while (CALL(vas_layout_next_gap(layout, &gap)) == 1)
			count++;
		is_err(CALL(vas_layout_at(layout, (uint64_t)(uintptr_t)arena, &mapping)), 0,
		       "vas_layout_at");
		is_err(CALL(vas_layout_find(layout, page, NULL, &span)), 0, "vas_layout_find");
		CALL_VOID(vas_layout_close(layout));
	}
	ok(count > 20, "mappings and gaps were read");
	opts.pid = INT32_MAX;
	is_err(CALL(vas_layout_open(&opts, &layout)), ESRCH, "no such process");
}

static void questions(void)
{
	struct vas_window window = { .size = sizeof(window) };
	struct vas_stats stats = { .size = sizeof(stats) };
	struct vas_ledger_entry entry = { .size = sizeof(entry) };
	struct vas_probe_info info = { .size = sizeof(info) };
	struct vas_setting setting = { .size = sizeof(setting) };
	struct vas_owner_details details = { .size = sizeof(details) };
	struct vas_limits combined;
	struct vas_owner owner;
	struct vas_span span;
	size_t i;

	is_err(CALL(vas_window_get(&window)), 0, "vas_window_get");
	CALL_VOID(vas_probe_reset());
	for (i = 0; CALL(vas_probe_get(i, &info)) == 0; i++)
		;
	ok(i > 4, "vas_probe_get");
	for (i = 0; CALL(vas_setting_get(i, &setting)) == 0; i++)
		;
	ok(i > 4, "vas_setting_get");
	is_err(CALL(vas_stats_get(&stats)), 0, "vas_stats_get");
	is_err(CALL(vas_ledger_get(0, &entry)), 0, "vas_ledger_get");
	is_err(CALL(vas_sync_check(NULL)), 0, "vas_sync_check");
	is_err(CALL(vas_limits_combine(NULL, 0, NULL, &combined)), 0, "vas_limits_combine");
	is_err(CALL(vas_reserve(page, NULL, &span)), 0, "vas_reserve");
	is_err(CALL(vas_limits_check(&combined, span)), 0, "vas_limits_check");
	is_err(CALL(vas_owner_at(vas_span_pointer(span), &owner)), 0, "vas_owner_at");
	is_err(CALL(vas_owner_details(owner.id, &details)), 0, "vas_owner_details");
	is_err(CALL(vas_release(vas_span_pointer(span), NULL)), 0, "vas_release");
	ok(CALL(vas_version()) == VAS_VERSION && CALL(vas_feature("reserve")) == 1 &&
		   CALL(vas_why_name(VAS_WHY_TAKEN)) != NULL && CALL(vas_topology_error()) != NULL,
	   "what cannot fail");
}

static int on_notice(void *context, const struct vas_notice *notice)
{
	*(unsigned long *)context += notice->size > 0;
	return 0;
}

static void notices(void)
{
	unsigned long told = 0;
	struct vas_span span;
	uint64_t id, one, generation;

	is_err(CALL(vas_reserve(16 * page, NULL, &span)), 0, "a span to watch");
	is_err(CALL(vas_notice_subscribe(NULL, on_notice, &told, &id)), 0, "vas_notice_subscribe");
	is_err(CALL(vas_notice_subscribe(&span, on_notice, &told, &one)), 0, "to one span");
	is_err(CALL(vas_commit(vas_span_pointer(span), page, NULL)), 0, "a change");
	is_err(CALL(vas_generation_at(vas_span_pointer(span), &generation)), 0,
	       "vas_generation_at");
	is_err(CALL(vas_release(vas_span_pointer(span), NULL)), 0, "and the last one");
	is_err(CALL(vas_notice_cancel(one)), 0, "vas_notice_cancel");
	is_err(CALL(vas_notice_cancel(id)), 0, "of both");
	ok(told >= 6, "the hooks were called %lu times", told);
}

static void memory_inside(void)
{
	enum vas_retired state;
	struct vas_span span;
	char *start;

	VAS_OPTS(vas_commit_opts, opts);
	is_err(CALL(vas_reserve(64 * page, NULL, &span)), 0, "a span");
	start = vas_span_pointer(span);
	opts.flags = VAS_COMMIT_SHARED | VAS_COMMIT_PUNCH;
	opts.fd = memfd_create("no_malloc", 0);
	is_err(ftruncate(opts.fd, (off_t)(8 * page)), 0, "an object");
	is_err(CALL(vas_commit(start, 8 * page, &opts)), 0, "vas_commit of an object");
	is_err(CALL(vas_commit(start + 8 * page, 40 * page, NULL)), 0, "and beside it");
	is_err(CALL(vas_protect(start + 4 * page, 8 * page, PROT_READ)), 0, "vas_protect");
	is_err(CALL(vas_guard(start + 20 * page, page)), 0, "vas_guard");
	is_err(CALL(vas_unguard(start + 20 * page, page)), 0, "vas_unguard");
	is_err(CALL(vas_decommit(start + 2 * page, 20 * page, &state)), 0, "vas_decommit");
	close(opts.fd);
	is_err(CALL(vas_release(start, NULL)), 0, "and the end of it");
}

static void adoption(void)
{
	void *own = mmap(NULL, 16 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	is_err(CALL(vas_adopt(own, 16 * page, NULL)), 0, "vas_adopt");
	is_err(CALL(vas_commit(own, page, NULL)), 0, "commit in it");
	is_err(CALL(vas_disown(own)), 0, "vas_disown");
	munmap(own, 16 * page);
}

/* Spans of every policy, on their way into a child. */
static void fork_spans(struct vas_span *spans, unsigned int count)
{
	static const enum vas_fork ways[] = { VAS_FORK_DEFAULT, VAS_FORK_ABSENT, VAS_FORK_WIPE,
					      VAS_FORK_TRAP };
	bool good = true;

	for (unsigned int i = 0; i < count; i++) {
		VAS_OPTS(vas_reserve_opts, opts);
		opts.fork = ways[i % 4];
		good &= CALL(vas_reserve(16 * page, &opts, &spans[i])) == 0 &&
			CALL(vas_commit(vas_span_pointer(spans[i]), page, NULL)) == 0;
	}
	ok(good, "spans of every policy");
}

/* announced: by fork's own handlers, or by the embedder's calls. */
static pid_t fork_once(bool announced)
{
	pid_t child;

	if (announced)
		return CALL(fork());
	CALL_VOID(vas_fork_prepare());
	child = _Fork();
	if (child == 0) {
		if (CALL(vas_fork_child()))
			_exit(2);
		return 0;
	}
	CALL_VOID(vas_fork_parent());
	return child;
}

static void forks(void)
{
	struct vas_span spans[8];
	int status = -1;

	fork_spans(spans, 8);
	for (int announced = 0; announced < 2; announced++) {
		pid_t child = fork_once(announced);

		if (child == 0) {
			int err = CALL(vas_commit(vas_span_pointer(spans[0]), 2 * page, NULL));

			_exit(err || CALL(vas_release(vas_span_pointer(spans[0]), NULL)));
		}
		ok(child > 0 && waitpid(child, &status, 0) == child && status == 0,
		   announced ? "fork" : "vas_fork_prepare, _Fork, vas_fork_child");
	}
	for (int i = 0; i < 8; i++)
		is_err(CALL(vas_release(vas_span_pointer(spans[i]), NULL)), 0, "one is released");
}

/* A child inherits the books; the handlers of fork run there. */
static void after_fork(void *arg)
{
	struct vas_span span;

	(void)arg;
	tap_ignore_leaks(TAP_LEAK_HEAP | TAP_LEAK_VMAS);
	is_err(CALL(vas_reserve(page, NULL, &span)), 0, "reserve in a child");
	is_err(CALL(vas_release(vas_span_pointer(span), NULL)), 0, "release in a child");
}

int main(void)
{
	void *(*volatile call)(size_t) = malloc;

	page = (uint64_t)sysconf(_SC_PAGESIZE);
	tap_plan(0);
	ok(call(10) != NULL && served > 0, "the allocator is the one of this program");
	spans();
	refusals();
	layouts();
	questions();
	notices();
	memory_inside();
	adoption();
	forks();
	tap_case("after fork", after_fork, NULL, 20);
	return tap_done();
}
