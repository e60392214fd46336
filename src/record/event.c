/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events of spans.
 *
 * WHAT FOR. Whoever debugs a layout wants to see each reserve, commit and
 * release, and above all a release that the kernel refused for now.
 *
 * STRATEGY. The line is built in a small buffer on the stack, and only when
 * somebody listens.
 *
 * CONCURRENCY. As record/log.h.
 *
 * WHAT IT DOES NOT DO. It keeps nothing. Failures are logged with their report.
 */
#include "record/event.h"

#include "base/text.h"
#include "record/log.h"

void vas_event_span(enum vas_log_level level, const char *word, uint64_t start, uint64_t size)
{
	struct vas_text text;
	char line[128];

	if (!vas_log_wanted(level))
		return;
	vas_text_init(&text, line, sizeof(line));
	vas_text_add(&text, word);
	vas_text_add(&text, " ");
	vas_text_add_size(&text, size);
	vas_text_add(&text, " at 0x");
	vas_text_add_hex(&text, start, 1);
	vas_log_line(level, line);
}
