/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* The ledger of names. */
#include <errno.h>
#include <string.h>

#include "record/ledger.h"
#include "sys/pages.h"
#include "sys/sys.h"
#include "tap/tap.h"

static struct vas_pages pages;

/* A kernel that has no memory. */
static int64_t refuse_map(struct vas_sys *sys, uint64_t address, uint64_t size, int prot, int flags,
			  int fd, uint64_t offset)
{
	(void)sys, (void)address, (void)size, (void)prot, (void)flags, (void)fd, (void)offset;
	return -ENOMEM;
}

static void test_lines(void)
{
	struct vas_ledger ledger = { 0 };
	struct vas_ledger_line *first, *second, *again;
	struct vas_ledger_entry entry = { 0 };
	const char *long_name = "0123456789012345678901234567890123456789";

	is_err(vas_ledger_read(&ledger, 0, &entry), ENOENT, "an empty ledger has no line");
	is_err(vas_ledger_line(&ledger, &pages, "heap", &first), 0, "a name is added");
	is_err(vas_ledger_line(&ledger, &pages, NULL, &second), 0, "no name is a name");
	ok(first != second, "two names are two lines");
	is_err(vas_ledger_line(&ledger, &pages, "heap", &again), 0, "a name comes again");
	ok(first == again, "and is the same line");
	is_err(vas_ledger_line(&ledger, &pages, "hea", &again), 0, "a part of a name");
	ok(first != again, "is another name");
	is_err(vas_ledger_line(&ledger, &pages, "heaps", &again), 0, "a longer name");
	ok(first != again, "is another name");
	is_err(vas_ledger_line(&ledger, &pages, "anonymous", &again), 0, "the default by its name");
	ok(second == again, "is the line of no name");
	is_err(vas_ledger_line(&ledger, &pages, long_name, &first), 0, "a long name");
	is_err(vas_ledger_line(&ledger, &pages, "0123456789012345678901234567890", &again), 0,
	       "its first 31 bytes");
	ok(first == again, "are the same line");
	is_u64(ledger.count, 5, "five lines");
	is_err(vas_ledger_read(&ledger, 4, &entry), 0, "the last is read");
	is_str(entry.name, "0123456789012345678901234567890", "under its cut name");
	is_u64(entry.size, sizeof(entry), "an entry states its size");
	is_err(vas_ledger_read(&ledger, 0, &entry), 0, "the first is read");
	is_str(entry.name, "heap", "lines are in order of appearance");
	is_err(vas_ledger_read(&ledger, 5, &entry), ENOENT, "there is no sixth");
	is_str(entry.name, "heap", "and the entry is untouched");
}

static void test_sums(void)
{
	struct vas_ledger ledger = { 0 };
	struct vas_ledger_entry entry;
	struct vas_ledger_line *line;

	is_err(vas_ledger_line(&ledger, &pages, "sums", &line), 0, "a line");
	vas_ledger_reserve(line, 100);
	vas_ledger_reserve(line, 50);
	vas_ledger_commit(line, 80);
	vas_ledger_commit(line, -30);
	vas_ledger_release(line, 100, 40);
	vas_ledger_reserve(line, 20);
	is_err(vas_ledger_read(&ledger, 0, &entry), 0, "is read");
	is_u64(entry.spans, 2, "spans");
	is_u64(entry.reserved, 70, "reserved");
	is_u64(entry.committed, 10, "committed");
	is_u64(entry.peak_reserved, 150, "the peak stays");
}

/* The name that stands for none, before it stands for any. */
static void test_unnamed(void)
{
	struct vas_ledger ledger = { 0 };
	struct vas_ledger_line *named, *unnamed, *again;

	is_err(vas_ledger_line(&ledger, &pages, "anonymous", &named), 0, "the default by its name");
	is_err(vas_ledger_line(&ledger, &pages, NULL, &unnamed), 0, "then no name");
	ok(named == unnamed && ledger.count == 1, "is the same line");
	is_err(vas_ledger_line(&ledger, &pages, "other", &again), 0, "another name between");
	is_err(vas_ledger_line(&ledger, &pages, NULL, &again), 0, "no name again");
	ok(again == unnamed, "is still that line");
}

/* More names than chunks hold, found again in another order. */
static void test_many(void)
{
	enum { NAMES = 5 * VAS_LEDGER_CHUNK + 7 };
	static struct vas_ledger_line *lines[NAMES];
	struct vas_ledger ledger = { 0 };
	struct vas_ledger_line *line;
	struct vas_ledger_entry entry;
	char name[24];
	bool added = true, found = true, ordered = true;

	for (int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "name %d", i);
		added = added && vas_ledger_line(&ledger, &pages, name, &lines[i]) == 0;
		if (added)
			vas_ledger_reserve(lines[i], (uint64_t)i);
	}
	for (int i = 0; i < NAMES; i++) {
		int other = (i * 89) % NAMES;

		snprintf(name, sizeof(name), "name %d", other);
		found = found && vas_ledger_line(&ledger, &pages, name, &line) == 0 &&
			line == lines[other];
		snprintf(name, sizeof(name), "name %d", i);
		ordered = ordered && vas_ledger_read(&ledger, (size_t)i, &entry) == 0 &&
			  strcmp(entry.name, name) == 0 && entry.reserved == (uint64_t)i;
	}
	ok(added, "%d names are added", NAMES);
	ok(found, "each is found again");
	ok(ordered, "each is read by its number");
	is_u64(ledger.count, NAMES, "none is there twice");
}

static void test_no_memory(void)
{
	struct vas_sys sys = *vas_sys_real();
	struct vas_ledger_line *line = NULL;
	struct vas_ledger ledger = { 0 };
	struct vas_pages empty;

	sys.map = refuse_map;
	vas_pages_init(&empty, &sys);
	is_err(vas_ledger_line(&ledger, &empty, "name", &line), ENOMEM, "no memory for a line");
	ok(!line && ledger.count == 0 && !ledger.first, "nothing is changed");
	is_err(vas_ledger_line(&ledger, &pages, "name", &line), 0, "with memory it is added");
	is_u64(ledger.count, 1, "once");
}

int main(void)
{
	tap_plan(0);
	vas_pages_init(&pages, vas_sys_real());
	test_lines();
	test_unnamed();
	test_sums();
	test_many();
	test_no_memory();
	return tap_done();
}
