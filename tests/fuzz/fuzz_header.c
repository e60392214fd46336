/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 10 */
/*
 * Fuzz target: any bytes as the header of an arena. The first byte chooses what is put right before, so that mutations come past
 * it: 1 magic, version and page, 2 the object.
 *
 * What is read is held against itself. Of some inputs an arena is opened and changed, whose header they are: whatever they say,
 * nothing but that arena is touched, and its books stay whole.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "arena/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIVE 128u /* one of so many inputs */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHADOWED
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SHADOWED
#endif

/* Of address space, for what is opened: AddressSanitizer writes an eighth as much. */
#ifdef SHADOWED
#define MOST (UINT64_C(1) << 30)
#else
#define MOST UINT64_MAX
#endif

static void must(int holds)
{
	if (!holds)
		abort();
}

static void check_facts(const struct vas_header *page, uint64_t page_size)
{
	struct vas_header_facts facts;
	int err = vas_header_read(page, page_size, &facts);

	must(err == 0 || err == -EBADMSG || err == -EOPNOTSUPP);
	if (err)
		return;
	must(facts.step && facts.maximum % facts.step == 0 && facts.cap <= facts.maximum);
	must(facts.cap % facts.step == 0 && facts.step % facts.object_page == 0);
	must(facts.offset % facts.object_page == 0 && facts.object_page % page_size == 0);
	must(facts.maximum + facts.offset >= facts.maximum && facts.copies > 0);
	must(facts.maximum * facts.copies / facts.copies == facts.maximum);
	must(memchr(facts.name, 0, sizeof(facts.name)) != NULL);
}

/* Every call on what can be opened, and then on the maker's handle. */
static void use(struct vas_arena *arena, uint64_t page_size)
{
	struct vas_arena_info info = { .size = sizeof(info) };
	uint64_t size = vas_arena_size(arena), kept;

	must(vas_arena_get(arena, &info) == 0 && size <= info.maximum);
	(void)vas_arena_sync(arena);
	(void)vas_arena_wait(arena, size, 0, &kept);
	(void)vas_arena_grow(arena, size + page_size, 0, NULL);
	(void)vas_arena_ahead(arena, page_size, 0, NULL);
	(void)vas_arena_punch(arena, 0, page_size);
	if (vas_arena_pin(arena, &kept) == 0)
		must(kept <= info.maximum && vas_arena_unpin(arena) == 0);
	(void)vas_arena_shrink(arena, page_size);
	must(vas_arena_size(arena) <= info.maximum && vas_sync_check(NULL) == 0);
}

static void check_live(struct vas_header *page, unsigned int how, uint64_t page_size)
{
	struct vas_arena_info info = { .size = sizeof(info) };
	struct vas_arena *arena = NULL, *opened = NULL;
	struct vas_header made;

	VAS_OPTS(vas_arena_opts, opts);
	opts.flags = VAS_ARENA_COMPANION;
	opts.initial = 4 * page_size;
	must(vas_arena_create(64 * page_size, &opts, &arena) == 0);
	must(vas_arena_get(arena, &info) == 0);
	must(pread(info.header, &made, sizeof(made), 0) == (ssize_t)sizeof(made));
	if (how & 2) {
		page->facts.device = made.facts.device;
		page->facts.inode = made.facts.inode;
	}
	/* One that has the lock is waited for: see t_arena_header.c. */
	page->owner = 0;
	must(pwrite(info.header, page, sizeof(*page), 0) == (ssize_t)sizeof(*page));
	if (vas_arena_open(info.fd, info.header, NULL, &opened) == 0) {
		use(opened, page_size);
		must(vas_arena_destroy(opened, NULL) == 0);
	}
	use(arena, page_size);
	must(vas_arena_destroy(arena, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	struct vas_header page;
	uint32_t sum = 0;

	if (size < 1)
		return 0;
	memset(&page, 0, sizeof(page));
	memcpy(&page, data + 1, size - 1 < sizeof(page) ? size - 1 : sizeof(page));
	if (data[0] & 1) {
		page.magic = VAS_HEADER_MAGIC;
		page.version = VAS_HEADER_VERSION;
		page.facts.page_size = page_size;
	}
	check_facts(&page, page_size);
	for (size_t i = 0; i < size; i++)
		sum = sum * 31 + data[i];
	if ((sum % LIVE == 0 || size == sizeof(page) + 1) && page.facts.maximum <= MOST)
		check_live(&page, data[0], page_size);
	return 0;
}
