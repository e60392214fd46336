/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Claims of many producers.
 *
 * WHAT FOR. Producers of several threads and processes put records of any length into one ring, in one order, and any of them may die
 * at any instruction without losing more than its own record.
 *
 * STRATEGY. Had a claim been an addition to a position in the ring, who dies before it has written how long its record is would leave one
 * that nobody can step over. So a claim is one compare and exchange of a slot's word, from free to claimed, and that word has all: whose it
 * is and how long. Where it begins follows from the ticket before it, and is written into the slot before it is claimed, by all who try to.
 *
 * Position of ticket t: while slot t-1 is of its lap, its position and bytes say it. When that one was freed already, the consumer has
 * written it before it freed that one. It goes into the slot by compare and exchange from what stood there; positions only grow, so
 * who comes late cannot undo anything. Whether all that was read is of ticket t is seen at the end: the slot is still free, in t's lap.
 *
 * The tail is a hint: at most one behind, when who claimed has not come to advancing it yet, or died. Who finds it so advances it.
 *
 * The consumer frees in four steps: the next position, the slot, its ticket, and the bytes. Who takes over from one that died in between
 * finds out which were done: vas_claim_resume.
 *
 * A lap has 29 bits: who sleeps between a look at a slot and its claim would have to sleep for exactly 2^29 laps to be wrong.
 *
 * CONCURRENCY. Lock-free: who has to go round again does so because another one came to its claim, a hint or a look. No step waits for another
 * process. Safe in signal handlers. Nothing that is read is believed: a spoilt slot is answered as such, rounds are bounded.
 *
 * WHAT IT DOES NOT DO. It knows nothing of processes, nor of what lies in the ring.
 */
#include "arena/claims.h"

#include <errno.h>

#include "base/shared_word.h"

/* A slot's word, from the lowest bit: state, place, units, lap. */
#define STATE_BITS 3u
#define PLACE_BITS 8u
#define UNIT_BITS  24u
#define LAP_SHIFT  (STATE_BITS + PLACE_BITS + UNIT_BITS)
#define LAP_MASK   ((UINT64_C(1) << (64 - LAP_SHIFT)) - 1)

#define ROUNDS 65536u /* and so many for each slot, before a peer is suspected of keeping us busy */

/* What became of one try. */
#define AGAIN 1

static inline struct vas_claim_slot *slot_of(const struct vas_claims *claims, uint64_t ticket)
{
	return &claims->slots[ticket & (claims->count - 1)];
}

static inline uint64_t lap_of(const struct vas_claims *claims, uint64_t ticket)
{
	/* That of ticket -1 is the one before 0. */
	return (uint64_t)((int64_t)ticket >> __builtin_ctzll(claims->count)) & LAP_MASK;
}

static inline uint64_t word_free(uint64_t lap)
{
	return lap << LAP_SHIFT | VAS_CLAIM_FREE;
}

static inline uint64_t word_lap(uint64_t word)
{
	return word >> LAP_SHIFT;
}

static inline enum vas_claim_state word_state(uint64_t word)
{
	uint64_t state = word & ((1u << STATE_BITS) - 1);

	return state > VAS_CLAIM_DEAD ? VAS_CLAIM_SPOILT : (enum vas_claim_state)state;
}

static inline uint64_t word_with(uint64_t word, enum vas_claim_state state)
{
	return (word & ~(uint64_t)((1u << STATE_BITS) - 1)) | (uint64_t)state;
}

uint64_t vas_claim_bytes(uint64_t word)
{
	return (word >> (STATE_BITS + PLACE_BITS) & ((1u << UNIT_BITS) - 1)) * VAS_CLAIM_UNIT;
}

uint32_t vas_claim_place(uint64_t word)
{
	return word >> STATE_BITS & ((1u << PLACE_BITS) - 1);
}

/*
 * What cannot be while ticket is the tail's and its slot has this word: that is so no more, or a peer has spoilt it. The tail alone
 * does not tell: who claimed may have died before advancing it, and the consumer may have stepped over that.
 */
