/* SPDX-License-Identifier: BSD-2-Clause */
/* Who has a place in memory that processes share, as one word; and whether that process is gone. */
#ifndef VAS_ARENA_PEER_H
#define VAS_ARENA_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/sys.h"

#define VAS_PEER_NONE	 UINT64_C(0)
#define VAS_PEER_UNKNOWN UINT64_C(1) /* somebody of whom nothing can be told */

/* Which processes' numbers are of one kind: two that see the same have the same. 0 = cannot be told. */
uint64_t vas_peer_namespace(struct vas_sys *sys);
/* This process, among those of a namespace. Never NONE. */
uint64_t vas_peer_self(struct vas_sys *sys, uint64_t namespace);
/* Only if that is certain. A process that has executed another program has nothing any more: it is gone, too. */
bool vas_peer_gone(struct vas_sys *sys, uint64_t namespace, uint64_t peer);

#endif
