/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Results as a table for people, or as one JSON object for programs.
 *
 * Each group is compared with its first row; a bound that is missed is said
 * beside its row and counted, but is no failure of the benchmark.
 *
 * Not here: measuring.
 */
#include "output.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

static void machine(char *model, size_t size)
{
	char line[256];
	FILE *file = fopen("/proc/cpuinfo", "re");

	snprintf(model, size, "unknown processor");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		const char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || !colon)
			continue;
		snprintf(model, size, "%s", colon + 2);
		model[strcspn(model, "\n")] = '\0';
		break;
	}
	fclose(file);
}

void output_begin(struct output *output, const char *name, unsigned int rounds)
{
	struct utsname system;
	char model[128];

	machine(model, sizeof(model));
	uname(&system);
	if (output->json) {
		printf("{\"schema\":\"vas.bench/1\",\"benchmark\":\"%s\",\"kernel\":\"%s\","
		       "\"processor\":\"%s\",\"rounds\":%u,\"rows\":[",
		       name, system.release, model, rounds);
		return;
	}
	printf("vasbench %s: Linux %.16s %s, %s\n", name, system.release, system.machine, model);
	printf("medians of %u interleaved rounds; ratio = median of per-round ratios to the first "
	       "row of a group\n",
	       rounds);
}

static bool within(const struct contender *row)
{
	if (row->bound > 0 && row->over > row->slack_ns)
		return false;
	return !(row->bound_ns > 0 && row->ns > row->bound_ns);
}

static void row_json(struct output *output, const char *group, const struct contender *row)
{
	printf("%s\n{\"group\":\"%s\",\"name\":\"%s\",\"ns\":%.1f,\"low\":%.1f,\"high\":%.1f,"
	       "\"ratio\":%.6g,\"bound\":",
	       output->rows ? "," : "", group, row->name, row->ns, row->low, row->high, row->ratio);
	if (row->bound > 0)
		printf("%g", row->bound);
	else
		printf("null");
	printf(",\"slack_ns\":%g,\"bound_ns\":", row->slack_ns);
	if (row->bound_ns > 0)
		printf("%g", row->bound_ns);
	else
		printf("null");
	printf(",\"within\":%s}", within(row) ? "true" : "false");
}

static void row_text(const struct contender *row)
{
	printf("  %-44s %12.1f ns  %9.4g", row->name, row->ns, row->ratio);
	if (row->bound > 0 && row->slack_ns > 0)
		printf("  at most %g and %g ns: %s", row->bound, row->slack_ns,
		       within(row) ? "yes" : "NO");
	else if (row->bound > 0)
		printf("  at most %g: %s", row->bound, within(row) ? "yes" : "NO");
	if (row->bound_ns > 0)
		printf("  at most %g ns: %s", row->bound_ns, within(row) ? "yes" : "NO");
	printf("\n");
}

void output_group(struct output *output, const char *group, const struct contender *contenders,
		  unsigned int count)
{
	if (!output->json)
		printf("%s\n", group);
	for (unsigned int i = 0; i < count; i++) {
		if (output->json)
			row_json(output, group, &contenders[i]);
		else
			row_text(&contenders[i]);
		output->rows++;
		output->missed += !within(&contenders[i]);
	}
	fflush(stdout);
}

void output_figure(struct output *output, const char *group, const struct figure *figure)
{
	bool right = !figure->at_most || figure->value <= figure->at_most;

	right = right && (!figure->at_least || figure->value >= figure->at_least);
	if (output->json) {
		printf("%s\n{\"group\":\"%s\",\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\","
		       "\"within\":%s}",
		       output->rows ? "," : "", group, figure->name, figure->value, figure->unit,
		       right ? "true" : "false");
	} else {
		printf("  %-44s %12.4g %s", figure->name, figure->value, figure->unit);
		if (figure->at_most > 0)
			printf("  at most %g: %s", figure->at_most, right ? "yes" : "NO");
		if (figure->at_least > 0)
			printf("  at least %g: %s", figure->at_least, right ? "yes" : "NO");
		printf("\n");
	}
	output->rows++;
	output->missed += !right;
	fflush(stdout);
}

void output_title(struct output *output, const char *group)
{
	if (!output->json)
		printf("%s\n", group);
}

void output_note(struct output *output, const char *format, ...)
{
	va_list arguments;

	if (output->json)
		return;
	va_start(arguments, format);
	printf("  ");
	vprintf(format, arguments);
	printf("\n");
	va_end(arguments);
	fflush(stdout);
}

void output_end(struct output *output)
{
	if (output->json)
		printf("\n],\"missed\":%u}\n", output->missed);
	else
		printf("%u rows, %u beyond their bound\n", output->rows, output->missed);
}
