/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The workout: see workout.h.
 *
 * Strategy: the steps write their answers into an array, the points are made
 * at the end, so that what is denied does not get in the way of the output.
 *
 * Concurrency: one thread, in a forked case.
 */
#include "support/workout.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "tap/tap.h"

#define NOT_REACHED 1
#define STAMPS 8u

static const char *const names[WORKOUT_STEPS] = {
	"window", "probes", "reserve", "commit", "protect", "guard", "decommit", "region",
	"object", "policy", "fork", "join", "recipe", "lowest", "near",	"taken",
	"open",	  "read",   "gaps",    "at",	 "find",   "check",  "explain", "release",
};

/* Pages that somebody else owns: some of them where claims are likely. */
static unsigned char *stamps[STAMPS];
/* The caller's object, of 16 pages: made before anything is denied. */
static int object = -1;

static void stamp(uint64_t page)
{
	object = memfd_create("workout", MFD_CLOEXEC);
	if (object < 0 || ftruncate(object, (off_t)(16 * page)))
		tap_bail("no object: %m");
	for (unsigned int i = 0; i < STAMPS; i++) {
		stamps[i] = mmap((void *)(uintptr_t)((16ull << 30) + i * 64 * page), 16 * page,
				 PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (stamps[i] == MAP_FAILED)
			stamps[i] = NULL;
		else
			memset(stamps[i], (int)(0x31 + i), 16 * page);
	}
}

static bool stamps_hold(uint64_t page)
{
	for (unsigned int i = 0; i < STAMPS; i++)
		for (uint64_t at = 0; stamps[i] && at < 16 * page; at++)
			if (stamps[i][at] != 0x31 + i)
				return false;
	return true;
}

static int commit_parts(struct vas_span span, uint64_t page)
{
	char *memory = vas_span_pointer(span);
	int err = vas_commit(memory + page, page, NULL);

	if (!err)
		err = vas_commit(memory, 4 * page, NULL);
	if (err)
		return err;
	for (uint64_t i = 0; i < 4 * page; i++)
		if (memory[i] != 0)
			return -EILSEQ;
	memset(memory, 0x77, 4 * page);
	return 0;
}

static int reserve_at(enum vas_place place, uint64_t address, uint32_t flags, struct vas_span *span)
{
	VAS_OPTS(vas_reserve_opts, opts);
	opts.place = place;
	opts.flags = flags;
	opts.address = address;
	if (place == VAS_PLACE_LOW)
		opts.min = 16ull << 30;
	if (place == VAS_PLACE_NEAR)
		opts.reach = 1ull << 31;
	return vas_reserve((uint64_t)sysconf(_SC_PAGESIZE) * 16, &opts, span);
}

/* In what commit_parts left. */
static void try_memory(int *got, struct vas_span span, uint64_t page)
{
	char *memory = vas_span_pointer(span);
	enum vas_retired state = VAS_RETIRED_HELD;

	got[WORKOUT_PROTECT] = vas_protect(memory + page, page, PROT_READ);
	if (!got[WORKOUT_PROTECT])
		got[WORKOUT_PROTECT] = vas_protect(memory + page, page, PROT_READ | PROT_WRITE);
	got[WORKOUT_GUARD] = vas_guard(memory + page, page);
	if (!got[WORKOUT_GUARD])
		got[WORKOUT_GUARD] = vas_unguard(memory + page, page);
	if (memory[0] != 0x77 || memory[2 * page] != 0x77)
		got[WORKOUT_GUARD] = -EILSEQ;
	got[WORKOUT_DECOMMIT] = vas_decommit(memory + page, page, &state);
	if (!got[WORKOUT_DECOMMIT] && state != VAS_RETIRED_GONE)
		got[WORKOUT_DECOMMIT] = -EBUSY;
	if (memory[0] != 0x77 || memory[2 * page] != 0x77)
		got[WORKOUT_DECOMMIT] = -EILSEQ;
}

static int try_region(uint64_t page)
{
	enum vas_retired state = VAS_RETIRED_HELD;
	struct vas_region *region;
	struct vas_block block;
	int err, closed;

	VAS_OPTS(vas_alloc_opts, opts);
	opts.flags = VAS_ALLOC_COMMIT;
	err = vas_region_create(64 * page, NULL, &region);
	if (err)
		return err;
	err = vas_region_alloc(region, 4 * page, &opts, &block);
	if (!err) {
		memset(block.start, 0x55, 4 * page);
		err = vas_region_free(region, block.start, &state);
		if (!err && state != VAS_RETIRED_GONE)
			err = -EBUSY;
	}
	closed = vas_region_destroy(region, NULL);
	return err ? err : closed;
}

static int commit_object(struct vas_span span, uint64_t page, uint32_t flags)
{
	VAS_OPTS(vas_commit_opts, opts);
	opts.flags = VAS_COMMIT_SHARED | VAS_COMMIT_PUNCH | flags;
	opts.fd = object;
	return vas_commit(vas_span_pointer(span), 4 * page, &opts);
}

/* What was given back reads as zeroes when it is there again. */
static int try_object(uint64_t page)
{
	enum vas_retired state = VAS_RETIRED_HELD;
	struct vas_span span;
	char *memory;
	int err, closed;

	err = vas_reserve(16 * page, NULL, &span);
	if (err)
		return err;
	memory = vas_span_pointer(span);
	err = commit_object(span, page, VAS_COMMIT_POPULATE);
	if (!err) {
		memset(memory, 0x66, 4 * page);
		err = vas_decommit(memory, 4 * page, &state);
		if (!err && state != VAS_RETIRED_GONE)
			err = -EBUSY;
	}
	if (!err)
		err = commit_object(span, page, 0);
	if (!err && (memory[0] || memory[4 * page - 1]))
		err = -EILSEQ;
	closed = vas_release(memory, &state);
	if (!closed && state != VAS_RETIRED_GONE)
		closed = -EBUSY;
	return err ? err : closed;
}

static int try_policy(uint64_t page)
{
	struct vas_policy policy = { .size = sizeof(policy), .mode = VAS_POLICY_LOCAL };
	struct vas_span span;
	int err;

	VAS_OPTS(vas_reserve_opts, opts);
	opts.policy = &policy;
	err = vas_reserve(16 * page, &opts, &span);
	if (err)
		return err;
	err = commit_parts(span, page);
	if (vas_release(vas_span_pointer(span), NULL))
		err = -EILSEQ;
	return err;
}

/* In a child: the parent's object is as it was, and the copy is one. */
static int child_copy(struct vas_span span)
{
	char *memory = vas_span_pointer(span), byte;
	int err = vas_fork_child();

	if (err)
		return err;
	if (*memory != 0x66)
		return -EILSEQ;
	*memory = 0x67;
	return pread(object, &byte, 1, 0) == 1 && byte == 0x66 ? 0 : -EILSEQ;
}

static int try_fork(uint64_t page)
{
	struct vas_span span;
	int err, status = -1;
	pid_t child;

	VAS_OPTS(vas_reserve_opts, opts);
	opts.fork = VAS_FORK_COPY;
	err = vas_reserve(16 * page, &opts, &span);
	if (err)
		return err;
	err = commit_object(span, page, 0);
	if (!err) {
		memset(vas_span_pointer(span), 0x66, 4 * page);
		vas_fork_prepare();
		child = (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
		if (child == 0)
			_exit(-child_copy(span));
		vas_fork_parent();
		if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
			err = -ECHILD;
		else
			err = -WEXITSTATUS(status);
	}
	if (vas_release(vas_span_pointer(span), NULL))
		err = -EILSEQ;
	return err;
}

static int try_waiting(struct vas_region *region, struct vas_region_thread *thread, uint64_t page)
{
	struct vas_region_stats stats = { .size = sizeof(stats) };
	struct vas_block block;
	int err;

	vas_region_enter(thread);
	err = vas_region_alloc(region, page, NULL, &block);
	err = err ? err : vas_region_free(region, block.start, NULL);
	err = err ? err : vas_region_trim(region, UINT64_MAX, NULL);
	err = err ? err : vas_region_stats(region, &stats);
	vas_region_leave(thread);
	if (!err && stats.waiting != page)
		err = -EILSEQ;
	err = err ? err : vas_region_trim(region, UINT64_MAX, NULL);
	err = err ? err : vas_region_stats(region, &stats);
	return err ? err : stats.waiting ? -EILSEQ : 0;
}

static int try_join(uint64_t page)
{
	struct vas_region_thread *thread;
	struct vas_region *region;
	int err, closed;

	VAS_OPTS(vas_region_opts, opts);
	opts.flags = VAS_REGION_QUARANTINE;
	err = vas_region_create(16 * page, &opts, &region);
	if (err)
		return err;
	err = vas_region_join(region, &thread);
	err = err ? err : try_waiting(region, thread, page);
	closed = vas_region_destroy(region, NULL);
	return err ? err : closed;
}

static int try_probes(void)
{
	struct vas_probe_info info = { .size = sizeof(info) };
	size_t count = 0;
	int err;

	while ((err = vas_probe_get(count, &info)) == 0)
		count++;
	return err == -ENOENT && count > 4 ? 0 : err;
}

static void try_spans(int *got, uint64_t page)
{
	struct vas_span spans[4];
	enum vas_retired state = VAS_RETIRED_GONE;
	bool good[4] = { false };
	int err;

	got[WORKOUT_RESERVE] = vas_reserve(64 * page, NULL, &spans[0]);
	good[0] = got[WORKOUT_RESERVE] == 0;
	if (good[0])
		got[WORKOUT_COMMIT] = commit_parts(spans[0], page);
	if (good[0] && !got[WORKOUT_COMMIT])
		try_memory(got, spans[0], page);
	got[WORKOUT_REGION] = try_region(page);
	got[WORKOUT_OBJECT] = try_object(page);
	got[WORKOUT_POLICY] = try_policy(page);
	got[WORKOUT_FORK] = try_fork(page);
	got[WORKOUT_JOIN] = try_join(page);
	got[WORKOUT_RECIPE] = reserve_at(VAS_PLACE_HIGH, 0,
					 VAS_RESERVE_NODUMP | VAS_RESERVE_NOFORK, &spans[1]);
	good[1] = got[WORKOUT_RECIPE] == 0;
	if (good[1])
		got[WORKOUT_RECIPE] = commit_parts(spans[1], page);
	got[WORKOUT_LOWEST] = reserve_at(VAS_PLACE_LOW, 0, VAS_RESERVE_STRICT, &spans[2]);
	good[2] = got[WORKOUT_LOWEST] == 0;
	got[WORKOUT_NEAR] = reserve_at(VAS_PLACE_NEAR, (uint64_t)(uintptr_t)&try_spans, 0, &spans[3]);
	good[3] = got[WORKOUT_NEAR] == 0;
	if (stamps[3]) {
		struct vas_span none;

		err = reserve_at(VAS_PLACE_EXACT, (uint64_t)(uintptr_t)stamps[3], 0, &none);
		got[WORKOUT_TAKEN] = err == -EEXIST ? 0 : err ? err : -EILSEQ;
	}
	if (good[0])
		got[WORKOUT_CHECK] = vas_sync_check(NULL);
	for (unsigned int i = 0; i < 4; i++) {
		if (!good[i])
			continue;
		err = vas_release(vas_span_pointer(spans[i]), &state);
		if (got[WORKOUT_RELEASE] == NOT_REACHED)
			got[WORKOUT_RELEASE] = 0;
		if (err || state != VAS_RETIRED_GONE)
			got[WORKOUT_RELEASE] = err ? err : -EBUSY;
	}
}

static void try_layout(int *got, uint64_t page)
{
	struct vas_layout *layout;
	struct vas_mapping mapping;
	struct vas_span span;
	struct vas_gap gap;

	got[WORKOUT_OPEN] = vas_layout_open(NULL, &layout);
	if (got[WORKOUT_OPEN])
		return;
	do
		got[WORKOUT_READ] = vas_layout_next(layout, &mapping);
	while (got[WORKOUT_READ] == 1);
	got[WORKOUT_GAPS] = vas_layout_rewind(layout);
	if (!got[WORKOUT_GAPS])
		do
			got[WORKOUT_GAPS] = vas_layout_next_gap(layout, &gap);
		while (got[WORKOUT_GAPS] == 1);
	got[WORKOUT_AT] = vas_layout_at(layout, (uint64_t)(uintptr_t)&try_layout, &mapping);
	got[WORKOUT_FIND] = vas_layout_find(layout, page, NULL, &span);
	vas_layout_close(layout);
}

static int try_explain(void)
{
	struct vas_report report = { .size = sizeof(report) };
	char line[512];
	int err;

	if (vas_release(stamps, NULL) != -ENOENT)
		return -EILSEQ;
	err = vas_report_explain(&report);
	if (!err && vas_report_format(line, sizeof(line)) <= 0)
		err = -EILSEQ;
	return err;
}

/* Whether the answer is what the words after step= say; 0 when there are none. */
static bool as_expected(const char *expected, const char *step, int got)
{
	size_t length = strlen(step);
	const char *name = got == NOT_REACHED ? "-" : got ? strerrorname_np(-got) : "0";
	const char *at = expected;

	for (; (at = strstr(at, step)) != NULL; at++)
		if (at[length] == '=' && (at == expected || at[-1] == ' '))
			break;
	if (!at)
		return got == 0;
	at += length;
	while (*at == '=' || *at == '|') {
		const char *word = ++at;

		at += strcspn(at, "| ");
		if (name && strlen(name) == (size_t)(at - word) && strncmp(word, name, (size_t)(at - word)) == 0)
			return true;
	}
	return false;
}

void workout_prepare(void)
{
	if (!stamps[0])
		stamp((uint64_t)sysconf(_SC_PAGESIZE));
}

void workout(const char *expected)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct vas_window window = { .size = sizeof(window) };
	int got[WORKOUT_STEPS];

	for (unsigned int i = 0; i < WORKOUT_STEPS; i++)
		got[i] = NOT_REACHED;
	workout_prepare();
	got[WORKOUT_WINDOW] = vas_window_get(&window);
	got[WORKOUT_PROBES] = try_probes();
	try_spans(got, page);
	try_layout(got, page);
	got[WORKOUT_EXPLAIN] = try_explain();
	for (unsigned int i = 0; i < WORKOUT_STEPS; i++)
		ok(as_expected(expected, names[i], got[i]), "%s: %s", names[i],
		   got[i] == NOT_REACHED ? "not reached" : got[i] ? strerrorname_np(-got[i]) : "works");
	ok(stamps_hold(page), "nobody's pages were changed");
}

bool workout_deny(int number, int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	workout_prepare();
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}
