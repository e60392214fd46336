/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 5 */
/*
 * vaspace/layout.h on the real kernel: this process, another one, one that ends, one that may not be read,
 * saved files, and what is refused.
 */
#include <vaspace/vaspace.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/environment.h"
#include "tap/tap.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

static char disable[] = "VASPACE_DISABLE=procmap_query";
static char folder[] = "/tmp/vaspace-layout-XXXXXX";

static struct vas_layout *open_layout(const struct vas_layout_opts *opts)
{
	struct vas_layout *layout = NULL;

	if (vas_layout_open(opts, &layout))
		tap_bail("the layout cannot be opened");
	return layout;
}

static uint32_t report_line(void)
{
	struct vas_report report = { .size = sizeof(report) };

	return vas_report_get(&report) == 0 && report.operation == VAS_OPERATION_READ ? report.line
										      : UINT32_MAX;
}

static const char *report_why(void)
{
	struct vas_report report = { .size = sizeof(report) };

	return vas_report_get(&report) == 0 ? vas_why_name(report.why) : "no report";
}

/* The reading against a second one with stdio: every line, its numbers and its name. */
static void self_case(void *arg)
{
	size_t buffer_size = *(size_t *)arg;
	struct vas_layout_opts opts = { .size = sizeof(opts), .buffer_size = buffer_size };
	struct vas_layout *layout;
	struct vas_mapping mapping;
	unsigned int lines = 0, wrong = 0;
	char line[8192], name[4096];
	FILE *maps;
	long vmas;
	int got;

	layout = open_layout(&opts);
	vmas = tap_count_vmas();
	maps = fopen("/proc/self/maps", "r");
	if (!maps || !fgets(line, sizeof(line), maps))
		tap_bail("/proc/self/maps cannot be read");
	vas_layout_rewind(layout);
	while ((got = vas_layout_next(layout, &mapping)) == 1) {
		unsigned long long start, end, inode;

		name[0] = '\0';
		if (sscanf(line, "%llx-%llx %*s %*s %*s %llu %4095[^\n]", &start, &end, &inode,
			   name) < 3)
			wrong++;
		wrong += mapping.start != start || mapping.end != end || mapping.inode != inode;
		wrong += strncmp(mapping.name, name, mapping.name_length) != 0;
		lines++;
		if (!fgets(line, sizeof(line), maps))
			line[0] = '\0';
	}
	is_i64(got, 0, "the end");
	fclose(maps);
	ok(wrong == 0 && lines > 10, "%u mappings are as the kernel tells them, %u are not", lines,
	   wrong);
	is_i64(vas_layout_next(layout, &mapping), 0, "the end again");
	if (!tap_under_sanitizer())
		is_i64(tap_count_vmas(), vmas, "reading maps nothing");
	vas_layout_close(layout);
}

