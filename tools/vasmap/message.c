/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One-line messages on standard error.
 *
 * A message says what, why and what helps, with the errno by name: names can be searched for,
 * numbers and translated sentences cannot. Messages quote names that others chose, so they are
 * escaped.
 */
#include "message.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "name.h"

void map_message(const char *format, ...)
{
	static const char prefix[] = "vasmap: ";
	char text[1024], line[sizeof(prefix) + 4 * sizeof(text)];
	va_list arguments;
	size_t left;
	char *end;

	va_start(arguments, format);
	if (vsnprintf(text, sizeof(text), format, arguments) < 0)
		text[0] = 0;
	va_end(arguments);
	memcpy(line, prefix, sizeof(prefix) - 1);
	end = line + sizeof(prefix) - 1;
	end = map_put_name(end, text, strlen(text), NULL);
	*end++ = '\n';
	left = (size_t)(end - line);
	for (const char *at = line; left;) {
		ssize_t written = write(STDERR_FILENO, at, left);

		if (written < 0 && errno != EINTR)
			return;
		if (written > 0) {
			at += written;
			left -= (size_t)written;
		}
	}
}

const char *map_error_name(int error)
{
	static const struct {
		int error;
		const char *name;
	} names[] = {
		{ EPERM, "EPERM" },	    { ENOENT, "ENOENT" }, { ESRCH, "ESRCH" },
		{ EINTR, "EINTR" },	    { EIO, "EIO" },	  { ENXIO, "ENXIO" },
		{ E2BIG, "E2BIG" },	    { EBADF, "EBADF" },	  { EAGAIN, "EAGAIN" },
		{ ENOMEM, "ENOMEM" },	    { EACCES, "EACCES" }, { EFAULT, "EFAULT" },
		{ EBUSY, "EBUSY" },	    { EEXIST, "EEXIST" }, { ENODEV, "ENODEV" },
		{ ENOTDIR, "ENOTDIR" },	    { EISDIR, "EISDIR" }, { EINVAL, "EINVAL" },
		{ ENFILE, "ENFILE" },	    { EMFILE, "EMFILE" }, { ENOTTY, "ENOTTY" },
		{ EFBIG, "EFBIG" },	    { ENOSPC, "ENOSPC" }, { EPIPE, "EPIPE" },
		{ EROFS, "EROFS" },	    { ERANGE, "ERANGE" }, { ENAMETOOLONG, "ENAMETOOLONG" },
		{ ENOSYS, "ENOSYS" },	    { ELOOP, "ELOOP" },	  { EBADMSG, "EBADMSG" },
		{ EOVERFLOW, "EOVERFLOW" }, { EDQUOT, "EDQUOT" }, { EOPNOTSUPP, "EOPNOTSUPP" },
		{ ETXTBSY, "ETXTBSY" },	    { ESTALE, "ESTALE" }, { ECONNRESET, "ECONNRESET" },
	};
	static char number[32];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].error == -error)
			return names[i].name;
	snprintf(number, sizeof(number), "errno %d", -error);
	return number;
}
