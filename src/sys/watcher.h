/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What watches this process's memory besides the kernel: the runtimes of
 * sanitizers, found through weak symbols, so that nothing links with them.
 */
#ifndef VAS_SYS_WATCHER_H
#define VAS_SYS_WATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tells the shadows that [address, address + size) was mapped afresh. */
void vas_watcher_mapped(uint64_t address, uint64_t size);
/* Tells them that it may be touched from now on. */
void vas_watcher_opened(uint64_t address, uint64_t size);
/* Tells them that the kernel wrote these bytes, where no interceptor saw it. */
void vas_watcher_written(void *memory, size_t size);

/*
 * Whether valgrind runs this process. Its memcheck reports system calls on
 * addresses that may not be touched, which for msync is the purpose here.
 */
bool vas_watcher_is_valgrind(void);

#endif
