/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The main job on the real process: reserve spans under several limits, commit and write a part of each,
 * show the layout, release them, and show a refusal.
 *
 * tools/quickstart builds and runs it: vaspace-quickstart [VASMAP], where VASMAP is the command that
 * prints the layout. Exit status 1 when anything went otherwise than it should.
 */
#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

extern char **environ;

/* Where an x86 IOMMU expects interrupt messages: a device must not have memory there. */
static const struct vas_span msi_window = { 0xfee00000, MIB };

static const struct vas_limits gpu = {
	.size = sizeof(gpu),
	.name = "gpu",
	.max = UINT64_C(1) << 39,
	.alignment = 2 * MIB,
};

static const struct vas_limits iommu = {
	.size = sizeof(iommu),
	.name = "iommu",
	.max = UINT64_C(1) << 48,
	.holes = &msi_window,
	.hole_count = 1,
};

static const struct vas_limits *const devices[] = { &gpu, &iommu };

/* One span to reserve: what is asked, in words and as options. */
struct request {
	const char *words;
	uint64_t size;
	struct vas_reserve_opts opts;
	struct vas_span span;
};

static int fail(const char *what, int error)
{
	char line[512];

	if (vas_report_format(line, sizeof(line)) <= 0)
		snprintf(line, sizeof(line), "%s", strerror(-error));
	fprintf(stderr, "quickstart: %s: %s\n", what, line);
	return 1;
}

/* Commits the first 64 KiB, sees that it reads as zeroes, writes all of it. */
static int use(const struct request *request)
{
	unsigned char *start = vas_span_pointer(request->span);
	int error = vas_commit(start, 64 * KIB, NULL);

	if (error)
		return fail(request->words, error);
	for (size_t i = 0; i < 64 * KIB; i++) {
		if (start[i] != 0) {
			fprintf(stderr, "quickstart: committed memory is not zero\n");
			return 1;
		}
	}
	memset(start, 0xa5, 64 * KIB);
	return 0;
}

static int reserve(struct request *request)
{
	int error = vas_reserve(request->size, &request->opts, &request->span);

	if (error)
		return fail(request->words, error);
	printf("  %012" PRIx64 "-%012" PRIx64 "  %s\n", request->span.start,
	       request->span.start + request->span.size, request->words);
	return use(request);
}

static int show_layout(char *vasmap)
{
	char pid[24];
	char *arguments[] = { vasmap, pid, NULL };
	pid_t child;
	int status;

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	printf("\nThe layout of this process, by vasmap:\n\n");
	fflush(stdout);
	if (posix_spawn(&child, vasmap, NULL, NULL, arguments, environ) != 0) {
		fprintf(stderr, "quickstart: %s: cannot be run\n", vasmap);
		return 1;
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status);
}

/* A refusal explains itself: 64 GiB cannot lie below 4 GiB. */
static int show_refusal(void)
{
	char line[512];
	struct vas_span span;

	VAS_OPTS(vas_reserve_opts, opts);
	opts.max = 4 * GIB;
	if (vas_reserve(64 * GIB, &opts, &span) != -ERANGE ||
	    vas_report_format(line, sizeof(line)) <= 0)
		return 1;
	printf("\nA request that cannot be met: 64 GiB below 4 GiB.\n  %s\n", line);
	return 0;
}

int main(int argc, char **argv)
{
	struct request requests[] = {
		{ .words = "64 GiB for GPU and IOMMU: below 2^39, 2 MiB aligned, no MSI window",
		  .size = 64 * GIB,
		  .opts = { .limits = devices, .limit_count = 2, .name = "heap" } },
		{ .words = "256 MiB for code, within 2 GiB of main()",
		  .size = 256 * MIB,
		  .opts = { .place = VAS_PLACE_NEAR,
			    .address = (uintptr_t)&main,
			    .reach = 2 * GIB,
			    .name = "code" } },
		{ .words = "1 GiB at a place chosen by a key, the same in each process",
		  .size = GIB,
		  .opts = { .place = VAS_PLACE_SCATTER, .key = 42, .name = "shared" } },
		{ .words = "4 GiB for compressed pointers, below 32 GiB",
		  .size = 4 * GIB,
		  .opts = { .max = 32 * GIB, .place = VAS_PLACE_LOW, .name = "objects" } },
		{ .words = "1 MiB anywhere", .size = MIB, .opts = { .name = "anywhere" } },
	};
	const size_t count = sizeof(requests) / sizeof(requests[0]);
	int failed = 0;

	printf("Spans reserved, their first 64 KiB committed and written:\n\n");
	for (size_t i = 0; i < count; i++) {
		requests[i].opts.size = sizeof(requests[i].opts);
		if (reserve(&requests[i]) != 0)
			return 1;
	}
	if (argc > 1)
		failed |= show_layout(argv[1]);
	for (size_t i = 0; i < count; i++) {
		int error = vas_release(vas_span_pointer(requests[i].span), NULL);

		if (error)
			failed |= fail("release", error);
	}
	printf("\nAll %zu spans are released.\n", count);
	return failed | show_refusal();
}
