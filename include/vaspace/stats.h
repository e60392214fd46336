/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vaspace/stats.h - who owns which bytes, and what the library did.
 */
#ifndef VASPACE_STATS_H
#define VASPACE_STATS_H

#include <vaspace/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Counters since the process started (or since fork, in a child), and sums over what lives now. */
struct vas_stats {
	size_t size; /* set by the caller: sizeof(struct vas_stats) */
	uint64_t spans; /* live reserved spans, held ones not counted in */
	uint64_t reserved; /* bytes in them */
	uint64_t committed; /* bytes of them that are committed */
	uint64_t held; /* spans whose release was refused so far */
	uint64_t held_bytes;
	uint64_t books; /* bytes mapped for the library's own metadata */
	uint64_t reserves; /* successful calls */
	uint64_t reserve_failures;
	uint64_t commits;
	uint64_t commit_failures;
	uint64_t releases;
	uint64_t probes; /* addresses tried by reserve */
	uint64_t taken; /* of these: found taken */
	uint64_t readings; /* times that the mappings were read as text */
	uint64_t queries; /* PROCMAP_QUERY calls */
	int64_t vmas; /* kernel mappings that the live spans ask for, as the books see them */
	int64_t vma_delta; /* change of that by the last call that claimed, gave back or changed something */
};

/*
 * Fills *stats. The sums are consistent with each other; counters are exact.
 *
 * Errors, with *stats untouched:
 *  -EINVAL	stats is NULL or its size field is below the first version's
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_stats_get(struct vas_stats *stats);

/* One line of the ledger: all spans of one name. */
struct vas_ledger_entry {
	size_t size; /* set by the caller: sizeof(struct vas_ledger_entry) */
	uint64_t spans;
	uint64_t reserved; /* bytes */
	uint64_t committed; /* bytes */
	uint64_t peak_reserved; /* bytes, the most there was at once */
	char name[32];
};

/*
 * Fills *entry with the ledger's line number index, from 0, in the order in
 * which names first appeared. Lines are never removed.
 *
 * Errors, with *entry untouched:
 *  -EINVAL	entry is NULL or its size field is below the first version's
 *  -ENOENT	there is no such line
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Thread-safe. Not signal-safe.
 */
VAS_API int vas_ledger_get(size_t index, struct vas_ledger_entry *entry);

/*
 * Compares the library's books with what the kernel tells of this process:
 * every owned span is mapped as the books say, and the books' own invariants
 * hold.
 *
 * Changes nothing. Errors:
 *  -EBADMSG	they differ; *where (may be NULL) is an address that differs
 *  -ENOENT, -EPERM, -EACCES, -ENOSYS, -EMFILE, -ENFILE, -ENOMEM, -EIO	the mappings cannot be read
 *  -EOWNERDEAD	a child whose fork was not announced; see vas_fork_child
 *
 * Meant for tests and for debugging: reads all mappings under the library's
 * lock. Thread-safe. Not signal-safe.
 */
VAS_API int vas_sync_check(uint64_t *where);

#ifdef __cplusplus
}
#endif
#endif
