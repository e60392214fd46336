/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The window and the stamps. See window.h.
 */
#include "support/window.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "base/random.h"
#include "support/crew.h"
#include "tap/tap.h"

#define WINDOW_LEAST (64ull << 30)
#define PIECE	     4096u /* a pipe takes that much at once, always */

void window_find(struct window *window, uint32_t pages)
{
	struct vas_span span;

	memset(window, 0, sizeof(*window));
	window->page = (uint64_t)sysconf(_SC_PAGESIZE);
	VAS_OPTS(vas_reserve_opts, opts);
	opts.place = VAS_PLACE_LOW;
	opts.min = WINDOW_LEAST;
	opts.alignment = 2 << 20;
	/* Room around it, so that nobody else is a neighbour. */
	if (pages > WINDOW_PAGES_MOST || vas_reserve((pages + 1024) * window->page, &opts, &span) ||
	    vas_release(vas_span_pointer(span), NULL))
		tap_bail("no window");
	window->start = span.start + 512 * window->page;
	window->end = window->start + pages * window->page;
}

uint64_t window_random(const struct window *window, uint64_t *random, uint64_t size)
{
	uint64_t places = (window->end - window->start - size) / window->page + 1;

	return window->start + vas_random_below(random, places) * window->page;
}

bool page_is_mapped(uint64_t address, uint64_t page)
{
	unsigned char resident;

	return mincore((void *)(uintptr_t)address, page, &resident) == 0;
}

uint32_t window_mapped(const struct window *window)
{
	uint32_t count = 0;

	for (uint64_t at = window->start; at < window->end; at += window->page)
		count += page_is_mapped(at, window->page);
	return count;
}

/* All pages of the span from one owner to another. */
static bool window_change(struct window *window, struct vas_span span, uint32_t from, uint32_t to)
{
	uint64_t first = (span.start - window->start) / window->page;
	uint32_t found;
	bool held = true;

	if (span.start < window->start || span.start + span.size > window->end) {
		crew_fault("0x%" PRIx64 " is outside the window", span.start);
		return false;
	}
	for (uint64_t i = first; i < first + span.size / window->page; i++) {
		found = __atomic_exchange_n(&window->owner[i], to, __ATOMIC_RELAXED);
		if (found == from)
			continue;
		crew_fault("page %" PRIu64 ": %u found %u where %u was expected", i,
			   from ? from : to, found, from);
		held = false;
	}
	return held;
}

bool window_enter(struct window *window, struct vas_span span, uint32_t who)
{
	return window_change(window, span, 0, who);
}

bool window_leave(struct window *window, struct vas_span span, uint32_t who)
{
	return window_change(window, span, who, 0);
}

static inline uint64_t stamp_word(uint64_t address, uint64_t key)
{
	return (address + key) * 0x9e3779b97f4a7c15u ^ key;
}

void stamp_write(struct vas_span span, uint64_t key)
{
	uint64_t *words = vas_span_pointer(span);

	for (uint64_t i = 0; i < span.size / 8; i++)
		words[i] = stamp_word(span.start + 8 * i, key);
}

/* Copies PIECE bytes without touching them from here. */
static bool stamp_read(const int pipe_ends[2], uint64_t address, uint64_t *words)
{
	return write(pipe_ends[1], (const void *)(uintptr_t)address, PIECE) == PIECE &&
	       read(pipe_ends[0], words, PIECE) == PIECE;
}

static bool stamp_compare(const int pipe_ends[2], struct vas_span span, bool zero, uint64_t key)
{
	uint64_t words[PIECE / 8];

	for (uint64_t at = span.start; at < span.start + span.size; at += PIECE) {
		if (!stamp_read(pipe_ends, at, words))
			return false;
		for (uint64_t i = 0; i < PIECE / 8; i++)
			if (words[i] != (zero ? 0 : stamp_word(at + 8 * i, key)))
				return false;
	}
	return true;
}

bool stamp_holds(const int pipe_ends[2], struct vas_span span, uint64_t key)
{
	return stamp_compare(pipe_ends, span, false, key);
}

bool stamp_is_zero(const int pipe_ends[2], struct vas_span span)
{
	return stamp_compare(pipe_ends, span, true, 0);
}
