/*
 * docs/configuration.md holds a row for each option of the table, word for word. After a change of the table, run this
 * program with --print and put its rows where they belong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/config.h"
#include "core/config_draft.h"
#include "core/config_options.h"
#include "core/config_unit.h"

static void print_choices(struct bytes *row, const struct config_choice *choice)
{
	for (const char *between = ""; choice->name != NULL; choice++, between = ", ")
		assert_true(bytes_printf(row, "%s`%s`%s", between, choice->name,
			choice->later ? " (not in this version)" : ""));
}

static void print_range(struct bytes *row, const struct config_option *option)
{
	char least[CONFIG_UNIT_TEXT_SIZE], most[CONFIG_UNIT_TEXT_SIZE];

	if (option->type == CONFIG_NUMBER)
		assert_true(bytes_printf(row, "%" PRIu64 " to %" PRIu64, option->min, option->max));
	else if (option->type == CONFIG_SIZE)
		assert_true(bytes_printf(row, "%s to %s", config_format_size(option->min, least),
			config_format_size(option->max, most)));
	else if (option->type == CONFIG_DURATION)
		assert_true(bytes_printf(row, "%s to %s",
			config_format_duration((int64_t)option->min, least),
			config_format_duration((int64_t)option->max, most)));
	else if (option->type == CONFIG_CHOICE || option->type == CONFIG_CHOICES)
		print_choices(row, option->choices);
}

/* "| `name` | type | default | range | meaning |", NUL-terminated. */
static void print_row(struct bytes *row, const struct config_option *option)
{
	bytes_clear(row);
	assert_true(
		bytes_printf(row, "| `%s` | %s | ", option->name, config_type_name(option->type)));
	if (option->initial != NULL)
		assert_true(bytes_printf(row, "`%s`", option->initial));
	else if (option->required)
		assert_true(bytes_append_text(row, "must be given"));
	assert_true(bytes_append_text(row, " | "));
	print_range(row, option);
	assert_true(bytes_printf(row, " | %s |\n", option->meaning));
	assert_true(bytes_append(row, "", 1));
}

static char *read_reference(void)
{
	FILE *file = fopen(SLUICE_SOURCE "/docs/configuration.md", "r");
	struct bytes text = {0};
	char block[4096];
	size_t size;

	assert_non_null(file);
	while ((size = fread(block, 1, sizeof(block), file)) > 0)
		assert_true(bytes_append(&text, block, size));
	fclose(file);
	assert_true(bytes_append(&text, "", 1));
	return (char *)text.data;
}

/* The part of the text under a section's heading; sections that come later share one. */
static char *part_of(const char *text, const struct config_section_kind *kind)
{
	char heading[64] = "\n## Outside of sections\n";
	const char *begin, *end;

	if (kind->later)
		snprintf(heading, sizeof(heading), "\n## Not in this version\n");
	else if (kind->name[0] != '\0')
		snprintf(heading, sizeof(heading), "\n## `%s", kind->name);
	begin = strstr(text, heading);
	if (begin == NULL) {
		fail_msg("no heading \"%s\"", heading);
		return NULL;
	}
	end = strstr(begin + 1, "\n## ");
	return end != NULL ? strndup(begin, (size_t)(end - begin)) : strdup(begin);
}

static void reference_has_every_option_in_its_section(void **state)
{
	char *text = read_reference();
	struct bytes row = {0};

	(void)state;
	for (size_t i = 0; i < CONFIG_SECTION_COUNT; i++) {
		const struct config_section_kind *kind = &config_section_kinds[i];
		char *part = part_of(text, kind);

		for (size_t j = 0; j < kind->option_count; j++) {
			print_row(&row, &kind->options[j]);
			if (strstr(part, (const char *)row.data) == NULL)
				fail_msg(
					"section %s lacks: %s", kind->name, (const char *)row.data);
		}
		free(part);
	}
	bytes_fini(&row);
	free(text);
}

static void table_is_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < CONFIG_SECTION_COUNT; i++) {
		const struct config_section_kind *kind = &config_section_kinds[i];

		assert_non_null(kind->name);
		assert_in_range(kind->option_count, 1, CONFIG_SECTION_OPTIONS_MAX);
		assert_true(kind->max > 0);
		for (size_t j = 0; j < kind->option_count; j++) {
			const struct config_option *option = &kind->options[j];

			assert_int_equal(
				config_option_find((enum config_section)i, option->name), j);
			assert_true(option->meaning != NULL && option->meaning[0] != '\0');
			assert_true(!kind->later || option->type == CONFIG_LATER);
			assert_true(
				(option->type != CONFIG_CHOICE && option->type != CONFIG_CHOICES) ||
				option->choices != NULL);
			assert_true(option->min <= option->max);
		}
	}
}

static void packaged_sample_passes(void **state)
{
	struct reason reason = {.text = ""};
	struct config *config;

	(void)state;
	if (config_load(SLUICE_SOURCE "/admin/sluice.conf", &config, &reason) < 0)
		fail_msg("%s", reason.text);
	assert_int_equal(config->listener_count, 1);
	config_close(&config);
}

static int print_all(void)
{
	struct bytes row = {0};

	for (size_t i = 0; i < CONFIG_SECTION_COUNT; i++) {
		printf("\n## `%s\n\n", config_section_kinds[i].name);
		for (size_t j = 0; j < config_section_kinds[i].option_count; j++) {
			print_row(&row, &config_section_kinds[i].options[j]);
			fputs((const char *)row.data, stdout);
		}
	}
	bytes_fini(&row);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reference_has_every_option_in_its_section),
		cmocka_unit_test(table_is_sound),
		cmocka_unit_test(packaged_sample_passes),
	};

	if (argc == 2 && strcmp(argv[1], "--print") == 0)
		return print_all();
	return cmocka_run_group_tests_name("core/config_reference", tests, NULL, NULL);
}
