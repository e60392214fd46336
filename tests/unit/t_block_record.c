/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 2 */
/*
 * Records of blocks: what their words and sizes hold, what a look sees of one that changes, and that every
 * place has a number of its own for good, wherever it lies.
 */
#include <stdint.h>

static void record_step(void);

#define VAS_WORD_STEP() record_step()

#include "core/block_record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "support/block_books.h"
#include "tap/tap.h"

/* Addresses that nobody looks at: where the first memory of all is, and where other memory far away begins. */
#define BASE (UINT64_C(0x7f31) << 32 | 0x5e7000)
#define AWAY (UINT64_C(0x5500) << 32)

#define PLACES (VAS_BLOCK_PAGE_SIZE / sizeof(struct vas_block_record))

static struct block_books books;

static void books_end(void)
{
	ok(vas_block_records_check(&books.records), "the numbers hold");
	ok(block_books_close(&books), "all memory went back");
}

/* --- words --- */

static void test_words(void)
{
	uint64_t start = (UINT64_C(1) << VAS_BLOCK_START_BITS) - 1;
	uint64_t size = UINT64_C(1) << (32 + VAS_BLOCK_HIGH_BITS);
	uint64_t word = vas_block_word(start, size, VAS_BLOCK_NO_CLASS, VAS_BLOCK_LIVE);

	is_u64(vas_block_word_start(word), start, "the largest start comes back");
	is_u64(vas_block_word_state(word), VAS_BLOCK_LIVE, "beside its state");
	is_u64(vas_block_size_of(word, UINT32_MAX), size, "and the largest size");
	is_u64(vas_block_word(start, 700, 33, VAS_BLOCK_LIVE),
	       start << VAS_BLOCK_START_SHIFT | VAS_BLOCK_LIVE,
	       "the word of what has a class is start and state only");
	is_u64(vas_block_word(5, 700, VAS_BLOCK_NO_CLASS, VAS_BLOCK_LIVE) & VAS_BLOCK_WORD_REST,
	       vas_block_word(5, 700, 33, VAS_BLOCK_LIVE), "what it has without the size is that");
	for (uint64_t state = VAS_BLOCK_FREE; state <= VAS_BLOCK_MOVED; state++)
		is_u64(vas_block_word_with(word, state),
		       vas_block_word(start, size, VAS_BLOCK_NO_CLASS, state),
		       "state %u changes nothing else", (unsigned int)state);
}

/* A record says what was written into it, and a copy of it does. */
static uint64_t record_wrong(uint64_t start, uint64_t size, uint32_t class, uint32_t mark)
{
	struct vas_block_record record, copy;
	uint64_t word = 0, read = 0;
	uint32_t read_mark = 0;

	memset(&record, 0x5a, sizeof(record));
	memset(&copy, 0xa5, sizeof(copy));
	vas_block_record_set(&record, start, size, class, mark);
	vas_block_record_copy(&copy, &record, record.word);
	if (memcmp(&record, &copy, sizeof(copy)) != 0 ||
	    vas_block_word_start(record.word) != start ||
	    vas_block_record_size(&record, record.word) != size ||
	    vas_block_record_class(&record, record.word) != class)
		return 1;
	return !vas_block_record_read(&record, &word, &read, &read_mark) || word != record.word ||
	       read != size || read_mark != mark;
}

static void test_records(void)
{
	uint64_t random = tap_seed(), wrong = 0;
	struct vas_block_record record;

	for (uint32_t i = 0; i < 5000; i++) {
		uint64_t start = vas_random_next(&random) >> (21 + i % 43);
		uint64_t size = (vas_random_next(&random) >> (21 + i % 43)) + 1;
		uint32_t mark = (uint32_t)vas_random_next(&random);

		wrong += record_wrong(start, size, VAS_BLOCK_NO_CLASS, mark);
		wrong +=
			record_wrong(start, (size & ((1u << VAS_BLOCK_CLASS_SHIFT) - 1)) + (i == 0),
				     i % VAS_BLOCK_NO_CLASS, mark);
	}
	wrong += record_wrong(0, UINT64_C(1) << VAS_BLOCK_CLASS_SHIFT, VAS_BLOCK_NO_CLASS - 1, 0);
	wrong += record_wrong(0, 1, 0, 0) + record_wrong(0, 1, VAS_BLOCK_NO_CLASS, UINT32_MAX);
	wrong += record_wrong(0, UINT64_C(1) << 32, VAS_BLOCK_NO_CLASS, 0);
	wrong += record_wrong(0, (UINT64_C(1) << 32) + 1, VAS_BLOCK_NO_CLASS, 0);
	is_u64(wrong, 0, "records say what was written, with a class and without");
	vas_block_record_set(&record, 3, 9, 4, 77);
	vas_block_record_size_set(&record, 8, 4);
	ok(vas_block_record_size(&record, record.word) == 8 &&
		   vas_block_record_class(&record, record.word) == 4 && record.link == 77,
	   "another size changes nothing else");
}

