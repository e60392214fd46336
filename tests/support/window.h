/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small range of addresses where several parties map at random, and who
 * thinks to have which page of it.
 */
#ifndef TESTS_SUPPORT_WINDOW_H
#define TESTS_SUPPORT_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include <vaspace/base.h>

#define WINDOW_PAGES_MOST 4096u

struct window {
	uint64_t start, end;
	uint64_t page; /* bytes */
	/* Who took the page, 0 = nobody. Atomic, without order: it hides no race. */
	uint32_t owner[WINDOW_PAGES_MOST];
};

/*
 * A range that is free now and far from where the kernel puts mappings by itself. Stops the test
 * if there is none.
 */
void window_find(struct window *window, uint32_t pages);
uint64_t window_random(const struct window *window, uint64_t *random, uint64_t size);
/* How many of the window's pages are mapped. */
uint32_t window_mapped(const struct window *window);
bool page_is_mapped(uint64_t address, uint64_t page);

/* Notes that who (not 0) has the span now. A finding when it is outside or somebody else has it. */
bool window_enter(struct window *window, struct vas_span span, uint32_t who);
/* Right before the span is given back. */
bool window_leave(struct window *window, struct vas_span span, uint32_t who);

/* Writes a pattern that no other key and no other address gives. */
void stamp_write(struct vas_span span, uint64_t key);
/*
 * Whether it is still there. Read by the kernel through a pipe, so that
 * memory which is no longer there is a finding and not a signal.
 */
bool stamp_holds(const int pipe_ends[2], struct vas_span span, uint64_t key);
/* Whether it reads as zeroes; as above. */
bool stamp_is_zero(const int pipe_ends[2], struct vas_span span);

#endif
