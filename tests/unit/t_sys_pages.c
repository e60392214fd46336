/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* The page source: sizes, alignment, zeroes, reuse, shortage. */
#include <errno.h>
#include <string.h>

#include "base/random.h"
#include "sys/fault.h"
#include "sys/pages.h"
#include "sys/strays.h"
#include "tap/tap.h"

#define PIECES 500

struct piece {
	uint8_t *memory;
	size_t size;
	uint8_t stamp;
};

static bool all_bytes(const uint8_t *memory, size_t size, uint8_t value)
{
	for (size_t i = 0; i < size; i++)
		if (memory[i] != value)
			return false;
	return true;
}

static void sizes(void)
{
	struct vas_pages pages;
	uint64_t page = vas_sys_real()->page_size;
	bool aligned = true, zeroed = true;

	vas_pages_init(&pages, vas_sys_real());
	for (size_t size = 1; size <= 2 << 20; size = size * 2 + (size & 3)) {
		size_t power = 64;
		void *memory = NULL;

		while (power < size)
			power *= 2;
		if (power > 2 << 20)
			break;
		if (vas_pages_take(&pages, size, &memory) != 0)
			tap_bail("no memory");
		aligned = aligned && (uintptr_t)memory % (power < page ? power : page) == 0;
		zeroed = zeroed && all_bytes(memory, power, 0);
		memset(memory, 0xee, power);
		vas_pages_give(&pages, memory, size);
	}
	ok(aligned, "pieces are aligned to their power of two or a page");
	ok(zeroed, "and zeroed to its end");
	ok(pages.mapped >= 2 << 20 && pages.mapped < 8 << 20, "chunks are counted: %llu bytes",
	   (unsigned long long)pages.mapped);
}

static void reuse(void)
{
	struct vas_pages pages;
	void *first, *second;
	uint64_t mapped;

	vas_pages_init(&pages, vas_sys_real());
	if (vas_pages_take(&pages, 100, &first) != 0)
		tap_bail("no memory");
	memset(first, 1, 128);
	vas_pages_give(&pages, first, 100);
	mapped = pages.mapped;
	is_err(vas_pages_take(&pages, 128, &second), 0, "the same power of two is taken again");
	ok(first == second, "the returned piece is handed out again");
	ok(all_bytes(second, 128, 0), "zeroed again");
	is_u64(pages.mapped, mapped, "without more memory");
}

static void random_use(void)
{
	static struct piece pieces[PIECES];
	struct vas_pages pages;
	uint64_t random = tap_seed(), steps = tap_scaled(20000);
	bool intact = true, zeroed = true;

	vas_pages_init(&pages, vas_sys_real());
	for (uint64_t i = 0; i < steps; i++) {
		struct piece *piece = &pieces[vas_random_below(&random, PIECES)];
		void *memory;

		if (piece->memory) {
			intact = intact && all_bytes(piece->memory, piece->size, piece->stamp);
			vas_pages_give(&pages, piece->memory, piece->size);
			piece->memory = NULL;
			continue;
		}
		piece->size =
			1 + vas_random_below(&random, (uint64_t)1 << vas_random_below(&random, 15));
		if (vas_pages_take(&pages, piece->size, &memory) != 0)
			tap_bail("no memory");
		piece->memory = memory;
		zeroed = zeroed && all_bytes(memory, piece->size, 0);
		piece->stamp = (uint8_t)(1 + vas_random_below(&random, 255));
		memset(memory, piece->stamp, piece->size);
	}
	ok(intact, "%llu random takes and gives: no piece overlaps another",
	   (unsigned long long)steps);
	ok(zeroed, "and each one was zeroed");
	ok(pages.mapped < (uint64_t)PIECES * 40000,
	   "what was given back is used: %llu bytes mapped", (unsigned long long)pages.mapped);
}

static void shortage(void)
{
	struct vas_sys_fault fault;
	struct vas_pages pages;
	void *memory = &pages;

	vas_sys_fault_init(&fault, vas_sys_real());
	vas_pages_init(&pages, &fault.sys);
	vas_sys_fault_arm(&fault, 1, true, EPERM);
	is_err(vas_pages_take(&pages, 64, &memory), ENOMEM, "a refusal of any kind is ENOMEM");
	ok(memory == &pages, "the output is untouched");
	is_u64(pages.mapped, 0, "nothing is counted");
	vas_sys_fault_arm(&fault, 1, false, ENOMEM);
	is_err(vas_pages_take(&pages, 64, &memory), 0, "a smaller chunk is tried");
	is_u64(pages.mapped, vas_sys_real()->page_size, "one page then");
}

static void own_mapping(void)
{
	struct vas_sys_fault fault;
	struct vas_pages pages;
	uint64_t page = vas_sys_real()->page_size;
	void *memory = &pages;

	vas_sys_fault_init(&fault, vas_sys_real());
	vas_pages_init(&pages, &fault.sys);
	is_err(vas_pages_map(&pages, 0, &memory), ENOMEM, "no mapping of nothing");
	is_err(vas_pages_map(&pages, SIZE_MAX, &memory), ENOMEM, "nor of everything");
	ok(memory == &pages, "the output is untouched");
	is_err(vas_pages_map(&pages, 3 * page - 5, &memory), 0, "a mapping of its own");
	ok(all_bytes(memory, 3 * page, 0), "of zeroes");
	is_u64(pages.mapped, 3 * page, "is counted in whole pages");
	fault.operation = "unmap";
	vas_sys_fault_arm(&fault, 1, false, ENOMEM);
	vas_pages_unmap(&pages, memory, 3 * page - 5);
	is_u64(pages.mapped, 0, "and not when it was given back");
	ok(vas_strays_any(&fault.sys), "one that the kernel keeps is remembered");
	vas_strays_retry(&fault.sys);
	ok(!vas_strays_any(&fault.sys), "and given back later");
}

/* Everything that was taken goes back, whatever the sizes and the chunks. */
static void end(void)
{
	uint64_t page = vas_sys_real()->page_size;
	struct vas_sys_fault fault;
	struct vas_pages pages;
	bool refuse = false;
	long before, middle;
	void *memory;

	vas_sys_fault_init(&fault, vas_sys_real());
	vas_pages_init(&pages, &fault.sys);
	before = tap_count_vmas();
	for (int round = 0; round < 40; round++) {
		size_t size = (size_t)64 << round % 16;

		/* Now and then the kernel refuses a large chunk. */
		refuse = !refuse;
		vas_sys_fault_arm(&fault, refuse && size <= 65536, false, ENOMEM);
		if (vas_pages_take(&pages, size, &memory) != 0)
			tap_bail("no memory");
		if ((uintptr_t)memory % (size < page ? size : page))
			ok(false, "a piece of %zu bytes is not aligned", size);
		memset(memory, 0x77, size);
	}
	vas_sys_fault_arm(&fault, 0, false, 0);
	middle = tap_count_vmas();
	vas_pages_end(&pages);
	is_u64(pages.mapped, 0, "at the end nothing is counted");
	/* A sanitizer maps for itself meanwhile. */
	ok(tap_under_sanitizer() || (tap_count_vmas() <= before && middle >= before),
	   "and nothing is mapped");
	is_err(vas_pages_take(&pages, 64, &memory), 0, "it can begin anew");
	vas_pages_end(&pages);
	vas_pages_end(&pages);
	ok(tap_under_sanitizer() || tap_count_vmas() <= before, "and end again");
}

int main(void)
{
	tap_plan(0);
	end();
	sizes();
	reuse();
	random_use();
	shortage();
	own_mapping();
	return tap_done();
}
