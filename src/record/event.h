/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened to a span, as a log line. */
#ifndef VAS_RECORD_EVENT_H
#define VAS_RECORD_EVENT_H

#include <stdint.h>

#include <vaspace/system.h>

/* "WORD SIZE at 0xSTART", when somebody listens at this level. No lock held. */
void vas_event_span(enum vas_log_level level, const char *word, uint64_t start, uint64_t size);

#endif
