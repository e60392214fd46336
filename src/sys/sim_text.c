/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated kernel's files of /proc: self/maps with its ioctl, and the
 * settings below sys/vm that matter for addresses.
 *
 * Reading maps behaves as Linux's seq_file does: a read first hands out what
 * the last one left over, then fills a buffer of 4 KiB with whole lines, of
 * which the caller gets what fits. The position is an address, so a mapping
 * that appears behind it is not seen, and one that grows below it begins
 * before the end of the line before: text is a hint, here as there.
 *
 * Concurrency: the caller holds the simulator's lock.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/text.h"
#include "sys/definitions.h"
#include "sys/sim_vma.h"

#define TEXT_SIZE 4096
#define VSYSCALL_LINE                                                                              \
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"

struct vas_sim_file {
	bool used;
	bool maps; /* else its text was made when it was opened */
	bool vsyscall_done;
	uint64_t next_address;
	size_t pending_at, pending; /* what is left in text, and where it begins */
	char text[TEXT_SIZE];
};

size_t vas_sim_file_size(void)
{
	return sizeof(struct vas_sim_file);
}

static struct vas_sim_file *text_file(struct vas_sys_sim *sim, int fd)
{
	int index = fd - VAS_SIM_FILE_FIRST;

	if (index < 0 || index >= VAS_SIM_FILES || !sim->files[index].used)
		return NULL;
	return &sim->files[index];
}

/* A small file that holds one number, if path is one. */
static bool text_setting(const struct vas_sys_sim *sim, const char *path, uint64_t *value)
{
	if (!strcmp(path, "/proc/sys/vm/mmap_min_addr"))
		*value = sim->config.refused_below;
	else if (!strcmp(path, "/proc/sys/vm/max_map_count"))
		*value = sim->config.max_map_count;
	else if (!strcmp(path, "/proc/sys/vm/overcommit_memory"))
		*value = 0;
	else
		return false;
	return true;
}

int64_t vas_sim_open(struct vas_sys_sim *sim, const char *path)
{
	bool maps = !strcmp(path, "/proc/self/maps") || !strcmp(path, "/proc/thread-self/maps");
	struct vas_sim_file *file = NULL;
	struct vas_text text;
	uint64_t value = 0;
	int index = 0;

	if (sim->config.no_proc || (!maps && !text_setting(sim, path, &value)))
		return -ENOENT;
	while (index < VAS_SIM_FILES && sim->files[index].used)
		index++;
	if (index == VAS_SIM_FILES)
		return -EMFILE;
	file = &sim->files[index];
	memset(file, 0, sizeof(*file));
	file->used = true;
	file->maps = maps;
	if (!maps) {
		vas_text_init(&text, file->text, sizeof(file->text));
		vas_text_add_decimal(&text, value);
		vas_text_add(&text, "\n");
		file->pending = text.length;
	}
	return VAS_SIM_FILE_FIRST + index;
}

int64_t vas_sim_close(struct vas_sys_sim *sim, int fd)
{
	struct vas_sim_file *file = text_file(sim, fd);

	if (!file)
		return -EBADF;
	file->used = false;
	return 0;
}

/* The name that maps shows; NULL = none. Writes into buffer when it must be put together. */
static const char *text_name(const struct vas_sys_sim *sim, const struct vas_sim_mapping *mapping,
			     char *buffer, size_t size)
{
	struct vas_text text;

	vas_text_init(&text, buffer, size);
	if (mapping->fd >= 0 || (mapping->flags & VAS_SIM_SPECIAL))
		return mapping->name ? mapping->name : "/simulated";
	if (mapping->object)
		return "/dev/zero (deleted)";
	if (sim->brk_start && mapping->start <= sim->brk && mapping->end >= sim->brk_start)
		return "[heap]";
	if (sim->stack_start && mapping->start <= sim->stack_start &&
	    mapping->end >= sim->stack_start)
		return "[stack]";
	if (!mapping->name)
		return NULL;
	vas_text_add(&text, "[anon:");
	vas_text_add(&text, mapping->name);
	vas_text_add(&text, "]");
	return buffer;
}

static uint64_t text_inode(const struct vas_sys_sim *sim, const struct vas_sim_mapping *mapping)
{
	const struct vas_sim_object *object = vas_sim_object_seen(sim, mapping);

	if (object)
		return object->inode;
	if (mapping->fd >= 0)
		return 1 + (uint64_t)mapping->fd;
	return mapping->object ? 1000000 + mapping->object : 0;
}

static void text_line(const struct vas_sys_sim *sim, const struct vas_sim_mapping *mapping,
		      struct vas_text *text)
{
	char buffer[VAS_SIM_NAME_SIZE + 16];
	const char *name = text_name(sim, mapping, buffer, sizeof(buffer));
	char access[] = { mapping->prot & PROT_READ ? 'r' : '-',
			  mapping->prot & PROT_WRITE ? 'w' : '-',
			  mapping->prot & PROT_EXEC ? 'x' : '-',
			  mapping->flags & MAP_SHARED ? 's' : 'p' };

