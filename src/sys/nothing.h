/* SPDX-License-Identifier: BSD-2-Clause */
/* Fills the open slots of a test's own table. */
#ifndef VAS_SYS_NOTHING_H
#define VAS_SYS_NOTHING_H

#include "sys/sys.h"

/* Every slot of sys that is NULL answers -ENOSYS from now on (query: -ENOTTY). */
void vas_sys_nothing_fill(struct vas_sys *sys);

#endif
