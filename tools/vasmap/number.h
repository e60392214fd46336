/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes and addresses as text, both ways. */
#ifndef VASMAP_NUMBER_H
#define VASMAP_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAP_NUMBER_MAX 24 /* bytes that the longest of the texts below needs */

/*
 * A size: decimal bytes, decimal with a binary unit (64K, 2MiB, 1.5G), or 0x and hexadecimal
 * digits. Returns false, with *value untouched, for anything else and beyond 64 bits.
 */
bool map_size_parse(const char *text, uint64_t *value);

/*
 * An address: 0x and hexadecimal digits, twelve or more hexadecimal digits as vasmap prints them, a
 * number with a unit, or 0. Bare decimal digits are refused: they could be meant either way.
 */
bool map_address_parse(const char *text, uint64_t *value);

/* LOW-HIGH, two addresses with LOW < HIGH. */
bool map_range_parse(const char *text, uint64_t *low, uint64_t *high);

/* These write no NUL and return the end of what they wrote. */
char *map_put_decimal(char *at, uint64_t value);
/* Hexadecimal without leading zeros. */
char *map_put_hex(char *at, uint64_t value);
/* Twelve digits, sixteen from 2^48 on: fixed width, so that output sorts. */
char *map_put_address(char *at, uint64_t address);
/* The last four digits of an address. */
char *map_put_hex4(char *at, uint16_t value);
/* With a binary unit and one decimal (716K, 60.7M), or all bytes when exact. */
char *map_put_size(char *at, uint64_t size, bool exact);
/* A power of two, with a unit and no decimal. */
char *map_put_power(char *at, uint64_t power);

/* Moves the text [at, end) to the right until it is width bytes wide. */
char *map_pad_left(char *at, char *end, size_t width);
/* Appends spaces until [at, end) is width bytes wide. */
char *map_pad_right(char *at, char *end, size_t width);

/* map_put_size into a buffer of MAP_NUMBER_MAX, with a NUL; returns the buffer. */
const char *map_size_text(char *buffer, uint64_t size, bool exact);
const char *map_address_text(char *buffer, uint64_t address);

#endif
