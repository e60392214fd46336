/* SPDX-License-Identifier: BSD-2-Clause */
/* The log hook. Silent by default; lines are built only when somebody listens. */
#ifndef VAS_RECORD_LOG_H
#define VAS_RECORD_LOG_H

#include <stdbool.h>

#include <vaspace/system.h>

void vas_log_hook_set(vas_log_hook *hook, void *context, enum vas_log_level level);
bool vas_log_wanted(enum vas_log_level level);
void vas_log_line(enum vas_log_level level, const char *line);

/* Around fork(): nobody is setting a hook then. */
void vas_log_fork_begin(void);
void vas_log_fork_end(void);

#endif
