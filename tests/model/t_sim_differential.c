/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 25 */
/*
 * The simulated kernel against the real one: 3 x 10^5 random calls get the same
 * errno or the same address, and leave the same maps. Rounds near RLIMIT_AS
 * and near max_map_count are among them. A failing round is shrunk and printed.
 * Not under AddressSanitizer: its runtime maps in the compared space, and cannot
 * live under RLIMIT_AS.
 *
 * Known differences, kept out of the calls that are made:
 *
 *	MADV_WILLNEED, MADV_COLLAPSE, MADV_MERGEABLE, memory failure: depend on
 *		how the kernel was built; the simulator refuses all but the first
 *	protection keys, MAP_32BIT, RLIMIT_DATA: not simulated (hugetlbfs: t_sim_huge.c)
 *	mremap of several mappings at once: real moves all from 6.17 on, simulated EFAULT
 *	touching below MAP_GROWSDOWN memory: real growth, simulated nothing
 *	kernels before 6.7: placing of whole huge pages is measured and followed
 *
 * docs/simulated-kernel.md has the same list with reasons.
 */
#include <errno.h>
#include <stdio.h>

#include "base/random.h"
#include "support/differential.h"
#include "tap/tap.h"

static const struct {
	struct differential_scenario scenario;
	uint32_t calls;
	uint32_t round;
} suites[] = {
	{ { .name = "plain" }, 100000, 1000 },
	{ { .name = "objects", .objects = true }, 60000, 1000 },
	{ { .name = "dense", .dense = true }, 40000, 1000 },
	{ { .name = "near RLIMIT_AS", .address_room = 3 << 20 }, 40000, 1000 },
	{ { .name = "near max_map_count", .mapping_room = 24 }, 30000, 2000 },
	{ { .name = "objects near max_map_count", .objects = true, .mapping_room = 24 },
	  20000,
	  2000 },
};

static uint64_t run_suite(size_t index, struct differential_round *round, uint64_t seed)
{
	const struct differential_scenario *scenario = &suites[index].scenario;
	uint64_t calls = tap_scaled(suites[index].calls);
	uint64_t done = 0, refused = 0, exhausted = 0;

	if (scenario->mapping_room && !differential_can_fill()) {
		tap_skip(2, "many-mappings", "vm.max_map_count is too high to be met");
		return 0;
	}
	while (done < calls) {
		uint64_t left = calls - done;
		uint32_t count = left < suites[index].round ? (uint32_t)left : suites[index].round;

		differential_generate(round, vas_mix64(seed + index * 1000003 + done), scenario,
				      count);
		if (!differential_run(round, scenario)) {
			ok(false, "%s: %llu calls agree", scenario->name,
			   (unsigned long long)calls);
			tap_diag("round at %llu, call %u: %s", (unsigned long long)done,
				 round->failed_at, round->message);
			differential_shrink(round, scenario);
			return done;
		}
		done += count;
		refused += round->refused;
		exhausted += round->exhausted;
	}
	if (scenario->mapping_room)
		ok(exhausted > 0 || calls < 2000,
		   "%s: the limit was met, by %llu advices among others", scenario->name,
		   (unsigned long long)exhausted);
	ok(refused > 0 && refused < done, "%s: %llu calls agree, %llu of them refused",
	   scenario->name, (unsigned long long)calls, (unsigned long long)refused);
	return done;
}

int main(void)
{
	struct differential_round *round;
	const char *obstacle = differential_obstacle();
	uint64_t seed, done = 0;

	tap_plan(0);
	if (obstacle)
		tap_skip_all(obstacle, "this kernel is set up in a way that is not simulated");
	seed = tap_seed();
	round = differential_new();
	if (!round)
		tap_bail("no memory for the calls");
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		done += run_suite(i, round, seed);
	tap_figure("calls compared with the real kernel", (double)done, "calls");
	return tap_done();
}
