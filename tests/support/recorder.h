/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table in front of another one that keeps a list of what was mapped and
 * opened through it and not given back: whatever the library forgets stays on
 * that list. It can also behave as kernels that this machine is not.
 */
#ifndef TESTS_SUPPORT_RECORDER_H
#define TESTS_SUPPORT_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/spanset.h"
#include "sys/sys.h"

#define RECORDER_SPANS 1024u
#define RECORDER_FILES 16u

struct recorder {
	struct vas_sys sys;
	struct vas_sys *next;
	struct vas_spanset mapped; /* by calls through here, and there still */
	struct vas_span mapped_items[RECORDER_SPANS];
	int files[RECORDER_FILES]; /* descriptors opened through here; -1 = free */
	uint64_t maps; /* calls so far */
	uint64_t foreign; /* bytes that were unmapped or replaced here without having been mapped here */
	/* How this kernel differs. */
	bool ignores_noreplace; /* MAP_FIXED_NOREPLACE is a hint */
	bool ignores_hints; /* without MAP_FIXED every mapping lands elsewhere */
	bool refuses_names; /* queries that ask for the name answer -ENAMETOOLONG */
	bool no_query; /* PROCMAP_QUERY answers -ENOTTY */
	bool no_sync; /* msync answers -EINVAL */
	int no_advices[4]; /* advice that answers -EINVAL; 0 = none */
	uint64_t refuse_above; /* mappings of more bytes than that answer refuse_error; 0 = none */
	int refuse_error;
	/* Memory for the books (anywhere, readable, writable): calls so far, and which of them fails. */
	uint64_t books_maps, books_fail_at;
	bool books_persistent; /* and all after it */
	int books_error;
	uint64_t lose_claims; /* so many claims of a fixed address answer -EEXIST */
};

void recorder_init(struct recorder *recorder, struct vas_sys *next);
/* Bytes on the list, and open descriptors. */
uint64_t recorder_bytes(const struct recorder *recorder);
unsigned int recorder_open(const struct recorder *recorder);
/* Unmaps and closes all that is on the list, and forgets how the kernel differs. */
void recorder_clear(struct recorder *recorder);

#endif
