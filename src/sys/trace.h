/* SPDX-License-Identifier: BSD-2-Clause */
/* A table in front of another one that counts each call and can print it. */
#ifndef VAS_SYS_TRACE_H
#define VAS_SYS_TRACE_H

#include "sys/sys.h"

enum vas_sys_operation {
	VAS_SYS_MAP,
	VAS_SYS_UNMAP,
	VAS_SYS_PROTECT,
	VAS_SYS_ADVISE,
	VAS_SYS_SYNC,
	VAS_SYS_SET_NAME,
	VAS_SYS_GET_BRK,
	VAS_SYS_GET_LIMIT,
	VAS_SYS_OPEN,
	VAS_SYS_CLOSE,
	VAS_SYS_READ,
	VAS_SYS_SEEK,
	VAS_SYS_QUERY,
	VAS_SYS_STAT,
	VAS_SYS_ALLOCATE,
	VAS_SYS_TRUNCATE,
	VAS_SYS_CREATE,
	VAS_SYS_DUPLICATE,
	VAS_SYS_PIPE,
	VAS_SYS_SEALS,
	VAS_SYS_READ_AT,
	VAS_SYS_WRITE_AT,
	VAS_SYS_SET_POLICY,
	VAS_SYS_MOVE,
	VAS_SYS_PROCESS_ID,
	VAS_SYS_THREAD_ID,
	VAS_SYS_THREAD_ALIVE,
	VAS_SYS_PROCESS_ALIVE,
	VAS_SYS_WAIT,
	VAS_SYS_WAKE,
	VAS_SYS_BARRIER,
	VAS_SYS_CLOCK,
	VAS_SYS_MOVE_PAGES,
	VAS_SYS_SET_HOME,
	VAS_SYS_GET_THREAD_POLICY,
	VAS_SYS_SET_THREAD_POLICY,
	VAS_SYS_SCAN,
	VAS_SYS_RESIDENT,
	VAS_SYS_OPERATION_COUNT
};

struct vas_sys_trace {
	struct vas_sys sys;
	struct vas_sys *next;
	int fd; /* where lines go, whole lines at once; -1 = only count */
	uint64_t calls[VAS_SYS_OPERATION_COUNT]; /* atomic */
	uint64_t errors[VAS_SYS_OPERATION_COUNT];
};

void vas_sys_trace_init(struct vas_sys_trace *trace, struct vas_sys *next, int fd);
const char *vas_sys_operation_name(enum vas_sys_operation operation);

#endif
