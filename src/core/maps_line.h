/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The grammar of one line of /proc/PID/maps:
 *
 *	start-end perms offset major:minor inode[spaces name]
 *
 * Strict: anything else is refused and nothing of it is trusted. The kernel
 * writes newline and backslash... in names as \012 and so on; they are
 * unescaped into the caller's buffer only when there is one. "[...]" names are
 * classified, " (deleted)" is cut off and flagged.
 */
#ifndef VAS_CORE_MAPS_LINE_H
#define VAS_CORE_MAPS_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include <vaspace/layout.h>

/*
 * Parses the line [line, line + length) without its newline. On success
 * mapping->name points into the line or into scratch (scratch_size bytes, at
 * least length + 1; the name is NUL-terminated there when it had to be unescaped or
 * cut; otherwise the byte at line[length] must be writable: it becomes NUL).
 */
bool vas_maps_line_parse(char *line, size_t length, struct vas_mapping *mapping);
/* Fills flags from name (kernel names, deleted) for results of PROCMAP_QUERY too. */
void vas_maps_name_classify(struct vas_mapping *mapping, char *name, size_t length);

#endif
