/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan */
/*
 * Access taken away from views, and given back (vas_part_close): of all parts or of none. When the kernel refuses one, those before
 * it are as they were, in its mappings and in the books.
 */
#include <errno.h>
#include <sys/mman.h>

#include "space/part.h"
#include "sys/fault.h"
#include "sys/sim.h"
#include "tap/tap.h"

#define PAGE  UINT64_C(4096)
#define PAGES 4u
#define PARTS 3u

static const int prots[PARTS] = { PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC };

static struct vas_sys_sim sim;
static struct vas_sys_fault fault;
static struct vas_space space;
static struct vas_span span;
static const struct vas_holding_user_ops user_ops = { .retired = NULL };
static struct vas_holding_user user = { .ops = &user_ops };

static struct vas_span part_of(unsigned int number)
{
	return (struct vas_span){ span.start + number * PAGES * PAGE, PAGES * PAGE };
}

static void fail(const char *what)
{
	tap_bail("%s", what);
}

/* Parts of one object, side by side, each with its own protection. */
static void begin(void)
{
	static const struct vas_reserve_opts opts = { .size = sizeof(opts) };
	const struct vas_sim_config config = { .seed = 1 };
	struct vas_failure failure = { 0 };
	int fd;

	tap_ignore_leaks(TAP_LEAK_VMAS);
	if (vas_sys_sim_init(&sim, &config))
		fail("no simulated kernel");
	vas_sys_fault_init(&fault, &sim.sys);
	if (vas_space_init(&space, &fault.sys, vas_sys_real()) ||
	    vas_space_reserve(&space, PARTS * PAGES * PAGE, &opts, &failure, &span) ||
	    vas_space_use_at(&space, span.start, &user))
		fail("no simulated span");
	fd = (int)sim.sys.create(&sim.sys, "object", 0);
	if (fd < 0)
		fail("no simulated object");
	for (unsigned int i = 0; i < PARTS; i++) {
		const struct vas_commit_opts commit = {
			.size = sizeof(commit),
			.flags = VAS_COMMIT_SHARED | VAS_COMMIT_SHOWN,
			.prot = prots[i],
			.fd = fd,
			.offset = i * PAGES * PAGE,
		};

		if (vas_part_pin_used(&space, &user, &failure) ||
		    vas_part_commit(&space, user.holding, part_of(i), &commit, NULL, &failure))
			fail("no part");
		vas_part_unpin_used(&space, &user);
	}
}

static int kernel_prot(unsigned int number)
{
	for (size_t i = 0; i < sim.count; i++)
		if (sim.mappings[i].start <= part_of(number).start &&
		    part_of(number).start < sim.mappings[i].end)
			return sim.mappings[i].prot;
	return -1;
}

static void check(bool closed, const char *when)
{
	uint64_t where;

	for (unsigned int i = 0; i < PARTS; i++)
		is_i64(kernel_prot(i), closed ? 0 : prots[i], "%s: part %u", when, i);
	is_err(vas_space_check(&space, &where), 0, "%s: so the books say", when);
}

static void change(bool closed, uint64_t refused, const char *when)
{
	struct vas_failure failure = { 0 };
	int err;

	fault.operation = "protect";
	vas_sys_fault_arm(&fault, refused, false, EACCES); /* no shortage: nothing is tried again */
	err = vas_part_close(&space, user.holding, span, closed, &failure);
	vas_sys_fault_arm(&fault, 0, false, 0);
	is_err(err, refused ? EACCES : 0, "%s", when);
	check(refused ? !closed : closed, when);
}

int main(void)
{
	tap_plan(0);
	begin();
	check(false, "shown");
	for (unsigned int i = 1; i <= PARTS; i++)
		change(true, i, "closing, with one refused");
	change(true, 0, "closed");
	for (unsigned int i = 1; i <= PARTS; i++)
		change(false, i, "opening, with one refused");
	change(false, 0, "opened");
	return tap_done();
}
