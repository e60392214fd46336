/* SPDX-License-Identifier: BSD-2-Clause */
/* A report as one line of text. */
#ifndef VAS_RECORD_REPORT_TEXT_H
#define VAS_RECORD_REPORT_TEXT_H

#include <vaspace/report.h>

#include "base/text.h"

/* What was asked, what went wrong with its codes, the evidence, what to do. Nothing for NONE. */
void vas_report_text(const struct vas_report *report, struct vas_text *text);

#endif
