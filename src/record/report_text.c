/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of a report.
 *
 * What for: the line that a program prints when it gives up. Whoever reads it
 * has neither the source nor a debugger.
 *
 * Strategy: one line in four parts that always come in this order:
 *
 *	reserve 64 GiB aligned 2 MiB in [4 GiB, 512 GiB):		asked
 *	enough is free, but not in one piece (ENOSPC, fragmented):	went wrong
 *	40 GiB free, the largest piece 12 GiB at 0x7f0000000000;	evidence
 *	remedy: ask for less, ...					to do
 *
 * "likely" stands before a reason that was inferred. Evidence is only what
 * bears on the reason; a number that is not known is left out.
 *
 * Pure and deterministic: the same report gives the same bytes. No stdio, no
 * locale.
 */
#include "record/report_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/code.h"

#define GIB (1ull << 30)

static bool known(uint64_t value)
{
	return value != UINT64_MAX;
}

/* Round addresses as people say them, others in hexadecimal. */
static void add_address(struct vas_text *text, uint64_t address)
{
	if (address > 0 && address % GIB == 0 && address / GIB < 100000) {
		vas_text_add_size(text, address);
		return;
	}
	vas_text_add(text, "0x");
	vas_text_add_hex(text, address, 1);
}

static void add_pointer(struct vas_text *text, uint64_t address)
{
	vas_text_add(text, "0x");
	vas_text_add_hex(text, address, 1);
}

static void add_asked(struct vas_text *text, const struct vas_report *report)
{
	bool at = report->operation != VAS_OPERATION_RESERVE &&
		  report->operation != VAS_OPERATION_FIND;

	vas_text_add(text, vas_operation_name(report->operation));
	if (report->asked > 0) {
		vas_text_add(text, " ");
		vas_text_add_size(text, report->asked);
	}
	if (report->alignment > 0) {
		vas_text_add(text, " aligned ");
		vas_text_add_size(text, report->alignment);
	}
	if (report->address > 0) {
		vas_text_add(text, at || report->error == -EEXIST ? " at " : " near ");
		add_pointer(text, report->address);
	}
	if (report->max > 0 && report->operation == VAS_OPERATION_RING && report->error == -EINVAL) {
		vas_text_add(text, " (the nearest that would do: ");
		vas_text_add_size(text, report->min);
		vas_text_add(text, " and ");
		vas_text_add_size(text, report->max);
		vas_text_add(text, ")");
	} else if (report->max > 0) {
		vas_text_add(text, " in [");
		add_address(text, report->min);
		vas_text_add(text, ", ");
		add_address(text, report->max);
		vas_text_add(text, ")");
	}
}

/* The reason that counts: of the failure, or of getting less than asked. */
static enum vas_why reason(const struct vas_report *report)
{
	return report->error == 0 ? report->shortfall : report->why;
}

static void add_wrong(struct vas_text *text, const struct vas_report *report)
{
	enum vas_why why = reason(report);

	if (report->error == 0) {
		vas_text_add(text, "got ");
		vas_text_add_size(text, report->got);
		vas_text_add(text, ", ");
	}
	if (report->error == -EBADMSG && report->line > 0) {
		vas_text_add(text, "line ");
		vas_text_add_decimal(text, report->line);
		vas_text_add(text, " is malformed");
	} else if (why == VAS_WHY_NONE) {
		vas_text_add(text, "refused");
	} else {
		vas_text_add(text, report->inferred ? "likely " : "");
		vas_text_add(text, vas_why_sentence(why));
	}
	vas_text_add(text, " (");
	if (report->error != 0) {
		vas_text_add(text, vas_errno_name(report->error));
		vas_text_add(text, ", ");
	}
	vas_text_add(text, vas_why_name(why));
	vas_text_add(text, ")");
}

/* Evidence: the first piece comes after a colon, further ones after commas. */
struct evidence {
	struct vas_text *text;
	bool any;
};

static struct vas_text *evidence_begin(struct evidence *evidence)
{
	vas_text_add(evidence->text, evidence->any ? ", " : ": ");
	evidence->any = true;
	return evidence->text;
}

static void add_limit_name(struct vas_text *text, uint32_t index)
{
	if (index == UINT32_MAX) {
		vas_text_add(text, "the call's own min, max or alignment");
		return;
	}
	vas_text_add(text, "limit ");
	vas_text_add_decimal(text, index);
}

static void add_limits(struct evidence *evidence, const struct vas_report *report)
{
	struct vas_text *text = evidence_begin(evidence);

	add_limit_name(text, report->limit_first);
	if (report->limit_first == report->limit_second) {
		vas_text_add(text, " leaves nothing by itself");
		return;
	}
	vas_text_add(text, " against ");
	add_limit_name(text, report->limit_second);
}

