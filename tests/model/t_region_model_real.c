/* SPDX-License-Identifier: BSD-2-Clause */
/* budget: 60 */
/*
 * Random operations on several regions on the real kernel against the flat
 * model: results, what /proc/self/maps shows of every page, and what every page
 * holds. A million in all, as far as the time allows.
 */
#include "tap/tap.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vaspace/vaspace.h>

#include "support/region_model.h"

#define TEXT_SIZE (8u << 20)

/* /proc/self/maps as it was read last. */
static char *text;
static size_t text_length;
static uint64_t object_inode = UINT64_MAX;

static void on_refresh(struct region_target *target)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	ssize_t got;

	(void)target;
	text_length = 0;
	while ((got = read(fd, text + text_length, TEXT_SIZE - 1 - text_length)) > 0)
		text_length += (size_t)got;
	text[text_length] = '\0';
	close(fd);
}

static uint64_t parse_number(const char **at, unsigned base)
{
	uint64_t value = 0;

	for (;; (*at)++) {
		char digit = **at;

		if (digit >= '0' && digit <= '9')
			value = value * base + (uint64_t)(digit - '0');
		else if (base == 16 && digit >= 'a' && digit <= 'f')
			value = value * base + (uint64_t)(digit - 'a' + 10);
		else
			return value;
	}
}

struct line {
	uint64_t start, end, offset, inode;
	uint8_t prot;
};

/* start-end prot offset major:minor inode */
static const char *parse_line(const char *at, struct line *line)
{
	line->start = parse_number(&at, 16);
	at++;
	line->end = parse_number(&at, 16);
	line->prot = (at[1] == 'r' ? PROT_READ : 0) | (at[2] == 'w' ? PROT_WRITE : 0) |
		     (at[3] == 'x' ? PROT_EXEC : 0);
	at += 6;
	line->offset = parse_number(&at, 16);
	at = strchr(at + 1, ' ') + 1;
	line->inode = parse_number(&at, 10);
	at = strchr(at, '\n');
	return at + 1;
}

static void on_view(struct region_target *target, uint64_t start, struct region_view *view,
		    unsigned count)
{
	uint64_t end = start + count * target->page;
	const char *at = text;
	struct line line;

	while (at < text + text_length) {
		at = parse_line(at, &line);
		if (line.end <= start)
			continue;
		if (line.start >= end)
			return;
		for (uint64_t address = line.start > start ? line.start : start;
		     address < line.end && address < end; address += target->page) {
			struct region_view *page = &view[(address - start) / target->page];

			page->mapped = true;
			page->prot = line.prot;
			page->object = line.inode == object_inode;
			page->offset = (uint16_t)((line.offset + address - line.start) / target->page);
		}
	}
}

static const struct setup {
	const char *name;
	uint32_t share; /* of a thousand operations */
	bool object;
	uint64_t cache_pages;
	uint32_t flags;
} setups[] = {
	{ "anonymous memory", 300, false, 0, 0 },
	{ "anonymous memory and an object", 400, true, 0, 0 },
	{ "with a cache of warm memory", 200, false, 64, 0 },
	{ "with quarantine", 100, false, 0, VAS_REGION_QUARANTINE },
};

static void run(void *argument)
{
	const struct setup *setup = argument;
	struct region_target target = {
		.name = setup->name,
		.page = (uint64_t)sysconf(_SC_PAGESIZE),
		.fd = -1,
		.accessible = true,
		.stride = 50,
		.flags = setup->flags,
		.cache_bytes = setup->cache_pages * (uint64_t)sysconf(_SC_PAGESIZE),
		.sys = vas_sys_real(),
		.refresh = on_refresh,
		.view = on_view,
	};
	uint64_t count = tap_scaled(1000 * setup->share);
	struct stat status;

	text = mmap(NULL, TEXT_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (setup->object) {
		target.fd = memfd_create("model", MFD_CLOEXEC);
		if (target.fd < 0 || fstat(target.fd, &status) ||
		    ftruncate(target.fd, (off_t)(REGION_MODEL_OBJECT * target.page)))
			tap_bail("no object");
		object_inode = status.st_ino;
	}
	tap_baseline();
	tap_ignore_leaks(TAP_LEAK_VMAS | TAP_LEAK_FDS);
	region_model_run(&target, count, 25.0, tap_seed());
}

int main(void)
{
	tap_plan(sizeof(setups) / sizeof(setups[0]));
	for (size_t i = 0; i < sizeof(setups) / sizeof(setups[0]); i++)
		tap_case(setups[i].name, run, (void *)(uintptr_t)&setups[i], 120);
	return tap_done();
}
