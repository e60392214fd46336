/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads /proc/self/maps line by line through one static buffer, with system
 * calls only, so that reading changes nothing in the address space that is
 * being read.
 */
#include "support/differential_maps.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t hex(const char **at)
{
	uint64_t value = 0;

	for (;; ++*at) {
		char c = **at;

		if (c >= '0' && c <= '9')
			value = value * 16 + (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value * 16 + (uint64_t)(c - 'a') + 10;
		else
			return value;
	}
}

static void parse(const char *at, struct maps_entry *entry)
{
	const char *name;

	entry->start = hex(&at);
	at++;
	entry->end = hex(&at);
	at++;
	entry->prot = (at[0] == 'r' ? PROT_READ : 0u) | (at[1] == 'w' ? PROT_WRITE : 0u) |
		      (at[2] == 'x' ? PROT_EXEC : 0u);
	entry->shared = at[3] == 's';
	at += 5;
	entry->offset = hex(&at);
	name = strchr(at, '[');
	entry->stack = name && !strncmp(name, "[stack]", 7);
	entry->kernel = name && (entry->stack || !strncmp(name, "[v", 2));
}

bool maps_each(uint64_t end, bool (*show)(const struct maps_entry *entry, void *context),
	       void *context)
{
	static char buffer[1 << 14];
	struct maps_entry entry = { .start = 0 };
	size_t have = 0;
	ssize_t got = 1;
	bool going = true;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	while (going && got > 0) {
		char *line = buffer, *newline;

		got = read(fd, buffer + have, sizeof(buffer) - have);
		have += got > 0 ? (size_t)got : 0;
		while (going && (newline = memchr(line, '\n', have - (size_t)(line - buffer)))) {
			*newline = 0;
			parse(line, &entry);
			going = entry.start < end && show(&entry, context);
			line = newline + 1;
		}
		have -= (size_t)(line - buffer);
		memmove(buffer, line, have);
	}
	close(fd);
	return got >= 0;
}