static void add_gaps(struct evidence *evidence, const struct vas_report *report)
{
	struct vas_text *text;

	if (known(report->free_total)) {
		text = evidence_begin(evidence);
		vas_text_add_size(text, report->free_total);
		vas_text_add(text, " free");
	}
	if (known(report->largest_gap) && report->largest_gap > 0) {
		text = evidence_begin(evidence);
		vas_text_add(text, "the largest piece ");
		vas_text_add_size(text, report->largest_gap);
		if (known(report->largest_gap_start)) {
			vas_text_add(text, " at ");
			add_pointer(text, report->largest_gap_start);
		}
	}
}

static void add_mappings(struct evidence *evidence, const struct vas_report *report)
{
	struct vas_text *text;

	if (!known(report->vmas_used) || !known(report->vmas_limit))
		return;
	text = evidence_begin(evidence);
	vas_text_add_decimal(text, report->vmas_used);
	vas_text_add(text, " of ");
	vas_text_add_decimal(text, report->vmas_limit);
	vas_text_add(text, " mappings in use");
}

static void add_address_space(struct evidence *evidence, const struct vas_report *report)
{
	struct vas_text *text;

	if (!known(report->address_used) || !known(report->address_limit))
		return;
	text = evidence_begin(evidence);
	vas_text_add_size(text, report->address_used);
	vas_text_add(text, " of ");
	vas_text_add_size(text, report->address_limit);
	vas_text_add(text, " address space in use");
}

static void add_locked(struct evidence *evidence, const struct vas_report *report)
{
	if (!known(report->locked_limit))
		return;
	vas_text_add(evidence_begin(evidence), "RLIMIT_MEMLOCK is ");
	vas_text_add_size(evidence->text, report->locked_limit);
}

static void add_overcommit(struct evidence *evidence, const struct vas_report *report)
{
	if (report->overcommit_mode == UINT32_MAX)
		return;
	vas_text_add(evidence_begin(evidence), "vm.overcommit_memory is ");
	vas_text_add_decimal(evidence->text, report->overcommit_mode);
}

static void add_cgroup(struct evidence *evidence, const struct vas_report *report)
{
	if (!known(report->cgroup_room))
		return;
	vas_text_add_size(evidence_begin(evidence), report->cgroup_room);
	vas_text_add(evidence->text, " left in the memory group");
}

static void add_probes(struct evidence *evidence, const struct vas_report *report)
{
	struct vas_text *text;

	if (report->probes == 0)
		return;
	text = evidence_begin(evidence);
	vas_text_add_decimal(text, report->probes);
	vas_text_add(text, report->probes == 1 ? " place tried" : " places tried");
	if (report->taken > 0) {
		vas_text_add(text, ", ");
		vas_text_add_decimal(text, report->taken);
		vas_text_add(text, " taken");
	}
	if (report->barred > 0) {
		vas_text_add(text, ", ");
		vas_text_add_decimal(text, report->barred);
		vas_text_add(text, " barred");
	}
}

static void add_evidence(struct vas_text *text, const struct vas_report *report)
{
	struct evidence evidence = { text, false };

	switch (reason(report)) {
	case VAS_WHY_LIMITS:
		add_limits(&evidence, report);
		return;
	case VAS_WHY_FRAGMENTED:
	case VAS_WHY_FULL:
		add_gaps(&evidence, report);
		return;
	case VAS_WHY_ADDRESS_LIMIT:
		add_address_space(&evidence, report);
		return;
	case VAS_WHY_VMA_LIMIT:
		add_mappings(&evidence, report);
		return;
	case VAS_WHY_OVERCOMMIT:
		add_overcommit(&evidence, report);
		return;
	case VAS_WHY_LOCKED:
		add_locked(&evidence, report);
		return;
	case VAS_WHY_CGROUP:
		add_cgroup(&evidence, report);
		return;
	case VAS_WHY_BOOKS:
	case VAS_WHY_MEMORY:
	case VAS_WHY_KERNEL:
		add_mappings(&evidence, report);
		add_address_space(&evidence, report);
		add_overcommit(&evidence, report);
		add_cgroup(&evidence, report);
		return;
	case VAS_WHY_TAKEN:
	case VAS_WHY_BARRED:
	case VAS_WHY_DENIED:
	case VAS_WHY_RACE:
		add_probes(&evidence, report);
		return;
	default:
		return;
	}
}

void vas_report_text(const struct vas_report *report, struct vas_text *text)
{
	if (report->operation == VAS_OPERATION_NONE)
		return;
	add_asked(text, report);
	vas_text_add(text, ": ");
	add_wrong(text, report);
	add_evidence(text, report);
	if (reason(report) == VAS_WHY_NONE)
		return;
	vas_text_add(text, "; remedy: ");
	vas_text_add(text, vas_why_remedy(reason(report)));
}
