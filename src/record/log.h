/* SPDX-License-Identifier: BSD-2-Clause */
/* The log hook. Silent by default; lines are built only when somebody listens. */
#ifndef VAS_RECORD_LOG_H
#define VAS_RECORD_LOG_H

#include <stdbool.h>

#include <vaspace/system.h>

#include "sys/lock.h"

void vas_log_hook_set(vas_log_hook *hook, void *context, enum vas_log_level level);
bool vas_log_wanted(enum vas_log_level level);
void vas_log_line(enum vas_log_level level, const char *line);

/* Held by whoever sets a hook: for fork(). */
struct vas_lock *vas_log_lock(void);

#endif
