/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The grammar of one line of /proc/PID/maps:
 *
 *	start-end perms offset major:minor inode[spaces name]
 *
 * Strict: anything else is refused and nothing of it is trusted. In names the
 * kernel writes a newline as \012 and every other byte, a backslash too, as it is; names
 * are unescaped in place. "[...]" names are classified, " (deleted)" is cut off
 * and flagged.
 */
#ifndef VAS_CORE_MAPS_LINE_H
#define VAS_CORE_MAPS_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include <vaspace/layout.h>

/*
 * Parses the line [line, line + length) without its newline. line[length] must
 * be writable (where the newline was): it becomes NUL, on failure too.
 * On success mapping->name points into the line and is NUL-terminated; on
 * failure *mapping is untouched.
 */
bool vas_maps_line_parse(char *line, size_t length, struct vas_mapping *mapping);
/*
 * Sets name and name_length, and adds to flags what name, inode and device tell
 * (filled before; SHARED is the caller's), for results of PROCMAP_QUERY too, whose
 * names have no escapes. name[length] must be writable: it becomes NUL.
 */
void vas_maps_name_classify(struct vas_mapping *mapping, char *name, size_t length);

#endif
