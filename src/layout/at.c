/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One address: the mapping that covers it or follows it.
 *
 * What for: "what is here?" for this process or another one, at the cost of one
 * query where the kernel has PROCMAP_QUERY, else of a reading up to there.
 *
 * Strategy: the descriptor is opened for this one question. A name that does
 * not fit the caller's buffer makes the kernel refuse the whole answer; it is
 * then asked again without the name, which is told as clipped.
 *
 * Concurrency: none; the answer was true at one moment.
 */
#include "layout/search.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/text.h"
#include "core/maps_line.h"

#define READ_BUFFER 8192

static void fill_mapping(const struct vas_sys_query *query, char *buffer,
			 struct vas_mapping *mapping)
{
	uint32_t flags = query->shared ? VAS_MAPPING_SHARED : 0;
	char empty[1] = { '\0' };

	*mapping = (struct vas_mapping){
		.start = query->start,
		.end = query->end,
		.offset = query->offset,
		.inode = query->inode,
		.device_major = query->device_major,
		.device_minor = query->device_minor,
		.prot = query->prot,
		.flags = flags,
	};
	if (query->name && query->name_size > 0)
		vas_maps_name_classify(mapping, buffer, query->name_size - 1);
	else
		vas_maps_name_classify(mapping, empty, 0);
	if (mapping->name == empty)
		mapping->name = "";
}

int vas_search_query(struct vas_sys *sys, int fd, uint64_t address, char *buffer,
		     size_t buffer_size, struct vas_mapping *mapping)
{
	struct vas_sys_query query = { .name = buffer_size > 1 ? buffer : NULL };
	bool clipped = false;
	int64_t got;

	query.name_size = query.name ? (uint32_t)(buffer_size < 4096 ? buffer_size : 4096) : 0;
	got = VAS_CALL(sys, query, fd, address, VAS_QUERY_COVERING_OR_NEXT, &query);
	if (got == -ENAMETOOLONG && query.name) {
		clipped = true;
		query = (struct vas_sys_query){ .name = NULL };
		got = VAS_CALL(sys, query, fd, address, VAS_QUERY_COVERING_OR_NEXT, &query);
	}
	if (got < 0)
		return (int)got;
	if (query.end <= address || query.start >= query.end)
		return -EIO;
	fill_mapping(&query, buffer, mapping);
	if (clipped)
		mapping->flags |= VAS_MAPPING_CLIPPED;
	return 0;
}

int vas_search_lines(struct vas_reader *reader, uint64_t address, struct vas_mapping *mapping)
{
	struct vas_mapping found;
	int got;

	do {
		got = vas_reader_next(reader, &found);
	} while (got == 1 && found.end <= address);
	if (got == 0)
		return -ENOENT;
	if (got < 0)
		return got;
	*mapping = found;
	return 0;
}

/* Copies the name out of the reading's buffer, cut to what fits. */
static void keep_name(struct vas_mapping *mapping, char *buffer, size_t buffer_size)
{
	size_t length = mapping->name_length;

	if (buffer_size == 0) {
		mapping->name = "";
		mapping->name_length = 0;
		return;
	}
	if (length > buffer_size - 1) {
		length = buffer_size - 1;
		mapping->flags |= VAS_MAPPING_CLIPPED;
	}
	memcpy(buffer, mapping->name, length);
	buffer[length] = '\0';
	mapping->name = buffer;
	mapping->name_length = (uint32_t)length;
}

int vas_search_at(struct vas_sys *sys, struct vas_probes *probes, int pid, uint64_t address,
		  char *buffer, size_t buffer_size, struct vas_mapping *mapping)
{
	char bytes[READ_BUFFER];
	struct vas_reader reader;
	struct vas_mapping found;
	int err;

	if (!buffer)
		buffer_size = 0;
	err = vas_reader_open_process(&reader, sys, pid, bytes, sizeof(bytes));
	if (err)
		return err;
	err = -ENOTTY;
	if (vas_probe_has(probes, sys, VAS_PROBE_PROCMAP_QUERY))
		err = vas_search_query(sys, reader.fd, address, buffer, buffer_size, &found);
	if (err && err != -ENOENT) {
		err = vas_search_lines(&reader, address, &found);
		if (!err)
			keep_name(&found, buffer, buffer_size);
	}
	vas_reader_close(&reader);
	if (!err)
		*mapping = found;
	return err;
}
