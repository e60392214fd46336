/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which process this is: a number that a forked child does not have. For what
 * must not be used there as it was: books that another thread was changing, descriptors of
 * files about the parent.
 */
#ifndef VAS_SYS_PROCESS_H
#define VAS_SYS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/sys.h"

/*
 * From now on the number stands in page, a whole page of memory, and reads as 0 in a
 * child whose fork nobody announced; where the kernel cannot do that it stays the parent's. NULL:
 * it stands nowhere again. Serialised by the caller.
 */
void vas_process_watch(struct vas_sys *sys, uint32_t *page);
/* The number; 0 = a child, not announced. Signal-safe. */
uint32_t vas_process_number(void);
/* In a child: a number of its own. */
void vas_process_renew(void);

#endif
