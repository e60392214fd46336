/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 10 */
/*
 * vasmap on a process with 60,000 mappings: it must not take 8 MiB of memory in any of its forms.
 * How its time compares with that of cat for the same maps is a figure, no verdict (vasbench find
 * has the bound): runs are interleaved and medians compared.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/command.h"
#include "tap/tap.h"

#define MAPPING_SIZE (16 << 10)
#define RUNS	     11
#define RSS_MAX_KIB  (8 << 10)

static char vasmap[4096];
static char pid_text[16];
static char maps_path[32];

/*
 * Neighbours differ in permission, and every sixth is of a file, so that none merge and few fold.
 */
static void prepare(void *argument)
{
	size_t count = *(const size_t *)argument;
	char *memory = mmap(NULL, count * MAPPING_SIZE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int file = memfd_create("many", 0);

	if (memory == MAP_FAILED || file < 0 || ftruncate(file, MAPPING_SIZE) != 0)
		tap_bail("memory for %zu mappings: %s", count, strerror(errno));
	for (size_t i = 0; i < count; i++) {
		char *at = memory + i * MAPPING_SIZE;
		int prot = i % 2 ? PROT_READ : PROT_READ | PROT_WRITE;

		if (i % 6 == 5) {
			if (mmap(at, MAPPING_SIZE, prot, MAP_SHARED | MAP_FIXED, file, 0) ==
			    MAP_FAILED)
				tap_bail("mmap: %s", strerror(errno));
		} else if (mprotect(at, MAPPING_SIZE, prot) != 0) {
			tap_bail("mprotect: %s", strerror(errno));
		}
	}
}

static double seconds_of(const char *const arguments[], int output)
{
	struct command command = { .output = output };
	double seconds;

	command_run(&command, arguments);
	if (command.status != 0)
		tap_diag("%s: status %d: %s", arguments[0], command.status, command.err);
	seconds = command.status == 0 ? command.seconds : 1e9;
	command_free(&command);
	return seconds;
}

static int compare(const void *a, const void *b)
{
	double first = *(const double *)a, second = *(const double *)b;

	return (first > second) - (first < second);
}

static double median(double *values)
{
	qsort(values, RUNS, sizeof(*values), compare);
	return values[RUNS / 2];
}

/* The ratio of medians of vasmap with this option (NULL: none) and cat. */
static double measure(const char *option, int null, double *milliseconds, double *cat_milliseconds)
{
	const char *cat[] = { "/bin/cat", maps_path, NULL };
	const char *ours[] = { vasmap, pid_text, option, NULL };
	double cat_seconds[RUNS], our_seconds[RUNS];

	for (int i = 0; i < RUNS; i++) {
		cat_seconds[i] = seconds_of(cat, null);
		our_seconds[i] = seconds_of(ours, null);
	}
	*cat_milliseconds = median(cat_seconds) * 1e3;
	*milliseconds = median(our_seconds) * 1e3;
	return *milliseconds / *cat_milliseconds;
}

static void compare_speed(int null)
{
	static const char *const options[] = { NULL, "--all", "--gaps", "--summary", "--json" };

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const char *name = options[i] ? options[i] + 2 : "list";
		double ours, cat, ratio = measure(options[i], null, &ours, &cat);
		char figure[64];

		snprintf(figure, sizeof(figure), "vasmap_%s_to_cat", name);
		tap_figure(figure, ratio, "ratio");
		tap_diag("%s: %.1f ms, cat %.1f ms", name, ours, cat);
	}
}

static void check_memory(int null)
{
	static const char *const options[] = { NULL,	    "--all",  "--gaps",
					       "--summary", "--json", "--bytes" };

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const char *arguments[] = { vasmap, pid_text, options[i],
					    options[i] ? "--color=never" : NULL, NULL };
		struct command command = { .output = null };

		command_run(&command, arguments);
		ok(command.status == 0 && command.max_rss_kib < RSS_MAX_KIB,
		   "%s takes %ld KiB of memory, below %d", options[i] ? options[i] : "the listing",
		   command.max_rss_kib, RSS_MAX_KIB);
		command_free(&command);
	}
}

/* Beyond what can be held back the totals come last, and no row is lost. */
static void check_overflow(size_t count)
{
	const char *arguments[] = { vasmap, "--all", "--bytes", pid_text, NULL };
	struct command command = { 0 };
	size_t rows = 0, expected = 0;
	char *maps = process_file((pid_t)atoi(pid_text), "maps"), *last;

	command_run(&command, arguments);
	for (const char *at = maps; (at = strchr(at, '\n')); at++)
		expected++;
	for (const char *at = command.out; (at = strstr(at, " - ")); at++)
		rows++;
	/* The titles have one too. */
	is_u64(rows, expected + 1, "%zu mappings are as many rows", count);
	command.out[command.out_length - 1] = 0;
	last = strrchr(command.out, '\n');
	if (command.out_length > 513 << 10)
		ok(last && strncmp(last, "\nVMAs ", 6) == 0,
		   "the totals come last when there are many");
	else
		ok(strncmp(strchr(command.out, '\n'), "\nVMAs ", 6) == 0,
		   "the totals come first when there are few");
	free(maps);
	command_free(&command);
}

int main(void)
{
	size_t count = (size_t)tap_scaled(60000);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid_t pid;

	tap_plan(0);
	if (count > 60000)
		count = 60000;
	snprintf(vasmap, sizeof(vasmap), "%s", command_path("bin/vasmap"));
	pid = target_start(prepare, &count);
	snprintf(pid_text, sizeof(pid_text), "%d", (int)pid);
	snprintf(maps_path, sizeof(maps_path), "/proc/%d/maps", (int)pid);
	/* A sanitizer's own time and memory say nothing about vasmap. */
	if (!tap_under_sanitizer()) {
		if (count == 60000)
			compare_speed(null);
		check_memory(null);
	}
	check_overflow(count);
	target_end(pid);
	return tap_done();
}