static int unless_moved(const struct vas_claims *claims, uint64_t ticket, uint64_t word, int err)
{
	if (vas_word_load(&claims->marks->tail) != ticket ||
	    vas_word_load(&slot_of(claims, ticket)->word) != word)
		return AGAIN;
	return err;
}

/* The slot of the tail's ticket has another word than that of a free one. */
static int claim_taken(const struct vas_claims *claims, uint64_t ticket, uint64_t word)
{
	uint64_t ahead = (word_lap(word) - lap_of(claims, ticket)) & LAP_MASK;

	/* Claimed; or freed since. */
	if ((ahead == 0 && word_state(word) != VAS_CLAIM_FREE) || ahead == 1) {
		(void)vas_word_exchange(&claims->marks->tail, ticket, ticket + 1);
		return AGAIN;
	}
	/* A lap ago somebody claimed it, and the consumer has not come to it yet. */
	if (ahead == LAP_MASK && word_state(word) != VAS_CLAIM_FREE)
		return unless_moved(claims, ticket, word, -EAGAIN);
	return unless_moved(claims, ticket, word, -EBADMSG);
}

/* Where a ticket begins, as far as nobody has gone on meanwhile; *was is what its slot says. */
static int claim_begins(const struct vas_claims *claims, uint64_t ticket, uint64_t *was,
			uint64_t *position)
{
	struct vas_claim_slot *before = slot_of(claims, ticket - 1);
	uint64_t lap = lap_of(claims, ticket - 1);
	uint64_t word = vas_word_load(&before->word);
	uint64_t begin = vas_word_load(&before->position);
	uint64_t now;

	/* Both positions are of these laps if the ticket before was not freed by then. */
	*was = vas_word_load(&slot_of(claims, ticket)->position);
	now = vas_word_load(&before->word);
	if (word_lap(now) == lap && word_lap(word) == lap && word_state(word) != VAS_CLAIM_FREE) {
		*position = begin + vas_claim_bytes(word);
		return 0;
	}
	if (word_lap(now) != ((lap + 1) & LAP_MASK))
		return unless_moved(claims, ticket, word_free(lap_of(claims, ticket)), -EBADMSG);
	*was = vas_word_load(&slot_of(claims, ticket)->position);
	*position = *was;
	return 0;
}

/* Whether the ring has room from position on. */
static int claim_fits(const struct vas_claims *claims, uint64_t ticket, uint64_t position,
		      uint64_t room, uint64_t *seen)
{
	uint64_t between = position - *seen, head;

	if (between <= claims->bytes && claims->bytes - between >= room)
		return 0;
	head = vas_word_load(&claims->marks->head);
	between = position - head;
	if (between > claims->bytes || between % VAS_CLAIM_UNIT)
		return unless_moved(claims, ticket, word_free(lap_of(claims, ticket)), -EBADMSG);
	*seen = head;
	return claims->bytes - between >= room ? 0 : -EAGAIN;
}

static int claim_try(const struct vas_claims *claims, uint64_t free, uint64_t *seen,
		     struct vas_claim *claim)
{
	struct vas_claim_slot *slot = slot_of(claims, claim->ticket);
	uint64_t word = vas_word_load(&slot->word), was;
	int err;

	if (word != free)
		return claim_taken(claims, claim->ticket, word);
	err = claim_begins(claims, claim->ticket, &was, &claim->position);
	if (!err)
		err = claim_fits(claims, claim->ticket, claim->position,
				 vas_claim_bytes(claim->word), seen);
	if (err)
		return err;
	if (claim->position % VAS_CLAIM_UNIT)
		return unless_moved(claims, claim->ticket, free, -EBADMSG);
	if (word_state(claim->word) == VAS_CLAIM_FREE) /* a look */
		return unless_moved(claims, claim->ticket, free, 0);
	if (was != claim->position)
		(void)vas_word_exchange(&slot->position, was, claim->position);
	if (!vas_word_exchange(&slot->word, free, claim->word))
		return AGAIN;
	(void)vas_word_exchange(&claims->marks->tail, claim->ticket, claim->ticket + 1);
	return 0;
}

