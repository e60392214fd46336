/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that is mapped where nobody looks, until it is moved to its place. No span is reserved for it. */
#ifndef VAS_ARENA_ASIDE_H
#define VAS_ARENA_ASIDE_H

#include <stdint.h>

#include "space/part.h"

/*
 * Memory as content says, populated, with the recipe of the span that the range lies in and the given protection, as large as the range. Private
 * memory of huge pages' size lies as the range does to these, so that the kernel can move their tables. As vas_commit.
 */
int vas_aside_make(struct vas_space *space, struct vas_span range,
		   const struct vas_part_content *content, uint32_t recipe, int prot,
		   struct vas_failure *failure, uint64_t *aside);
/* A copy of private memory that may be read, beside what that is. */
int vas_aside_copy(struct vas_space *space, struct vas_span range,
		   const struct vas_part_content *content, uint32_t recipe,
		   struct vas_failure *failure, uint64_t *aside);
void vas_aside_copy_bytes(uint64_t to, struct vas_span from);

#endif
