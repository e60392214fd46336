/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Claims: who of many producers has which part of a ring, in which order. claims.c says how.
 *
 * Claims are numbered by tickets. Ticket t has slot t modulo their count, for its lap, t divided by it. A slot's word says of which lap it is,
 * whether that ticket is free or what became of it, whose place it is and how much it has; its position says where in the ring.
 *
 * Invariants of slots between the consumer's ticket c and the tail's t:
 *  c..t-1	claimed, ready, dropped or dead, of their lap; position(i + 1) = position(i) + bytes(i); position(c) is what was given back
 *  t..c+count-1	free, of their lap
 */
#ifndef VAS_ARENA_CLAIMS_H
#define VAS_ARENA_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#define VAS_CLAIM_UNIT	 8u /* bytes; what is claimed is a multiple */
#define VAS_CLAIM_MOST	 ((UINT64_C(1) << 27) - VAS_CLAIM_UNIT) /* bytes at once */
#define VAS_CLAIM_PLACES 256u
#define VAS_CLAIM_NOBODY VAS_CLAIM_PLACES /* for a look that claims nothing */

enum vas_claim_state {
	VAS_CLAIM_FREE, /* not claimed yet */
	VAS_CLAIM_CLAIMED, /* being filled */
	VAS_CLAIM_READY,
	VAS_CLAIM_DROPPED, /* given up by its producer */
	VAS_CLAIM_DEAD, /* its producer died */
	VAS_CLAIM_SPOILT /* only as an answer: nothing that was ever written by a well-behaved peer */
};

struct vas_claim_slot {
	uint64_t word; /* (atomic) claims.c has its parts */
	uint64_t position; /* (atomic) of its ticket, in bytes; never a value that it had before */
};

/* In memory that processes share. All zero at first. */
struct vas_claim_marks {
	uint64_t tail __attribute__((aligned(64))); /* (atomic) the next ticket, or the last that was claimed */
	uint64_t head __attribute__((aligned(64))); /* (atomic) bytes given back */
	uint64_t first; /* (atomic) the consumer's ticket, or the one before it */
};

struct vas_claims {
	struct vas_claim_slot *slots; /* shared */
	struct vas_claim_marks *marks; /* shared */
	uint64_t count; /* of slots: a power of two, at least 2 */
	uint64_t bytes; /* of the ring */
};

/* One claim, as its producer or the consumer has it. */
struct vas_claim {
	uint64_t ticket;
	uint64_t position;
	uint64_t word;
};

/*
 * Producers: claims room bytes, a multiple of the unit and at most MOST, for a place. *seen is where head was when it was looked at last.
 * -EAGAIN: no room or no slot; -EBADMSG. With NOBODY: whether that would do just now.
 */
int vas_claim_take(const struct vas_claims *claims, uint32_t place, uint64_t room, uint64_t *seen,
		   struct vas_claim *claim);
/* What becomes of it: READY or DROPPED. */
void vas_claim_settle(const struct vas_claims *claims, const struct vas_claim *claim,
		      enum vas_claim_state state);
/* Declares what a place has claimed dead. Its process is gone, and nobody else claims for it meanwhile. */
void vas_claims_bury(const struct vas_claims *claims, uint32_t place);

/* The consumer: what its ticket is like; claim has the ticket and the position. Answers with its word, but for FREE and SPOILT. */
enum vas_claim_state vas_claim_look(const struct vas_claims *claims, struct vas_claim *claim);
/* One that is CLAIMED is dead. False: it was settled meanwhile. */
bool vas_claim_bury(const struct vas_claims *claims, struct vas_claim *claim);
/* Gives it back, and goes on to the next one. */
void vas_claim_free(const struct vas_claims *claims, struct vas_claim *claim);
/* Where the last consumer was. -EBADMSG. */
int vas_claim_resume(const struct vas_claims *claims, struct vas_claim *claim);

uint64_t vas_claim_bytes(uint64_t word);
uint32_t vas_claim_place(uint64_t word);

#endif