/* Gaps and mappings of one moment: they touch, and together they fill the window. */
static void gaps_case(void *arg)
{
	struct vas_layout_opts opts = { .size = sizeof(opts), .flags = VAS_LAYOUT_RAW_GAPS };
	struct vas_window window = { .size = sizeof(window) };
	uint64_t mapped = 0, free_bytes = 0, last = 0;
	struct vas_layout *layout;
	struct vas_mapping mapping;
	struct vas_gap gap;
	bool ascending = true;
	void *guard;

	(void)arg;
	guard = mmap(NULL, 3 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap((char *)guard + 4096, 4096);
	is_err(vas_window_get(&window), 0, "the window");
	layout = open_layout(&opts);
	while (vas_layout_next_gap(layout, &gap) == 1) {
		ascending = ascending && gap.start < gap.end && gap.start >= last && gap.flags == 0;
		last = gap.end;
		free_bytes += gap.end - gap.start;
	}
	ok(ascending && last <= window.max, "gaps ascend within the window");
	is_i64(vas_layout_next_gap(layout, &gap), 0, "the end again");
	is_err(vas_layout_rewind(layout), 0, "rewound");
	while (vas_layout_next(layout, &mapping) == 1) {
		if (mapping.start >= window.min && mapping.end <= window.max)
			mapped += mapping.end - mapping.start;
	}
	is_u64(mapped + free_bytes, window.max - window.min, "mapped and free make up all of it");
	is_err(vas_layout_rewind(layout), 0, "rewound");
	is_i64(vas_layout_next(layout, &mapping), 1, "one mapping read");
	is_err(vas_layout_at(layout, (uintptr_t)guard + 4096, &mapping), 0, "above a hole");
	is_u64(mapping.start, (uintptr_t)guard + 8192, "the next mapping");
	is_i64(vas_layout_next(layout, &mapping), 0, "looking ends a reading");
	vas_layout_close(layout);
	munmap(guard, 4096);
	munmap((char *)guard + 8192, 4096);
}

static void margins_case(void *arg)
{
	struct vas_layout_opts opts = { .size = sizeof(opts),
					.stack_margin = 100 * MIB,
					.brk_margin = 300 * MIB };
	uint64_t brk = (uintptr_t)sbrk(0);
	bool in_brk = false, in_stack = false, above_brk = false, below_stack = false;
	struct vas_layout *layout;
	struct vas_mapping mapping;
	struct vas_gap gap;
	uint64_t top = 0;

	(void)arg;
	layout = open_layout(&opts);
	while (vas_layout_next(layout, &mapping) == 1) {
		if (mapping.flags & VAS_MAPPING_STACK)
			top = mapping.end;
	}
	ok(top != 0, "there is a stack");
	vas_layout_rewind(layout);
	while (vas_layout_next_gap(layout, &gap) == 1) {
		in_brk = in_brk || (gap.start < brk + 300 * MIB && gap.end > brk);
		in_stack = in_stack || (gap.start < top && gap.end > top - 100 * MIB);
		above_brk = above_brk || (gap.flags & VAS_GAP_TRIMMED_BELOW);
		below_stack = below_stack ||
			      (gap.end == top - 100 * MIB && gap.flags & VAS_GAP_TRIMMED_ABOVE);
	}
	ok(!in_brk && above_brk, "nothing is free above the break");
	ok(!in_stack && below_stack, "nor below the stack");
	vas_layout_close(layout);
}

static void at_case(void *arg)
{
	struct vas_mapping mapping, text;
	struct vas_layout *layout;
	/* Not a variable: a sanitizer may keep those elsewhere. */
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	if (arg) {
		putenv(arg);
		vas_environment_reload();
		tap_baseline();
	}
	layout = open_layout(NULL);
	is_err(vas_layout_at(layout, here, &mapping), 0, "the stack");
	ok(mapping.start <= here && mapping.end > here, "covers this frame");
	ok(mapping.flags & VAS_MAPPING_STACK, "and is known as the stack");
	is_err(vas_layout_at(layout, (uintptr_t)&at_case, &mapping), 0, "the code");
	ok(mapping.prot & PROT_EXEC && mapping.flags & VAS_MAPPING_FILE && mapping.inode,
	   "is a file's");
	ok(mapping.name[0] == '/' && mapping.name_length == strlen(mapping.name), "with its name");
	vas_layout_rewind(layout);
	while (vas_layout_next(layout, &text) == 1 && text.end <= (uintptr_t)&at_case)
		;
	vas_layout_at(layout, text.start, &mapping);
	ok(text.start == mapping.start && text.end == mapping.end &&
		   text.offset == mapping.offset && text.inode == mapping.inode &&
		   text.device_major == mapping.device_major &&
		   text.device_minor == mapping.device_minor && text.prot == mapping.prot &&
		   text.flags == mapping.flags && text.name_length == mapping.name_length,
	   "the text tells the same");
	is_err(vas_layout_at(layout, UINT64_MAX - 4096, &mapping), ENOENT, "above everything");
	vas_layout_close(layout);
}

/* A child that sleeps with one mapping at a known place, read from here. */
static void other_case(void *arg)
{
	struct vas_layout_opts opts = { .size = sizeof(opts) };
	struct vas_layout *layout;
	struct vas_mapping mapping;
	bool found = false;
	int pipes[2], got;
	void *place;
	char byte = 0;
	pid_t child;

	(void)arg;
	if (pipe(pipes))
		tap_bail("pipe: %m");
	child = fork();
	if (child < 0)
		tap_bail("fork failed");
	if (child == 0) {
		place = mmap(NULL, 77 * 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (write(pipes[1], &place, sizeof(place)) != sizeof(place))
			_exit(1);
		for (;;)
			pause();
	}
	if (read(pipes[0], &place, sizeof(place)) != sizeof(place))
		tap_bail("the child says nothing");
	opts.pid = child;
	opts.buffer_size = 4096;
	layout = open_layout(&opts);
	while ((got = vas_layout_next(layout, &mapping)) == 1) {
		if (mapping.start <= (uintptr_t)place && mapping.end > (uintptr_t)place)
			found = mapping.flags & VAS_MAPPING_SHARED;
	}
	is_i64(got, 0, "another process's mappings");
	ok(found, "have what it mapped");
	is_err(vas_layout_at(layout, (uintptr_t)place, &mapping), 0, "looking into it");
	is_u64(mapping.start, (uintptr_t)place, "finds the same");
	is_err(vas_layout_rewind(layout), 0, "rewound");
	is_i64(vas_layout_next(layout, &mapping), 1, "read again, in part");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	while ((got = vas_layout_next(layout, &mapping)) == 1)
		;
	is_err(got, ESRCH, "it has ended meanwhile");
	is_err(vas_layout_at(layout, 0, &mapping), ESRCH, "and cannot be looked into");
	vas_layout_close(layout);
	layout = (void *)&byte;
	is_err(vas_layout_open(&opts, &layout), ESRCH, "nor opened any more");
	ok(layout == (void *)&byte, "the output is untouched");
	close(pipes[0]);
	close(pipes[1]);
}

static void denied_case(void *arg)
{
	struct vas_layout_opts opts = { .size = sizeof(opts), .pid = getpid() };
	struct vas_layout *layout = NULL;
	int status;
	pid_t child;

	(void)arg;
	if (geteuid() != 0)
		tap_skip_all("not-root", "needs another user");
	child = fork();
	if (child < 0)
		tap_bail("fork failed");
	if (child == 0) {
		if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
			_exit(1);
		_exit(vas_layout_open(&opts, &layout) == -EACCES && !strcmp(report_why(), "denied")
			      ? 0
			      : 2);
	}
	waitpid(child, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "another user's process: EACCES, denied");
}

static const char *save(const char *name, const char *text)
{
	static char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		tap_bail("%s: %m", path);
	close(fd);
	return path;
}

static void file_case(void *arg)
{
	static const char text[] =
		"00400000-00500000 r-xp 00000000 fe:00 42                                 /usr/bin/program\n"
		"01000000-02000000 rw-p 00000000 00:00 0                                  [heap]\n"
		"7f0000000000-7f0000100000 rw-p 00000000 00:00 0 \n"
		"7ffe00000000-7ffe00100000 rw-p 00000000 00:00 0 \n"
		"7ffe00300000-7ffe00400000 rw-p 00000000 00:00 0                          [stack]\n"
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";
	struct vas_layout_opts opts = { .size = sizeof(opts),
					.source = VAS_LAYOUT_FILE,
					.stack_margin = 3 * MIB,
					.brk_margin = 16 * MIB };
	struct vas_reserve_opts place = { .size = sizeof(place), .place = VAS_PLACE_LOW };
	struct vas_layout *layout;
	struct vas_mapping mapping;
	struct vas_span span = { 1, 2 };
	struct vas_report report = { .size = sizeof(report) };
	struct vas_gap gap;
	unsigned int count = 0;

	(void)arg;
	opts.path = save("maps", text);
	layout = open_layout(&opts);
	while (vas_layout_next(layout, &mapping) == 1)
		count++;
	is_u64(count, 6, "a saved file's mappings");
	vas_layout_rewind(layout);
	vas_layout_next_gap(layout, &gap);
	is_u64(gap.end, 0x400000, "the first gap");
	vas_layout_next_gap(layout, &gap);
	vas_layout_next_gap(layout, &gap);
	is_u64(gap.start, 0x3000000, "a gap behind the heap's margin");
	vas_layout_next_gap(layout, &gap);
	is_u64(gap.end, 0x7ffe00000000, "the gap below the mapping in the stack's margin");
	vas_layout_next_gap(layout, &gap);
	is_u64(gap.start, 0x7ffe00400000, "nothing in the margin");
	is_err(vas_layout_at(layout, 0x600000, &mapping), 0, "looking into a file");
	is_str(mapping.name, "[heap]", "finds the next");
	is_err(vas_layout_find(layout, 16 * MIB, &place, &span), 0, "room for 16 MiB");
	is_u64(span.start, 0x3000000, "is lowest behind the margin");
	place.max = 0x3000000;
	is_err(vas_layout_find(layout, 14 * MIB, &place, &span), ENOSPC, "14 MiB not below it");
	is_u64(span.start, 0x3000000, "the span is untouched");
	vas_report_get(&report);
	is_u64(report.operation, VAS_OPERATION_FIND, "reported");
	is_str(vas_why_name(report.why), "fragmented", "with the reason");
	place.min_size = 1 * MIB;
	is_err(vas_layout_find(layout, 16 * MIB, &place, &span), 0, "at least 1 MiB");
	is_u64(span.start, 0x600000, "is the largest piece, at its 2 MiB boundary");
	is_u64(span.size, 0xa00000, "all of it");
	place = (struct vas_reserve_opts){ .size = sizeof(place),
					   .place = VAS_PLACE_EXACT,
					   .address = 0x1800000 };
	is_err(vas_layout_find(layout, 4096, &place, &span), EEXIST,
	       "an exact place that is mapped");
	is_str(report_why(), "taken", "is taken");
	place.address = 0x2100000;
	is_err(vas_layout_find(layout, 4096, &place, &span), EEXIST, "one in the heap's margin");
	is_str(report_why(), "margin", "is protected");
	place.address = 0x4000000;
	is_err(vas_layout_find(layout, 4096, &place, &span), 0, "one that is free");
	place.place = VAS_PLACE_NEAR;
	place.address = 0x400000;
	place.reach = 1 * GIB;
	place.alignment = 4096;
	is_err(vas_layout_find(layout, 1 * MIB, &place, &span), 0, "near the code");
	is_u64(span.start, 0x300000, "right below it");
	is_err(vas_layout_find(layout, 0, NULL, &span), EINVAL, "room for nothing");
	is_err(vas_layout_find(layout, 1ull << 60, NULL, &span), ERANGE,
	       "for more than there can be");
	vas_layout_close(layout);
}

static void malformed_case(void *arg)
{
	struct vas_layout_opts opts = { .size = sizeof(opts), .source = VAS_LAYOUT_FILE };
	struct vas_layout *layout;
	struct vas_mapping mapping;
	struct vas_gap gap = { 1, 2, 3 };
	struct vas_span span;
	char line[400];

	(void)arg;
	opts.path = save("bad", "00400000-00500000 r-xp 00000000 fe:00 42 /x\nnonsense\n");
	layout = open_layout(&opts);
	is_i64(vas_layout_next(layout, &mapping), 1, "a good line");
	is_err(vas_layout_next(layout, &mapping), EBADMSG, "a bad one");
	is_u64(report_line(), 2, "with its number");
	vas_report_format(line, sizeof(line));
	ok(strstr(line, "2") != NULL, "told: %s", line);
	is_err(vas_layout_at(layout, 0x600000, &mapping), EBADMSG, "looking beyond it");
	is_err(vas_layout_at(layout, 0x400000, &mapping), 0, "before it");
	is_err(vas_layout_find(layout, 4096, NULL, &span), EBADMSG, "searching");
	is_err(vas_layout_rewind(layout), 0, "rewound");
	is_err(vas_layout_next_gap(layout, &gap), EBADMSG,
	       "gaps: the margins are looked for first");
	is_u64(gap.start, 1, "nothing of it is trusted");
	vas_layout_close(layout);
}

static void refusals_case(void *arg)
{
	struct vas_layout_opts opts = { .size = sizeof(opts) };
	struct {
		struct vas_layout_opts opts;
		uint64_t more;
	} large = { { .size = sizeof(large) }, 1 };
	struct vas_layout *layout = NULL;
	struct vas_mapping mapping;
	struct vas_window window = { .size = 4 };
	struct vas_gap gap;
	struct vas_span span;

	(void)arg;
	is_err(vas_layout_open(&opts, NULL), EINVAL, "no output");
	opts.pid = -5;
	is_err(vas_layout_open(&opts, &layout), EINVAL, "a negative pid");
	opts.pid = 0;
	opts.buffer_size = 4095;
	is_err(vas_layout_open(&opts, &layout), EINVAL, "a buffer too small");
	opts.buffer_size = SIZE_MAX;
	is_err(vas_layout_open(&opts, &layout), ENOMEM, "a buffer too large");
	is_str(report_why(), "books", "for the books");
	opts.buffer_size = 0;
	opts.flags = 4;
	is_err(vas_layout_open(&opts, &layout), EINVAL, "an unknown flag");
	opts.flags = 0;
	opts.source = (enum vas_layout_source)7;
	is_err(vas_layout_open(&opts, &layout), EINVAL, "an unknown source");
	opts.source = VAS_LAYOUT_FILE;
	is_err(vas_layout_open(&opts, &layout), EINVAL, "no path");
	opts.path = "/nowhere/at/all";
	is_err(vas_layout_open(&opts, &layout), ENOENT, "no such file");
	opts.path = "/";
	is_err(vas_layout_open(&opts, &layout), EISDIR, "a directory");
	opts.path = "/dev/null/x";
	is_err(vas_layout_open(&opts, &layout), ENOTDIR, "below a file");
	is_err(vas_layout_open(&large.opts, &layout), E2BIG, "an unknown option");
	ok(layout == NULL, "the output is untouched");
	is_err(vas_layout_next(NULL, &mapping), EINVAL, "next of nothing");
	is_err(vas_layout_next_gap(NULL, &gap), EINVAL, "gaps of nothing");
	is_err(vas_layout_rewind(NULL), EINVAL, "rewinding nothing");
	is_err(vas_layout_at(NULL, 0, &mapping), EINVAL, "looking into nothing");
	is_err(vas_layout_find(NULL, 4096, NULL, &span), EINVAL, "searching nothing");
	is_err(vas_window_get(NULL), EINVAL, "no window");
	is_err(vas_window_get(&window), EINVAL, "an older window than any");
	vas_layout_close(NULL);
	layout = open_layout(NULL);
	is_err(vas_layout_next(layout, NULL), EINVAL, "next into nothing");
	is_err(vas_layout_next_gap(layout, NULL), EINVAL, "a gap into nothing");
	is_err(vas_layout_at(layout, 0, NULL), EINVAL, "a look into nothing");
	is_err(vas_layout_find(layout, 4096, NULL, NULL), EINVAL, "a place into nothing");
	vas_layout_close(layout);
}

/* A mapping that grows between two reads is shown again by the kernel: no error, no overlap. */
static void growing_case(void *arg)
{
	struct vas_layout_opts opts = { .size = sizeof(opts), .buffer_size = 4096 };
	unsigned char *base = mmap(NULL, 400 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vas_layout *layout;
	struct vas_mapping mapping;
	uint64_t last = 0;
	bool ascending = true;
	int got;

	(void)arg;
	for (int i = 0; i < 400; i += 2)
		mprotect(base + i * 4096, 4096, PROT_READ);
	layout = open_layout(&opts);
	while ((got = vas_layout_next(layout, &mapping)) == 1) {
		ascending = ascending && mapping.start >= last;
		last = mapping.end;
		/* Joins what was just told with what comes next. */
		if (mapping.start >= (uintptr_t)base && mapping.end < (uintptr_t)base + 398 * 4096)
			mprotect((void *)(uintptr_t)mapping.start,
				 mapping.end - mapping.start + 4096, PROT_READ | PROT_WRITE);
	}
	is_i64(got, 0, "read to the end");
	ok(ascending, "ascending all the way");
	vas_layout_close(layout);
	munmap(base, 400 * 4096);
}

int main(void)
{
	struct vas_window window = { .size = sizeof(window) };
	size_t small = 4096, large = 1 << 20, usual = 0;

	tap_plan(0);
	if (!mkdtemp(folder))
		tap_bail("mkdtemp: %m");
	is_err(vas_window_get(&window), 0, "the window");
	is_u64(window.page_size, (uint64_t)sysconf(_SC_PAGESIZE), "its page size");
	ok(window.bits >= 38 && window.high_bits >= window.bits &&
		   window.max <= 1ull << window.bits && window.max > 1ull << (window.bits - 1),
	   "%u bits, up to %u", window.bits, window.high_bits);
	tap_case("this process, small buffer", self_case, &small, 20);
	tap_case("this process, large buffer", self_case, &large, 20);
	tap_case("this process, default buffer", self_case, &usual, 20);
	tap_case("gaps", gaps_case, NULL, 20);
	tap_case("margins", margins_case, NULL, 20);
	tap_case("looking", at_case, NULL, 20);
	tap_case("looking, without queries", at_case, disable, 20);
	tap_case("another process", other_case, NULL, 20);
	tap_case("another user's process", denied_case, NULL, 20);
	tap_case("saved file", file_case, NULL, 20);
	tap_case("malformed file", malformed_case, NULL, 20);
	tap_case("refusals", refusals_case, NULL, 20);
	tap_case("mappings that grow", growing_case, NULL, 20);
	unlink(save("maps", ""));
	unlink(save("bad", ""));
	rmdir(folder);
	return tap_done();
}
