/* SPDX-License-Identifier: BSD-2-Clause */
/* The edge of vaspace/fork.h. */
#include <vaspace/fork.h>

#include "space/fork.h"

void vas_fork_prepare(void)
{
	vas_fork_begin();
}

void vas_fork_parent(void)
{
	vas_fork_end_parent();
}

int vas_fork_child(void)
{
	return vas_fork_end_child();
}

void vas_fork_hold_set(vas_fork_hold *hold, void *context)
{
	vas_fork_set_hold(hold, context);
}

void vas_fork_pause_set(vas_fork_pause *pause, void *context, uint32_t milliseconds)
{
	vas_fork_set_pause(pause, context, milliseconds);
}
