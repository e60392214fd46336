/* SPDX-License-Identifier: BSD-2-Clause */
/* One-line messages on standard error, and the exit status they lead to. */
#ifndef VASMAP_MESSAGE_H
#define VASMAP_MESSAGE_H

/* The exit status, as of grep and diff: the larger one wins. */
enum map_status {
	MAP_STATUS_YES = 0, /* yes; complete */
	MAP_STATUS_NO = 1, /* no such room, nothing is mapped there, or partial */
	MAP_STATUS_FAILED = 2 /* usage or failure */
};

/* Writes "vasmap: ", the text and a newline; control bytes in it are escaped. */
void map_message(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The name of a negative errno, such as "EACCES"; never NULL. */
const char *map_error_name(int error);

#endif