int vas_claim_take(const struct vas_claims *claims, uint32_t place, uint64_t room, uint64_t *seen,
		   struct vas_claim *claim)
{
	uint64_t parts = room / VAS_CLAIM_UNIT << (STATE_BITS + PLACE_BITS), free;
	uint64_t rounds = ROUNDS + 4 * claims->count;
	int err;

	if (place != VAS_CLAIM_NOBODY)
		parts |= (uint64_t)place << STATE_BITS | VAS_CLAIM_CLAIMED;
	do {
		claim->ticket = vas_word_load(&claims->marks->tail);
		free = word_free(lap_of(claims, claim->ticket));
		claim->word = free | parts;
		err = claim_try(claims, free, seen, claim);
	} while (err == AGAIN && --rounds);
	return err == AGAIN ? -EAGAIN : err;
}

void vas_claim_settle(const struct vas_claims *claims, const struct vas_claim *claim,
		      enum vas_claim_state state)
{
	vas_word_store(&slot_of(claims, claim->ticket)->word, word_with(claim->word, state));
}

void vas_claims_bury(const struct vas_claims *claims, uint32_t place)
{
	for (uint64_t i = 0; i < claims->count; i++) {
		uint64_t word = vas_word_load(&claims->slots[i].word);

		if (word_state(word) == VAS_CLAIM_CLAIMED && vas_claim_place(word) == place)
			(void)vas_word_exchange(&claims->slots[i].word, word,
						word_with(word, VAS_CLAIM_DEAD));
	}
}

/* --- the consumer --- */

enum vas_claim_state vas_claim_look(const struct vas_claims *claims, struct vas_claim *claim)
{
	struct vas_claim_slot *slot = slot_of(claims, claim->ticket);
	uint64_t word = vas_word_load(&slot->word), bytes = vas_claim_bytes(word);

	if (word_lap(word) != lap_of(claims, claim->ticket))
		return VAS_CLAIM_SPOILT;
	if (word_state(word) == VAS_CLAIM_FREE)
		return VAS_CLAIM_FREE;
	if (bytes == 0 || bytes > claims->bytes ||
	    vas_word_load(&slot->position) != claim->position)
		return VAS_CLAIM_SPOILT;
	claim->word = word;
	return word_state(word);
}

bool vas_claim_bury(const struct vas_claims *claims, struct vas_claim *claim)
{
	uint64_t dead = word_with(claim->word, VAS_CLAIM_DEAD);

	if (!vas_word_exchange(&slot_of(claims, claim->ticket)->word, claim->word, dead))
		return false;
	claim->word = dead;
	return true;
}

void vas_claim_free(const struct vas_claims *claims, struct vas_claim *claim)
{
	uint64_t *next = &slot_of(claims, claim->ticket + 1)->position;
	uint64_t position = claim->position + vas_claim_bytes(claim->word),
		 was = vas_word_load(next);

	if (was != position)
		(void)vas_word_exchange(next, was, position);
	vas_word_store(&slot_of(claims, claim->ticket)->word,
		       word_free((lap_of(claims, claim->ticket) + 1) & LAP_MASK));
	claim->ticket++;
	claim->position = position;
	vas_word_store(&claims->marks->first, claim->ticket);
	vas_word_store(&claims->marks->head, position);
}

int vas_claim_resume(const struct vas_claims *claims, struct vas_claim *claim)
{
	uint64_t ticket = vas_word_load(&claims->marks->first), word, lap, position;

	word = vas_word_load(&slot_of(claims, ticket)->word);
	lap = lap_of(claims, ticket);
	/* Freed, and not said so. */
	if (word_lap(word) == ((lap + 1) & LAP_MASK)) {
		ticket++;
		word = vas_word_load(&slot_of(claims, ticket)->word);
		lap = lap_of(claims, ticket);
	}
	position = vas_word_load(&slot_of(claims, ticket)->position);
	if (word_lap(word) != lap || position % VAS_CLAIM_UNIT ||
	    position - vas_word_load(&claims->marks->head) > claims->bytes)
		return -EBADMSG;
	vas_word_store(&claims->marks->first, ticket);
	vas_word_store(&claims->marks->head, position);
	*claim = (struct vas_claim){ .ticket = ticket, .position = position };
	return 0;
}
