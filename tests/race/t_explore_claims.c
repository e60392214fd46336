/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: noasan */
/* budget: 10 */
/*
 * Claims of a ring's parts in every order of steps that two or three pre-emptions make: producers claim and settle, a consumer frees, and one
 * of them dies at any step. No part may have two owners, each record comes once and in its producer's order, and those
 * that live can go on. Ways of doing it wrong are explored, too, and must be found.
 */
#include "support/explorer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void step(void);
static bool compare_exchange(uint64_t *word, uint64_t *expected, uint64_t value);

#define VAS_WORD_STEP() step()
#define __atomic_compare_exchange_n(word, expected, value, weak, yes, no)                          \
	(sizeof(*(word)) == sizeof(uint64_t) &&                                                    \
	 compare_exchange((uint64_t *)(void *)(word), (uint64_t *)(void *)(expected), value))

#include "arena/claims.c"

#undef __atomic_compare_exchange_n

#include "tap/tap.h"

enum { SLOTS = 2, UNITS = 8, RECORDS = 16, PRODUCERS = 2, NOBODY = -1 };
enum wrong { RIGHT, LATE_POSITION, TWO_OWNERS };

static enum wrong wrong;
static unsigned int mortal; /* the thread that dies */
static unsigned int many[] = { 2, 1 }; /* claims of each */
static uint64_t ring =
	UNITS *
	8; /* bytes; less than what the slots may hold: then there is no room sooner than no slot */
static int lives; /* so many steps; -1: it does not */

static struct {
	struct vas_claim_slot slots[SLOTS];
	struct vas_claim_marks marks;
	struct vas_claims claims;
	int owner[UNITS];
	int value[UNITS]; /* at a record's first unit: what it is */
	int put[PRODUCERS]; /* records that are ready */
	int got[PRODUCERS];
	int last; /* got, and perhaps not given back: -1 none */
	int dead; /* claims of which the consumer was told so */
	int left; /* steps until it dies */
	bool died, again;
	jmp_buf grave;
} world;

static void step(void)
{
	explorer_step();
	if (world.left >= 0 && explorer_thread() == mortal && world.left-- == 0) {
		world.died = true;
		longjmp(world.grave, 1);
	}
}

static bool is_position(const uint64_t *word)
{
	for (unsigned int i = 0; i < SLOTS; i++)
		if (word == &world.slots[i].position)
			return true;
	return false;
}

static bool compare_exchange(uint64_t *word, uint64_t *expected, uint64_t value)
{
	bool blind = (wrong == LATE_POSITION && is_position(word)) ||
		     (wrong == TWO_OWNERS && !is_position(word));

	if (*word != *expected && !blind) {
		*expected = *word;
		return false;
	}
	*word = value;
	return true;
}

/* Who has the units of a claim from now on. */
static void own(uint64_t position, uint64_t bytes, int before, int owner)
{
	for (uint64_t i = 0; i < bytes / 8; i++) {
		int *unit = &world.owner[(position / 8 + i) % (ring / 8)];

		if (*unit != before)
			explorer_fault("unit %d has owner %d", (int)(unit - world.owner), *unit);
		*unit = owner;
	}
}

/* Of one record each: two units, three the next time. */
static void put(unsigned int place)
{
	int number = world.put[place];
	uint64_t room = 16 + 8 * ((uint64_t)number % 2), seen = world.marks.head;
	struct vas_claim claim;
	int err = -EAGAIN;

	for (unsigned int tries = 0; tries < 2 && err == -EAGAIN; tries++) {
		err = vas_claim_take(&world.claims, place, room, &seen, &claim);
		if (err == -EAGAIN)
			explorer_pause();
	}
	if (err) {
		if (err != -EAGAIN)
			explorer_fault("claim: %d", err);
		return;
	}
	own(claim.position, room, NOBODY, (int)place);
	world.value[claim.position / 8 % (ring / 8)] = (int)place * RECORDS + number;
	vas_claim_settle(&world.claims, &claim, VAS_CLAIM_READY);
	world.put[place]++;
}

static void take_in(struct vas_claim *claim)
{
	unsigned int place = vas_claim_place(claim->word);
	int value = world.value[claim->position / 8 % (ring / 8)];

	if (value / RECORDS != (int)place)
		explorer_fault("%d is said to be of %u", value, place);
	/* Who took over reads the last one again, if it was not given back. */
	if (world.again && value == world.last)
		return;
	world.again = false;
	if (value % RECORDS != world.got[place])
		explorer_fault("%d after %d records", value, world.got[place]);
	world.got[place]++;
	world.last = value;
	own(claim->position, vas_claim_bytes(claim->word), (int)place, NOBODY);
}