	vas_text_add_hex(text, mapping->start, 8);
	vas_text_add(text, "-");
	vas_text_add_hex(text, mapping->end, 8);
	vas_text_add(text, " ");
	vas_text_add_bytes(text, access, sizeof(access));
	vas_text_add(text, " ");
	vas_text_add_hex(text, vas_sim_is_anonymous(mapping) ? 0 : mapping->offset, 8);
	vas_text_add(text, text_inode(sim, mapping) ? " 00:01 " : " 00:00 ");
	vas_text_add_decimal(text, text_inode(sim, mapping));
	vas_text_add(text, " ");
	/* Names begin in column 73. */
	while (name && text->length < 73)
		vas_text_add(text, " ");
	vas_text_add(text, name ? name : "");
	vas_text_add(text, "\n");
}

/* Writes the next line of maps into text; false at the end. Moves the file on only when told to. */
static bool text_next(const struct vas_sys_sim *sim, const struct vas_sim_file *file,
		      struct vas_text *text, uint64_t *next_address)
{
	size_t index = vas_sim_find(sim, file->next_address);

	if (index < sim->count) {
		text_line(sim, &sim->mappings[index], text);
		*next_address = sim->mappings[index].end;
		return true;
	}
	if (file->vsyscall_done || sim->config.empty || sim->window_end != sim->task_size)
		return false;
	vas_text_add(text, VSYSCALL_LINE);
	*next_address = UINT64_MAX;
	return true;
}

/* Fills the file's buffer with whole lines, stopping once it holds enough for wanted bytes. */
static void text_fill(const struct vas_sys_sim *sim, struct vas_sim_file *file, uint64_t wanted)
{
	char line[512];
	struct vas_text text;
	uint64_t next_address;

	file->pending = 0;
	file->pending_at = 0;
	while (file->pending == 0 || file->pending < wanted) {
		vas_text_init(&text, line, sizeof(line));
		if (!text_next(sim, file, &text, &next_address) ||
		    file->pending + text.length >= TEXT_SIZE)
			return;
		memcpy(file->text + file->pending, line, text.length);
		file->pending += text.length;
		file->vsyscall_done = next_address == UINT64_MAX;
		file->next_address = next_address;
	}
}

static size_t text_hand_out(struct vas_sim_file *file, char *buffer, uint64_t size)
{
	size_t count = file->pending < size ? file->pending : (size_t)size;

	memcpy(buffer, file->text + file->pending_at, count);
	file->pending_at += count;
	file->pending -= count;
	return count;
}

int64_t vas_sim_read(struct vas_sys_sim *sim, int fd, void *buffer, uint64_t size)
{
	struct vas_sim_file *file = text_file(sim, fd);
	size_t count;

	if (!file)
		return -EBADF;
	if (size == 0)
		return 0;
	count = text_hand_out(file, buffer, size);
	if (file->pending || !file->maps)
		return (int64_t)count;
	text_fill(sim, file, size - count);
	return (int64_t)(count + text_hand_out(file, (char *)buffer + count, size - count));
}

int64_t vas_sim_seek(struct vas_sys_sim *sim, int fd, uint64_t offset)
{
	struct vas_sim_file *file = text_file(sim, fd);

	if (!file)
		return -EBADF;
	if (offset != 0)
		return -EINVAL;
	if (file->maps) {
		file->next_address = 0;
		file->vsyscall_done = false;
		file->pending = 0;
	} else {
		file->pending += file->pending_at;
	}
	file->pending_at = 0;
	return 0;
}

int64_t vas_sim_query(struct vas_sys_sim *sim, int fd, uint64_t address, uint32_t flags,
		      struct vas_sys_query *result)
{
	struct vas_sim_file *file = text_file(sim, fd);
	const struct vas_sim_mapping *mapping;
	char buffer[VAS_SIM_NAME_SIZE + 16];
	const char *name;
	size_t index, length;

	if (!file)
		return -EBADF;
	if (!file->maps || sim->config.no_query)
		return -ENOTTY;
	index = vas_sim_find(sim, address);
	if (index == sim->count ||
	    (!(flags & VAS_QUERY_COVERING_OR_NEXT) && sim->mappings[index].start > address))
		return -ENOENT;
	mapping = &sim->mappings[index];
	name = text_name(sim, mapping, buffer, sizeof(buffer));
	length = name ? strlen(name) + 1 : 0;
	if (result->name && length > result->name_size)
		return -ENAMETOOLONG;
	if (result->name && name)
		memcpy(result->name, name, length);
	result->name_size = result->name ? (uint32_t)length : 0;
	result->start = mapping->start;
	result->end = mapping->end;
	result->offset = vas_sim_is_anonymous(mapping) ? 0 : mapping->offset;
	result->inode = text_inode(sim, mapping);
	result->device_major = 0;
	result->device_minor = result->inode ? 1 : 0;
	result->prot = mapping->prot;
	result->shared = (mapping->flags & MAP_SHARED) ? 1 : 0;
	return 0;
}
