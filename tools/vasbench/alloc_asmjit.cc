/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * asmjit's JitAllocator, for code that is made at run time. It maps what it hands out, and is meant
 * for small blocks: sizes are a 64th of what is asked for.
 */
#include <asmjit/core.h>

#include <cerrno>
#include <cstdint>
#include <new>

extern "C" {
int asmjit_open(void **state);
int asmjit_take(void *state, uint64_t size, uint64_t *start);
int asmjit_give(void *state, uint64_t start);
}

int asmjit_open(void **state)
{
	asmjit::JitAllocator *allocator = new (std::nothrow) asmjit::JitAllocator();

	*state = allocator;
	return allocator ? 0 : -ENOMEM;
}

int asmjit_take(void *state, uint64_t size, uint64_t *start)
{
	void *executable = nullptr, *writable = nullptr;
	asmjit::Error error = static_cast<asmjit::JitAllocator *>(state)->alloc(
		&executable, &writable, static_cast<size_t>(size / 64));

	*start = reinterpret_cast<uintptr_t>(executable);
	return error != asmjit::kErrorOk;
}

int asmjit_give(void *state, uint64_t start)
{
	return static_cast<asmjit::JitAllocator *>(state)->release(
		       reinterpret_cast<void *>(static_cast<uintptr_t>(start))) != asmjit::kErrorOk;
}
