/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sanitizers keep a shadow of memory: AddressSanitizer of what may be touched,
 * MemorySanitizer of what was written. Their interceptors of mmap and read keep
 * it right. Claims and reads go by raw system call (see real.c), past the
 * interceptors, so the shadow is set right here: what was poisoned by the
 * addresses' previous owner becomes clean again.
 *
 * AddressSanitizer writes the shadow of a range, an eighth of its size, so that
 * is asked for only when memory becomes accessible: a reservation of terabytes
 * costs nothing. MemorySanitizer maps fresh shadow pages for a large range.
 * ThreadSanitizer needs nothing: its shadow of a range is dropped by the munmap
 * before, which goes through libc.
 *
 * All symbols are weak: without a sanitizer each function is one load and one
 * branch. Valgrind, which has no symbols, is known by what it preloads.
 */
#include "base/hot.h"
#include "sys/watcher.h"

#include <stdlib.h>
#include <string.h>

#include "sys/environment.h"

/* NOLINTBEGIN: the names are those of the runtimes. */
void __asan_unpoison_memory_region(const volatile void *memory, size_t size) __attribute__((weak));
void __asan_init(void) __attribute__((weak));
void __msan_unpoison(const volatile void *memory, size_t size) __attribute__((weak));
void __msan_init(void) __attribute__((weak));
void __tsan_init(void) __attribute__((weak));
/* NOLINTEND */

VAS_HOT void vas_watcher_mapped(uint64_t address, uint64_t size)
{
	if (__msan_unpoison)
		__msan_unpoison((void *)(uintptr_t)address, size);
}

void vas_watcher_opened(uint64_t address, uint64_t size)
{
	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region((void *)(uintptr_t)address, size);
}

void vas_watcher_written(void *memory, size_t size)
{
	if (__msan_unpoison)
		__msan_unpoison(memory, size);
}

bool vas_watcher_is_valgrind(void)
{
	static const char mark[] = "vgpreload_";
	const char *preload = getenv("LD_PRELOAD");

	if (!preload)
		return false;
	for (size_t left = strlen(preload); left >= sizeof(mark) - 1; left--, preload++)
		if (!memcmp(preload, mark, sizeof(mark) - 1))
			return true;
	return false;
}

enum vas_sanitizer vas_environment_sanitizer(void)
{
	if (__asan_init)
		return VAS_SANITIZER_ADDRESS;
	if (__tsan_init)
		return VAS_SANITIZER_THREAD;
	if (__msan_init)
		return VAS_SANITIZER_MEMORY;
	return VAS_SANITIZER_NONE;
}
