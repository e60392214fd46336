/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happens when an assertion breaks: one line to the hook, then a trap.
 *
 * The lowest layer can neither write nor abort by itself, since both are
 * system calls; the hook is where sys puts its writer. The line is built on
 * the stack, so a broken heap or a held lock does not matter here. Threads
 * that fail at the same time each hand in a line of their own.
 */
#include "base/assert.h"

#include <stddef.h>

#include "base/text.h"

static void (*assert_hook)(const char *line);

void vas_assert_set_hook(void (*hook)(const char *line))
{
	__atomic_store_n(&assert_hook, hook, __ATOMIC_RELEASE);
}

void vas_assert_failed(const char *expression, const char *file, int line)
{
	void (*hook)(const char *) = __atomic_load_n(&assert_hook, __ATOMIC_ACQUIRE);
	struct vas_text text;
	char buffer[256];

	if (hook) {
		vas_text_init(&text, buffer, sizeof(buffer));
		vas_text_add(&text, "vaspace: ");
		vas_text_add(&text, file);
		vas_text_add(&text, ":");
		vas_text_add_signed(&text, line);
		vas_text_add(&text, ": broken assertion: ");
		vas_text_add(&text, expression);
		hook(buffer);
	}
	__builtin_trap();
}
