/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop of the fault tests: see fault_loop.h.
 *
 * What is compared after a faulted call:
 *
 *  - its answer, with the reason of its report, is a row of the errno table
 *  - after a failure: outputs, sums of the books, owner look-ups, contents of
 *    committed pages, and the books against the kernel's mappings
 *  - errno, and that nothing was replaced or unmapped that was not ours
 *  - once nothing fails any more: the same call works, what was held is gone,
 *    all is released, and every byte on the recorder's list is in the books;
 *    the bytes of /proc/self/maps tell the same
 *
 * Where the kernel refuses to take back what a failing call had mapped, too,
 * the books say so (held, or unretired); that is allowed in the runs where
 * several calls fail.
 *
 * Concurrency: one thread; each scenario is a process of its own, which adds
 * its counts to memory that all share.
 */
#include "support/fault_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault/errno_table.h"
#include "space/space.h"
#include "sys/environment.h"
#include "tap/tap.h"

#define SITES_MAX      256u
#define RUNS_MAX       20000u /* calls in one scenario: more means that it never ends */
#define SENTINEL_ERRNO EXDEV

static const int fault_errnos[] = { ENOMEM, EPERM, EINVAL, EEXIST, ENOSYS, EAGAIN };
#define ERRNOS (sizeof(fault_errnos) / sizeof(fault_errnos[0]))

