/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tracing table's operations on memory nodes and pages. See trace.c.
 *
 * Concurrency: as there.
 */
#include "sys/definitions.h"
#include "sys/trace_line.h"

/* Values too. */
const struct word vas_trace_policy_words[] = { { VAS_MPOL_DEFAULT, "MPOL_DEFAULT" },
					    { VAS_MPOL_PREFERRED, "MPOL_PREFERRED" },
					    { VAS_MPOL_BIND, "MPOL_BIND" },
					    { VAS_MPOL_INTERLEAVE, "MPOL_INTERLEAVE" },
					    { VAS_MPOL_LOCAL, "MPOL_LOCAL" },
					    { VAS_MPOL_PREFERRED_MANY, "MPOL_PREFERRED_MANY" },
					    { VAS_MPOL_WEIGHTED_INTERLEAVE,
					      "MPOL_WEIGHTED_INTERLEAVE" },
					    { 0, NULL } };

int64_t vas_trace_move_pages(struct vas_sys *sys, const uint64_t *pages, uint64_t count,
			     const int32_t *nodes, int32_t *status, uint32_t flags)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->move_pages(trace->next, pages, count, nodes, status, flags);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_MOVE_PAGES);
		line_address(&line, count ? pages[0] : 0);
		line_size(&line, count);
		line_number(&line, nodes && count ? nodes[0] : -1);
		line_address(&line, flags);
	}
	return trace_end(trace, &line, VAS_SYS_MOVE_PAGES, got);
}

int64_t vas_trace_set_home(struct vas_sys *sys, uint64_t address, uint64_t size, uint32_t node)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->set_home(trace->next, address, size, node);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_SET_HOME);
		line_address(&line, address);
		line_size(&line, size);
		line_size(&line, node);
	}
	return trace_end(trace, &line, VAS_SYS_SET_HOME, got);
}

int64_t vas_trace_get_thread_policy(struct vas_sys *sys, int *mode, uint64_t *nodes, uint32_t bits)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->get_thread_policy(trace->next, mode, nodes, bits);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_GET_THREAD_POLICY);
		line_value(&line, vas_trace_policy_words, got < 0 ? UINT32_MAX : (uint32_t)*mode);
		line_address(&line, got >= 0 && nodes && bits ? nodes[0] : 0);
		line_size(&line, bits);
	}
	return trace_end(trace, &line, VAS_SYS_GET_THREAD_POLICY, got);
}

int64_t vas_trace_set_thread_policy(struct vas_sys *sys, int mode, const uint64_t *nodes,
				    uint32_t bits)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->set_thread_policy(trace->next, mode, nodes, bits);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_SET_THREAD_POLICY);
		line_value(&line, vas_trace_policy_words, (uint32_t)mode);
		line_address(&line, nodes && bits ? nodes[0] : 0);
		line_size(&line, bits);
	}
	return trace_end(trace, &line, VAS_SYS_SET_THREAD_POLICY, got);
}

int64_t vas_trace_scan(struct vas_sys *sys, int fd, struct vas_span range,
		       struct vas_sys_pages *runs, uint32_t count)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->scan(trace->next, fd, range, runs, count);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_SCAN);
		line_number(&line, fd);
		line_address(&line, range.start);
		line_size(&line, range.size);
		line_size(&line, count);
	}
	return trace_end(trace, &line, VAS_SYS_SCAN, got);
}

int64_t vas_trace_resident(struct vas_sys *sys, uint64_t address, uint64_t size,
			   unsigned char *pages)
{
	struct vas_sys_trace *trace = trace_of(sys);
	int64_t got = trace->next->resident(trace->next, address, size, pages);
	struct trace_line line;

	if (trace->fd >= 0) {
		line_begin(&line, VAS_SYS_RESIDENT);
		line_address(&line, address);
		line_size(&line, size);
	}
	return trace_end(trace, &line, VAS_SYS_RESIDENT, got);
}