/* One look. Whether anything came of it. */
static bool get(struct vas_claim *claim)
{
	switch (vas_claim_look(&world.claims, claim)) {
	case VAS_CLAIM_READY:
		take_in(claim);
		break;
	case VAS_CLAIM_CLAIMED:
		if (!world.died || vas_claim_place(claim->word) != mortal ||
		    !vas_claim_bury(&world.claims, claim))
			return false;
		/* fall through */
	case VAS_CLAIM_DEAD:
		world.dead++;
		/* It may have come to writing it, or not. */
		for (uint64_t i = 0; i < vas_claim_bytes(claim->word) / 8; i++)
			world.owner[(claim->position / 8 + i) % (ring / 8)] = NOBODY;
		break;
	case VAS_CLAIM_SPOILT:
		explorer_fault("spoilt");
		return false;
	default:
		return false;
	}
	vas_claim_free(&world.claims, claim);
	return true;
}

static void world_begin(void *state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.claims = (struct vas_claims){ world.slots, &world.marks, SLOTS, ring };
	for (unsigned int i = 0; i < UNITS; i++)
		world.owner[i] = NOBODY;
	world.left = lives;
	world.last = NOBODY;
}

static void produce(unsigned int place)
{
	/* Of one thread at most, so that there is one grave. */
	if (mortal == place && lives >= 0 && setjmp(world.grave))
		return;
	for (unsigned int i = 0; i < many[place]; i++)
		put(place);
}

static void produce_0(void *state)
{
	(void)state;
	produce(0);
}

static void produce_1(void *state)
{
	(void)state;
	produce(1);
}

static void consume(void *state)
{
	struct vas_claim claim = { 0, 0, 0 };

	(void)state;
	if (mortal == PRODUCERS && lives >= 0 && setjmp(world.grave))
		return;
	for (unsigned int i = 0; i < 4; i++)
		if (!get(&claim))
			explorer_pause();
}

/* All that is left comes out, and all can go on. */
static void world_end(void *state)
{
	struct vas_claim claim;

	(void)state;
	world.left = -1;
	if (world.died && mortal < PRODUCERS)
		vas_claims_bury(&world.claims, mortal);
	world.again = world.died && mortal == PRODUCERS;
	if (vas_claim_resume(&world.claims, &claim)) {
		explorer_fault("cannot be taken over");
		return;
	}
	while (get(&claim))
		;
	for (unsigned int i = 0; i < PRODUCERS; i++)
		if (world.got[i] != world.put[i])
			explorer_fault("%d of %d came", world.got[i], world.put[i]);
	if (world.dead > (world.died ? 1 : 0))
		explorer_fault("%d are dead", world.dead);
	for (unsigned int i = 0; i < UNITS; i++)
		world.owner[i] = NOBODY;
	world.again = false;
	world.put[0] = world.got[0] = 0;
	for (unsigned int i = 0; i < SLOTS + 1u; i++) {
		put(0);
		if (world.put[0] != (int)i + 1 || !get(&claim))
			explorer_fault("no more can be put");
	}
}

static void explore(const char *name, unsigned int preemptions, bool fault_wanted)
{
	struct explorer_scenario scenario = { .name = name,
					      .begin = world_begin,
					      .end = world_end,
					      .thread = { produce_0, produce_1, consume },
					      .preemptions = preemptions };
	const struct rlimit no_core = { 0, 0 };
	struct explorer_result result;
	int status;
	pid_t child;

	if (!fault_wanted) {
		explorer_point(&scenario, false);
		return;
	}
	child = fork();
	if (child == 0) {
		close(STDERR_FILENO);
		setrlimit(RLIMIT_CORE, &no_core);
		explorer_run(&scenario, &result);
		_exit(result.fault ? 0 : 1);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		tap_bail("no child");
	ok(!WIFEXITED(status) || WEXITSTATUS(status) == 0, "%s: a fault is found", name);
}

int main(void)
{
	char name[64];

	tap_plan(0);
	lives = -1;
	explore("two producers and a consumer", 2, false);
	for (unsigned int who = 0; who < 2; who++)
		for (lives = 0; lives < 30; lives++) {
			mortal = who ? PRODUCERS : 0;
			snprintf(name, sizeof(name), "%s dies after %d steps",
				 who ? "the consumer" : "a producer", lives);
			explore(name, 1, false);
		}
	/* With little room heads are looked at, too, while a claim that nobody told of is buried. */
	ring = 24;
	mortal = 0;
	for (lives = 20; lives < 32; lives++) {
		snprintf(name, sizeof(name), "little room, and a producer dies after %d steps",
			 lives);
		explore(name, 1, false);
	}
	ring = UNITS * 8;
	lives = -1;
	wrong = TWO_OWNERS;
	explore("words written without compare", 2, true);
	many[0] = 4;
	wrong = RIGHT;
	explore("two laps", 2, false);
	wrong = LATE_POSITION;
	explore("positions written without compare", 2, true);
	return tap_done();
}