static const char *const operations[] = {
	"map",	    "unmap",	  "protect",  "advise",	    "sync",	 "set_name",
	"get_brk",  "get_limit",  "open",     "close",	    "read",	 "seek",
	"query",    "stat",	  "allocate", "truncate",   "create",	 "read_at", "duplicate", "seals",
	"write_at", "set_policy", "move",     "process_id", "thread_id", "thread_alive",
	"process_alive", "move_pages", "set_home", "get_thread_policy", "set_thread_policy",
	"scan", "resident", "wait", "wake", "barrier", "clock", "pipe",
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* Shared by all cases. */
struct totals {
	uint64_t runs;
	uint64_t injected;
	uint64_t refused; /* runs whose call failed */
	uint64_t child_faults; /* of the run's child */
	uint32_t hits[SITES_MAX];
	uint32_t faults[SITES_MAX];
};

static struct totals *totals;

/* One run, as told in a message. */
struct run {
	const struct fault_scenario *scenario;
	const char *operation; /* NULL = all */
	const char *then; /* all of this kind after the first; NULL = none */
	int error;
	bool persistent;
	uint64_t at;
	unsigned int wrong;
};

static struct run run;

static int note(void *context, const struct vas_notice *notice)
{
	(void)context;
	(void)notice;
	return 0;
}

static uint64_t subscription; /* 0 = nobody listens */

void fault_watch(void)
{
	must(vas_notice_subscribe(NULL, note, NULL, &subscription), "no notices");
}

void fault_unwatch(void)
{
	if (subscription)
		must(vas_notice_cancel(subscription), "notices go on");
	subscription = 0;
}

void fault_wrong(const char *format, ...)
{
	char text[300];
	va_list list;

	if (run.wrong++ >= 12)
		return;
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	tap_diag("%s: %s call %llu of %s%s%s answers %s: %s", run.scenario->name,
		 run.persistent ? "from" : "only", (unsigned long long)run.at,
		 run.operation ? run.operation : "all", run.then ? " and then each " : "",
		 run.then ? run.then : "", strerrorname_np(run.error), text);
}

/* Bytes of private mappings in /proc/self/maps without heap and stack; 0 under a sanitizer. */
static uint64_t mapped_by_kernel(void)
{
	static char text[1 << 18];
	size_t length = 0;
	uint64_t bytes = 0;
	ssize_t got;
	int fd;

	if (tap_under_sanitizer() || tap_under_valgrind())
		return 0;
	fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	while ((got = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)got;
	close(fd);
	text[length] = '\0';
	for (char *line = text, *end; *line; line = end + 1) {
		unsigned long start, stop;

		end = strchr(line, '\n');
		*end = '\0';
		if (!strstr(line, "[heap]") && !strstr(line, "[stack]") && !strstr(line, "[v") &&
		    sscanf(line, "%lx-%lx", &start, &stop) == 2)
			bytes += stop - start;
	}
	return bytes;
}

static struct vas_stats stats_now(void)
{
	struct vas_stats stats;

	memset(&stats, 0, sizeof(stats));
	stats.size = sizeof(stats);
	if (vas_stats_get(&stats))
		fault_wrong("vas_stats_get fails");
	return stats;
}

static void fill_pattern(const struct fault_world *world)
{
	unsigned char *base = vas_span_pointer(world->base);

	for (unsigned int page = 2; page < 6; page++)
		memset(base + page * world->page, (int)(0x40 + page), 64);
}

static void check_pattern(const struct fault_world *world)
{
	const unsigned char *base = vas_span_pointer(world->base);

	for (unsigned int page = 2; page < 6; page++)
		for (unsigned int i = 0; i < 64; i++)
			if (base[page * world->page + i] != 0x40 + page) {
				fault_wrong("the contents of committed page %u changed", page);
				return;
			}
	if (base[8 * world->page] != 0)
		fault_wrong("a read-only page changed");
}

static void make_base(struct fault_world *world)
{
	struct vas_probe_info info;
	struct vas_window window;
	int err;

	memset(&window, 0, sizeof(window));
	window.size = sizeof(window);
	err = vas_window_get(&window);
	for (size_t i = 0; !err; i++) {
		info.size = sizeof(info);
		if (vas_probe_get(i, &info))
			break;
	}
	VAS_OPTS(vas_reserve_opts, opts);
	opts.name = "base";
	err = err ? err : vas_reserve(FAULT_BASE_PAGES * world->page, &opts, &world->base);
	VAS_OPTS(vas_commit_opts, commit);
	if (!err)
		err = vas_commit((char *)vas_span_pointer(world->base) + 2 * world->page,
				 4 * world->page, NULL);
	commit.prot = PROT_READ;
	if (!err)
		err = vas_commit((char *)vas_span_pointer(world->base) + 8 * world->page,
				 2 * world->page, &commit);
	if (err)
		tap_bail("the base span cannot be made: %d", err);
	fill_pattern(world);
}

static void world_begin(struct fault_world *world, const struct fault_scenario *scenario)
{
	recorder_init(&world->recorder, vas_sys_real());
	vas_sys_fault_init(&world->also, &world->recorder.sys);
	vas_sys_fault_init(&world->fault, &world->also.sys);
	world->scenario = scenario;
	world->page = vas_sys_real()->page_size;
	world->base = (struct vas_span){ 0, 0 };
	memset(world->more, 0, sizeof(world->more));
	world->layout = NULL;
	vas_space_forget();
	vas_sys_replace(&world->fault.sys);
	if (!scenario->cold)
		make_base(world);
	if (scenario->setup)
		scenario->setup(world);
}

static void prepare(struct fault_world *world)
{
	memset(&world->out, 0xa5, sizeof(world->out));
	memset(&world->opts, 0, sizeof(world->opts));
	memset(&world->commit, 0, sizeof(world->commit));
	world->opts.size = sizeof(world->opts);
	world->commit.size = sizeof(world->commit);
	if (world->scenario->prepare)
		world->scenario->prepare(world);
}

/* The same sums, whatever else was counted. */
static uint64_t unretired_now(void)
{
	const struct vas_space *space = vas_space_if_made();

	return space ? space->unretired_bytes : 0;
}

static void check_sums(const struct vas_stats *before, const struct vas_stats *after)
{
	/* Where even the undo was refused, the books say that pages are still to be made inaccessible. */
	bool several = run.persistent || run.scenario->also || run.then || run.scenario->clean;
	bool undo_refused = several && (unretired_now() != 0 || run.scenario->partial);

	if (before->spans != after->spans || before->reserved != after->reserved ||
	    before->committed != after->committed)
		fault_wrong("the sums changed: %llu spans %llu reserved %llu committed, were %llu %llu %llu",
		      (unsigned long long)after->spans, (unsigned long long)after->reserved,
		      (unsigned long long)after->committed, (unsigned long long)before->spans,
		      (unsigned long long)before->reserved, (unsigned long long)before->committed);
	if (before->held == after->held && before->vmas != after->vmas && !undo_refused)
		fault_wrong("the count of mappings changed");
	if (after->reserves != before->reserves || after->commits != before->commits ||
	    after->releases != before->releases)
		fault_wrong("a failure is counted as a success");
}

static void check_owner(const struct fault_world *world, const struct vas_owner *owner)
{
	struct vas_owner now;

	memset(&now, 0, sizeof(now));
	if (vas_owner_at(vas_span_pointer(world->base), &now) || now.id != owner->id ||
	    now.span.start != owner->span.start || now.span.size != owner->span.size)
		fault_wrong("the owner of the base span changed");
}

static void check_answer(const struct fault_world *world, int got)
{
	struct vas_report report;
	int why = VAS_WHY_NONE;

	if (!errno_allowed(world->scenario->function, got)) {
		fault_wrong("%s answered %s, which is no row of its table", world->scenario->function,
		      strerrorname_np(-got) ? strerrorname_np(-got) : "?");
		return;
	}
	report.size = sizeof(report);
	if (vas_report_get(&report) == 0 && report.error == got)
		why = (int)report.why;
	if (!errno_allowed_why(world->scenario->function, got, why))
		fault_wrong("%s answered %s with the reason %s, which is no row of its table",
		      world->scenario->function, strerrorname_np(-got),
		      vas_why_name((enum vas_why)why));
}

static void check_books(void)
{
	uint64_t where = 0;
	int err = vas_sync_check(&where);

	if (err)
		fault_wrong("vas_sync_check answers %d at 0x%llx", err, (unsigned long long)where);
}

/* All that is mapped through the table is in the books. */
static void check_account(const struct fault_world *world, uint64_t kernel_before)
{
	struct vas_stats stats = stats_now();
	uint64_t listed = recorder_bytes(&world->recorder);
	uint64_t books = stats.books + stats.reserved + stats.held_bytes, kernel;

	if (vas_space_if_made() == NULL)
		books = 0;
	if (listed != books)
		fault_wrong("leaked: %llu bytes are mapped, the books have %llu",
		      (unsigned long long)listed, (unsigned long long)books);
	kernel = mapped_by_kernel();
	if (kernel && kernel - kernel_before != listed)
		fault_wrong("the kernel has %lld bytes more, the list has %llu",
		      (long long)(kernel - kernel_before), (unsigned long long)listed);
	if (recorder_open(&world->recorder))
		fault_wrong("leaked: %u descriptors", recorder_open(&world->recorder));
}

/* A reserve and a release: whatever was put off is done by them. */
static void settle(void)
{
	struct vas_span span;
	enum vas_retired state;

	if (vas_reserve(1, NULL, &span) || vas_release(vas_span_pointer(span), &state))
		fault_wrong("nothing fails any more, but one page cannot be reserved and released");
}

static void world_end(struct fault_world *world, uint64_t kernel_before)
{
	struct vas_stats stats;

	if (unretired_now())
		settle();
	if (unretired_now())
		fault_wrong("%llu bytes stay as the faults left them", (unsigned long long)unretired_now());
	if (world->scenario->finish)
		world->scenario->finish(world);
	settle();
	stats = stats_now();
	if (stats.held)
		fault_wrong("%llu spans stay held", (unsigned long long)stats.held);
	if (world->base.size) {
		check_pattern(world);
		if (vas_release(vas_span_pointer(world->base), NULL))
			fault_wrong("the base span cannot be released");
	}
	stats = stats_now();
	if (stats.spans || stats.reserved || stats.committed || stats.vmas || stats.held)
		fault_wrong("something is left in the books");
	check_books();
	check_account(world, kernel_before);
	if (world->recorder.foreign)
		fault_wrong("%llu bytes that were not ours were unmapped or replaced",
		      (unsigned long long)world->recorder.foreign);
	vas_sys_replace(NULL);
	vas_space_forget();
	recorder_clear(&world->recorder);
}

/* After the call: what a failure must have left as it was. */
static void check_failure(struct fault_world *world, int got, const union fault_out *out,
			  const struct vas_stats *before, const struct vas_owner *owner)
{
	struct vas_stats after = stats_now();

	check_answer(world, got);
	if (memcmp(out, &world->out, sizeof(*out)) != 0)
		fault_wrong("the output was touched");
	check_sums(before, &after);
	if (world->base.size)
		check_owner(world, owner);
}

/* One faulted call in a world of its own. Returns how many calls failed in it. */
static uint64_t run_once(struct fault_world *world)
{
	const struct fault_scenario *scenario = run.scenario;
	uint64_t kernel_before = mapped_by_kernel();
	struct vas_owner owner = { 0, { 0, 0 } };
	struct vas_stats before;
	union fault_out out;
	uint64_t struck;
	int got;

	world_begin(world, scenario);
	before = stats_now();
	if (world->base.size)
		(void)vas_owner_at(vas_span_pointer(world->base), &owner);
	prepare(world);
	memcpy(&out, &world->out, sizeof(out));
	world->fault.operation = run.operation;
	world->fault.then = run.then;
	errno = SENTINEL_ERRNO;
	totals->child_faults = 0;
	vas_sys_fault_arm(&world->fault, run.at, run.persistent, run.error);
	world->also.operation = scenario->also;
	vas_sys_fault_arm(&world->also, scenario->also ? 1 : 0, true, run.error);
	got = scenario->call(world);
	struck = world->fault.faults + totals->child_faults;
	totals->injected += world->also.faults;
	vas_sys_fault_arm(&world->fault, 0, false, 0);
	vas_sys_fault_arm(&world->also, 0, false, 0);
	world->fault.operation = NULL;
	world->fault.then = NULL;
	if (errno != SENTINEL_ERRNO)
		fault_wrong("errno was changed to %d", errno);
	if (got < 0 && got != scenario->clean)
		totals->refused++;
	if (got < 0)
		check_failure(world, got, &out, &before, &owner);
	if (!struck && got != scenario->clean)
		fault_wrong("nothing failed, but the answer is %d", got);
	if (got >= 0 && scenario->undo)
		scenario->undo(world);
	check_books();
	if (world->base.size)
		check_pattern(world);
	if (struck) {
		/* Nothing fails any more: the same call works now. */
		prepare(world);
		got = scenario->call(world);
		if (got != scenario->clean)
			fault_wrong("nothing fails any more, but the answer is %d", got);
		if (got >= 0 && scenario->undo)
			scenario->undo(world);
	}
	world_end(world, kernel_before);
	totals->runs++;
	totals->injected += struck;
	return struck;
}

/* Every call of one kind, or all, in turn. False: there is none of that kind. */
static void run_all(struct fault_world *world, const char *operation, bool persistent)
{
	bool all = tap_scaled(100) >= 100 && !run.scenario->brief;
	unsigned int step = 1;

	run.operation = operation;
	run.persistent = persistent;
	for (run.at = 1; run.at < RUNS_MAX; run.at += step) {
		uint64_t struck;

		step = run.scenario->stride && run.at >= 64 ? run.scenario->stride : 1;
		/* Where time is short, each call fails with one errno, not all. */
		for (size_t i = 0; i < (all && !run.then ? ERRNOS : 1); i++) {
			run.error = fault_errnos[(i + (all ? 0 : run.at)) % ERRNOS];
			if (run.then) /* every other time the one that the ladder looks for */
				run.error = fault_errnos[run.at % 2 ? 0 : run.at / 2 % ERRNOS];
			struck = run_once(world);
			if (!struck) /* there is no such call: whatever it would answer */
				return;
		}
	}
	fault_wrong("the scenario does not end");
}

#ifdef VASPACE_CALL_SITES
static void sites_add(void)
{
	for (size_t i = 0; i < vas_call_site_count() && i < SITES_MAX; i++) {
		totals->hits[i] += vas_call_site_get(i)->hits;
		totals->faults[i] += vas_call_site_get(i)->faults;
	}
}

static void sites_clear(void)
{
	for (size_t i = 0; i < vas_call_site_count(); i++) {
		vas_call_site_get(i)->hits = 0;
		vas_call_site_get(i)->faults = 0;
	}
}
#else
static void sites_add(void)
{
}

static void sites_clear(void)
{
}
#endif

/* What undoing needs, refused as well. */
static void run_twice(struct fault_world *world)
{
	static const char *const kinds[] = { "map", "unmap", "protect", "advise", "allocate" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		run.then = kinds[i];
		run_all(world, NULL, false);
	}
	run.then = NULL;
}

/* --- children --- */

/* What is mapped apart from what the books have. */
static int64_t beside_books(void)
{
	uint64_t kernel = mapped_by_kernel();
	struct vas_stats stats = stats_now();

	return kernel ? (int64_t)(kernel - stats.books - stats.reserved - stats.held_bytes) : 0;
}

/* Exits 0 when all is right. */
static void child_main(struct fault_world *world, int64_t beside,
		       void (*look)(struct fault_world *world, int answer))
{
	uint64_t before = world->fault.faults;
	int64_t shed = (int64_t)(world->scenario->shed * world->page);
	int got = vas_fork_child();

	totals->child_faults = world->fault.faults - before;
	vas_sys_fault_arm(&world->fault, 0, false, 0);
	vas_sys_fault_arm(&world->also, 0, false, 0);
	if (got < 0)
		check_answer(world, got);
	if (!totals->child_faults && !before && got != 0 && !world->scenario->late)
		fault_wrong("nothing failed in the child, but the answer is %d", got);
	check_books();
	check_pattern(world);
	settle();
	if (beside_books() != beside && (got == 0 || beside_books() != beside - shed))
		fault_wrong("the child has %lld bytes that are not in its books",
			    (long long)(beside_books() - beside));
	look(world, got);
	check_books();
	sites_add();
	fflush(stdout);
	_exit(run.wrong ? 1 : 0);
}

int fault_fork(struct fault_world *world, void (*look)(struct fault_world *world, int answer))
{
	int64_t beside = beside_books();
	int status = -1;
	pid_t child;

	fflush(stdout);
	vas_fork_prepare();
	child = (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
	if (child == 0) {
		alarm(30);
		sites_clear();
		run.wrong = 0;
		child_main(world, beside, look);
	}
	vas_fork_parent();
	if (child < 0 || waitpid(child, &status, 0) != child)
		tap_bail("no child: %m");
	if (status)
		fault_wrong("in the child: status 0x%x", status);
	return 0;
}

static void scenario_case(void *arg)
{
	static struct fault_world world;
	uint64_t before = totals->injected;

	run = (struct run){ .scenario = arg };
	sites_clear();
	run_all(&world, NULL, false);
	run_all(&world, NULL, true);
	for (size_t i = 0; i < OPERATIONS; i++)
		run_all(&world, operations[i], true);
	if (run.scenario->twice)
		run_twice(&world);
	sites_add();
	ok(run.wrong == 0, "%llu faults", (unsigned long long)(totals->injected - before));
}

void fault_scenario_run(const struct fault_scenario *scenario)
{
	struct fault_scenario copy = *scenario;

	if (!totals) {
		totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (totals == MAP_FAILED)
			tap_bail("no memory");
	}
	tap_case(scenario->name, scenario_case, &copy, 120);
}

void fault_list_run(const struct fault_scenario *list, size_t count)
{
	const char *only = getenv("VASPACE_TEST_ONLY");

	for (size_t i = 0; i < count; i++)
		if (!only || strstr(list[i].name, only))
			fault_scenario_run(&list[i]);
}

#ifdef VASPACE_CALL_SITES
/* The first of all sites with the same place in the source: what is in line has one in each file that includes it. */
static size_t site_first(size_t index)
{
	const struct vas_call_site *site = vas_call_site_get(index), *other;

	for (size_t i = 0; i < index; i++) {
		other = vas_call_site_get(i);
		if (other->line == site->line && strcmp(other->file, site->file) == 0)
			return i;
	}
	return index;
}
#endif

void fault_sites_report(bool (*wanted)(const char *file))
{
	unsigned int total = 0, hit = 0;

	tap_figure("calls made with faults", (double)totals->runs, "calls");
	tap_figure("faults injected", (double)totals->injected, "faults");
	tap_figure("calls that refused", (double)totals->refused, "calls");
#ifdef VASPACE_CALL_SITES
	for (size_t i = vas_call_site_count(); i-- > 0;) {
		const struct vas_call_site *site = vas_call_site_get(i);
		size_t first = site_first(i);

		if (!wanted(site->file))
			continue;
		if (first != i) {
			totals->faults[first] += totals->faults[i];
			totals->hits[first] += totals->hits[i];
			continue;
		}
		total++;
		hit += totals->faults[i] > 0;
		if (!totals->faults[i])
			tap_diag("%s:%d: %s: reached %u times, never failed", site->file,
				 site->line, site->operation, totals->hits[i]);
	}
	tap_figure("call sites that failed", hit, "sites");
	tap_figure("call sites", total, "sites");
	ok(total > 0 && hit == total, "every one of %u call sites was made to fail", total);
#else
	(void)wanted;
	(void)total;
	(void)hit;
	ok(totals->injected > 0, "faults were injected (this build has no registry of call sites)");
#endif
}

void fault_crowd(struct fault_world *world, unsigned int hole_pages)
{
	uint64_t page = world->page, size = 2 * FAULT_FOREIGN * page, at;
	void *got = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (got == MAP_FAILED)
		tap_bail("no room for a window");
	world->window = (struct vas_span){ (uint64_t)(uintptr_t)got, size };
	/* Alternating protections keep the mappings apart. */
	for (at = world->window.start; at < world->window.start + size; at += 4 * page)
		if (mprotect((void *)(uintptr_t)at, 2 * page, PROT_READ))
			tap_bail("no mappings for a window");
	world->hole =
		(struct vas_span){ world->window.start + FAULT_FOREIGN * page, hole_pages * page };
	/* One page too small, and before it. */
	if (hole_pages > 1)
		munmap((void *)(uintptr_t)(world->window.start + 20 * page),
		       (hole_pages - 1) * page);
	if (hole_pages)
		munmap(vas_span_pointer(world->hole), world->hole.size);
}

void fault_uncrowd(struct fault_world *world)
{
	munmap(vas_span_pointer(world->window), world->window.size);
}

void fault_many_holes(struct fault_world *world)
{
	const uint64_t gib = UINT64_C(1) << 30;

	for (size_t i = 0; i < 256; i++)
		world->holes[i] = (struct vas_span){ gib * (20 + 2 * i), gib };
	world->limits = (struct vas_limits){ .size = sizeof(world->limits),
					     .holes = world->holes,
					     .hole_count = 256 };
	world->list[0] = &world->limits;
	world->opts.limits = world->list;
	world->opts.limit_count = 1;
	world->opts.place = VAS_PLACE_LOW;
	world->opts.min = 16 * gib;
	world->size = 16 * world->page;
}
