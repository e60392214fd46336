/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: msan valgrind */
/* budget: 2 */
/* The tests of t_block_record.c, when most memory lies too far from the first one to be numbered from there. */
#define VAS_BLOCK_RECORD_NEAR (UINT64_C(64) << 10)

#include "t_block_record.c"

#include "core/block_record.c"