/* --- a record that changes while somebody looks --- */

static struct {
	struct vas_block_record record;
	uint32_t begin; /* the step before which the change begins, and ends */
	uint32_t end;
	uint32_t step;
	bool off;
} change;

/* It goes into a list, and comes out as a block of another size and mark, with the same word. */
static void record_step(void)
{
	uint64_t word = change.record.word;

	if (change.off || change.begin == 0)
		return;
	change.step++;
	if (change.step == change.begin) {
		change.record.word = vas_block_word_with(word, VAS_BLOCK_CACHED);
		change.record.link = 999;
		change.record.size = 40 | 3u << VAS_BLOCK_CLASS_SHIFT;
		word = change.record.word;
	}
	if (change.step == change.end) {
		change.record.link = 41;
		change.record.word = vas_block_word_with(word, VAS_BLOCK_LIVE);
	}
}

static void test_looks(void)
{
	uint64_t word = 0, size = 0, wrong = 0, seen = 0, old = 0;
	uint32_t mark = 0;

	for (uint32_t begin = 1; begin < 14; begin++)
		for (uint32_t end = begin; end < 14; end++) {
			change.begin = 0;
			vas_block_record_set(&change.record, 6, 30, 3, 31);
			change.step = 0;
			change.begin = begin;
			change.end = end;
			if (!vas_block_record_read(&change.record, &word, &size, &mark))
				continue;
			seen += size == 41;
			old += size == 30;
			wrong += (size != 30 || mark != 31) && (size != 41 || mark != 41);
		}
	change.begin = 0;
	is_u64(wrong, 0, "a look sees one block's size and mark");
	ok(seen > 0 && old > 0, "the new one %u times, the old one %u times", (unsigned int)seen,
	   (unsigned int)old);
	for (uint64_t state = VAS_BLOCK_FREE; state <= VAS_BLOCK_MOVED; state++) {
		change.record.word = vas_block_word(6, 30, 3, state);
		ok(vas_block_record_read(&change.record, &word, &size, &mark) ==
			   (state == VAS_BLOCK_LIVE),
		   "a look at state %u", (unsigned int)state);
	}
}

/* --- numbers --- */

enum { PAGES = 3000 };

struct page {
	uint64_t at;
	uint64_t size;
	uint32_t area;
	uint32_t number; /* of its first place */
};

static struct page pages[PAGES];

static const struct vas_block_record *page_place(const struct page *page, uint32_t i)
{
	return (const struct vas_block_record *)(uintptr_t)page->at + i;
}

static int page_room(struct page *page)
{
	int error = vas_block_records_room(&books.records, page_place(page, 0), page->size,
					   &page->area);

	if (!error)
		page->number =
			vas_block_record_number(&books.records, page_place(page, 0), page->area);
	return error;
}

/* Every number leads to its place, and they follow each other; none is 0, or has more than 31 bits. */
static uint64_t page_wrong(const struct page *page)
{
	uint64_t wrong = 0;

	for (uint32_t i = 0; i < page->size / sizeof(struct vas_block_record); i++) {
		uint32_t number =
			vas_block_record_number(&books.records, page_place(page, i), page->area);

		wrong += number == 0 || number >> 31 != 0 || number != page->number + i ||
			 vas_block_record_at(&books.records, number) != page_place(page, i);
	}
	return wrong;
}

