/* SPDX-License-Identifier: BSD-2-Clause */
/* One row of a listing, as text and as JSON. */
#ifndef VASMAP_ROW_H
#define VASMAP_ROW_H

#include "fold.h"
#include "json.h"
#include "out.h"

/* The line of column names. */
void map_row_titles(struct map_out *out);
void map_row_print(struct map_out *out, const struct map_row *row);
void map_row_json(struct map_json *json, const char *key, const struct map_row *row);

#endif