static uint64_t pages_wrong(uint32_t count)
{
	uint64_t wrong = 0;

	for (uint32_t i = 0; i < count; i++)
		wrong += page_wrong(&pages[i]);
	return wrong;
}

static int number_order(const void *a, const void *b)
{
	uint32_t x = ((const struct page *)a)->number, y = ((const struct page *)b)->number;

	return (x > y) - (x < y);
}

/* Pages whose numbers overlap those of another one. */
static uint64_t overlaps(uint32_t count)
{
	uint64_t wrong = 0;

	qsort(pages, count, sizeof(pages[0]), number_order);
	for (uint32_t i = 1; i < count; i++)
		wrong += pages[i - 1].number + pages[i - 1].size / sizeof(struct vas_block_record) >
			 pages[i].number;
	return wrong;
}

/* Near ones to the last, and some in parts that lie far away. */
static uint64_t page_draw(uint64_t *random, uint32_t i)
{
	uint64_t near = VAS_BLOCK_RECORD_NEAR / 2 / VAS_BLOCK_PAGE_SIZE;
	uint64_t to = vas_random_below(random, 2 * near);

	switch (i % 4) {
	case 0:
		return BASE + (to - near) * VAS_BLOCK_PAGE_SIZE;
	case 1:
		return BASE + (near - 6 + i / 4 % 12) * VAS_BLOCK_PAGE_SIZE;
	case 2:
		return BASE - (near - 6 + i / 4 % 12) * VAS_BLOCK_PAGE_SIZE;
	default:
		return AWAY + (i % 7 * 1000 + i) * VAS_BLOCK_PAGE_SIZE +
		       i % 5 * VAS_BLOCK_NODE_SIZE;
	}
}

static bool page_is_new(uint64_t at, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (at - pages[i].at + VAS_BLOCK_PAGE_SIZE < 2 * VAS_BLOCK_PAGE_SIZE)
			return false;
	return true;
}

static void test_numbers(void)
{
	uint64_t random = tap_seed(), wrong = 0, far = 0;
	uint32_t count = 0;

	block_books_open(&books);
	for (uint32_t i = 0; i < PAGES; i++) {
		uint64_t at = count ? page_draw(&random, i) : BASE;

		if (!page_is_new(at, count))
			continue;
		pages[count] = (struct page){
			.at = at,
			.size = i % 3 ? VAS_BLOCK_PAGE_SIZE : VAS_BLOCK_NODE_SIZE,
		};
		wrong += page_room(&pages[count]) != 0 || page_wrong(&pages[count]) != 0;
		far += pages[count].area != 0;
		count++;
	}
	is_u64(wrong, 0, "each place of %u pages has a number", count);
	is_u64(pages_wrong(count), 0, "and keeps it");
	is_u64(overlaps(count), 0, "for itself");
	ok(far > count / 8 && far < count && books.records.areas < far,
	   "%u lie far away, in %u areas", (unsigned int)far, books.records.areas);
	books_end();
}

/* Pages beside each other share areas. */
static void test_areas(void)
{
	enum { SPREAD = 2048 };
	uint64_t wrong = 0;

	block_books_open(&books);
	pages[0] = (struct page){ .at = BASE, .size = VAS_BLOCK_NODE_SIZE };
	wrong += page_room(&pages[0]) != 0 || pages[0].area != 0;
	is_u64(books.memory.out, VAS_BLOCK_PAGE_SIZE, "what is near takes no memory");
	for (uint32_t i = 1; i < SPREAD; i++) {
		pages[i] = (struct page){
			.at = AWAY + 512 + (uint64_t)i * VAS_BLOCK_PAGE_SIZE,
			.size = VAS_BLOCK_PAGE_SIZE,
		};
		wrong += page_room(&pages[i]) != 0 || pages[i].area == 0;
	}
	is_u64(wrong + pages_wrong(SPREAD), 0, "far pages beside each other have numbers");
	is_u64(overlaps(SPREAD), 0, "of their own");
	ok(books.records.areas <= 2 * SPREAD * VAS_BLOCK_PAGE_SIZE / VAS_BLOCK_AREA + 1,
	   "in %u areas", books.records.areas);
	books_end();
}

/* The i-th page of areas that have nothing in common. */
static void page_apart(struct page *page, uint32_t i)
{
	*page = (struct page){
		.at = AWAY + (uint64_t)i * 2 * VAS_BLOCK_AREA,
		.size = VAS_BLOCK_PAGE_SIZE,
	};
}

/* The first and the last places of all areas so far. */
static uint64_t areas_wrong(uint32_t count)
{
	uint64_t wrong = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct page page;

		page_apart(&page, i);
		page.area = i + 1;
		for (uint32_t j = 0; j < PLACES; j += PLACES - 1)
			wrong += vas_block_record_at(&books.records,
						     vas_block_record_number(
							     &books.records, page_place(&page, j),
							     i + 1)) != page_place(&page, j);
	}
	return wrong;
}

/* As many areas as there can be, with memory refused each time that it is wanted. */
static void test_refusals(void)
{
	uint64_t wrong = 0, refused = 0;
	struct page page = { .at = BASE, .size = VAS_BLOCK_PAGE_SIZE };
	uint32_t i = 0;
	int error;

	block_books_open(&books);
	wrong += page_room(&page) != 0;
	books.memory.limited = true;
	for (; i < VAS_BLOCK_AREAS; i++) {
		const uint64_t *old = (const uint64_t *)(uintptr_t)books.records.directory;
		uint64_t first = old ? old[0] : 0, last = i ? old[i - 1] : 0;

		page_apart(&page, i);
		for (books.memory.left = 0; (error = page_room(&page)) != 0; refused++) {
			wrong += error != -ENOMEM || books.records.areas != i ||
				 areas_wrong(i) != 0 || books.memory.left != 0;
			books.memory.left = 1;
		}
		wrong += page.area != i + 1 || (i % 64 == 0 && page_wrong(&page) != 0);
		/* Somebody may still read the old directory. */
		wrong += i > 0 && (old[0] != first || old[i - 1] != last);
	}
	is_u64(wrong, 0, "a refused page leaves all numbers as they were");
	ok(refused >= 5, "%u were refused", (unsigned int)refused);
	is_u64(areas_wrong(i), 0, "%u areas keep their numbers", i);
	page_apart(&page, i);
	is_err(page_room(&page), ENOMEM, "there are no more");
	page = (struct page){ .at = BASE + 2 * VAS_BLOCK_PAGE_SIZE, .size = VAS_BLOCK_PAGE_SIZE };
	ok(page_room(&page) == 0 && page.area == 0, "but near ones");
	is_u64(areas_wrong(i), 0, "and the others stay");
	books_end();
}

/* Pages that are kept come back, with their areas. */
static void test_kept(void)
{
	enum { KEPT = 40 };
	uint32_t area[KEPT], found = 0;
	struct vas_block_spares spares = { 0 };
	void *page[KEPT];
	uint64_t wrong = 0;

	block_books_open(&books);
	ok(!vas_block_records_again(&books.records, &found), "no page is kept");
	for (uint32_t i = 0; i < KEPT; i++) {
		if (vas_block_pool_fill(&books.pool, &spares, 0, 1))
			tap_bail("no memory");
		page[i] = memset(vas_block_spares_take_page(&spares), 0, VAS_BLOCK_PAGE_SIZE);
		if (vas_block_records_room(&books.records, page[i], VAS_BLOCK_PAGE_SIZE, &area[i]))
			tap_bail("no numbers");
	}
	for (uint32_t i = 0; i < KEPT; i++)
		vas_block_records_keep(&books.records, page[i], area[i]);
	ok(vas_block_records_check(&books.records), "so many are: %u", KEPT);
	((struct vas_block_record *)page[7])[5].word = 1;
	ok(!vas_block_records_check(&books.records), "none that has a record");
	((struct vas_block_record *)page[7])[5].word = VAS_BLOCK_FREE;
	for (uint32_t i = KEPT; i-- > 0;)
		wrong += vas_block_records_again(&books.records, &found) != page[i] ||
			 found != area[i];
	is_u64(wrong, 0, "they come back, from near and far");
	ok(!vas_block_records_again(&books.records, &found), "once each");
	books_end();
}

int main(void)
{
	tap_plan(0);
	test_words();
	test_records();
	test_looks();
	test_numbers();
	test_areas();
	test_refusals();
	test_kept();
	return tap_done();
}
