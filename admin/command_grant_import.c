/*
 * The way of an import:
 *   1. All files are read, and what they hold is checked, by the relay too, without storing anything (dry_run).
 *   2. With any problem all of them are named, by file and line, and nothing is imported. Of Postfix's files the rest is.
 *   3. All files are read again, and the grants go to the relay, a page after the other; each page is stored whole or not at all.
 */
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "admin/command.h"
#include "admin/grant_file.h"
#include "admin/printable.h"

#define PAGE_LIMIT   5000 /* as many as the relay takes: after each page it builds its table anew */
#define PAGE_BYTES   (6u << 20)
#define GRANTS_MAX   100000
#define PROBLEMS_MAX 1000 /* that are named */

struct place {
	size_t file, line;
};

struct problem {
	struct place at;
	char *text;
};

/* A name that was read, and where. */
struct known {
	struct place at;
	char name[];
};

struct import {
	struct invocation *invocation;
	struct bytes *files;
	bool is_check; /* the first reading */
	size_t file; /* that is being read */
	json_t *page;
	struct place places[PAGE_LIMIT]; /* of the page's grants */
	size_t page_bytes;
	void *names; /* a tree of struct known */
	uint64_t grants, imported, replaced, unchanged;
	struct problem *problems;
	size_t problem_count, untranslated;
};

/* ---- problems ---- */

static int add_problem(struct import *import, struct place at, const char *name, const char *text)
{
	struct problem *grown;
	char *whole;

	if (import->problem_count++ >= PROBLEMS_MAX)
		return 0;
	grown = reallocarray(import->problems, import->problem_count, sizeof(*grown));
	if (grown == NULL)
		return EX_OSERR;
	import->problems = grown;
	if (asprintf(&whole, "%s%s%s", name, name[0] != '\0' ? ": " : "", text) < 0)
		return EX_OSERR;
	grown[import->problem_count - 1] = (struct problem){at, whole};
	return 0;
}

static size_t kept_problems(const struct import *import)
{
	return import->problem_count < PROBLEMS_MAX ? import->problem_count : PROBLEMS_MAX;
}

static int compare_problems(const void *a, const void *b)
{
	const struct problem *one = a, *other = b;

	if (one->at.file != other->at.file)
		return one->at.file < other->at.file ? -1 : 1;
	if (one->at.line != other->at.line)
		return one->at.line < other->at.line ? -1 : 1;
	return strcmp(one->text, other->text);
}

static void print_problems(struct import *import)
{
	size_t count = kept_problems(import);

	if (count > 1)
		qsort(import->problems, count, sizeof(*import->problems), compare_problems);
	for (size_t i = 0; i < count; i++) {
		const struct problem *problem = &import->problems[i];

		printable_print(stderr, import->invocation->arguments[problem->at.file]);
		fprintf(stderr, ":%zu: ", problem->at.line);
		printable_print(stderr, problem->text);
		fputc('\n', stderr);
	}
	if (import->problem_count > count)
		fprintf(stderr, "… and %zu more\n", import->problem_count - count);
}

/* ---- names ---- */

static int compare_names(const void *a, const void *b)
{
	const struct known *one = a, *other = b;

	return strcmp(one->name, other->name);
}

/* Notes a name. Returns where it was read before, which is `at` for a new one; NULL without memory. */
static const struct known *note_name(struct import *import, struct place at, const char *name)
{
	size_t size = strlen(name) + 1;
	struct known *known = malloc(sizeof(*known) + size), **found;

	if (known == NULL)
		return NULL;
	known->at = at;
	memcpy(known->name, name, size);
	found = tsearch(known, &import->names, compare_names);
	if (found == NULL || *found != known)
		free(known);
	return found != NULL ? *found : NULL;
}

/* ---- pages ---- */

/* What the relay found wrong with the page. */
static int take_problems(struct import *import, const json_t *answer)
{
	const json_t *problem;
	int code = 0;
	size_t i;

	json_array_foreach(json_object_get(answer, "problems"), i, problem)
	{
		uint64_t index = member_number(problem, "index");

		if (code == 0 && index < PAGE_LIMIT)
			code = add_problem(import, import->places[index],
				member_text(problem, "name"), member_text(problem, "problem"));
	}
	return code;
}

static int send_page(struct import *import)
{
	/* What --json shows is the relay's answer to what counts. */
	struct invocation quiet = *import->invocation;
	const struct parameter parameters[] = {
		{"dry_run", import->is_check ? "1" : NULL},
		{"replace", import->invocation->replace ? "1" : NULL},
		{"reason", import->invocation->reason},
	};
	json_t *body = json_pack("{s:O}", "grants", import->page), *answer = NULL;
	struct bytes path = {0};
	int code = EX_OSERR;

	quiet.json = quiet.json && import->is_check == quiet.dry_run;
	if (body != NULL && command_make_path(&path, "/v1/grants/import", parameters,
				    sizeof(parameters) / sizeof(parameters[0])))
		code = command_send(&quiet, "POST", (const char *)path.data, body, &answer);
	if (code == 0) {
		import->imported += member_number(answer, "imported");
		import->replaced += member_number(answer, "replaced");
		import->unchanged += member_number(answer, "unchanged");
		code = take_problems(import, answer);
	}
	json_decref(answer);
	json_decref(body);
	bytes_fini(&path);
	json_array_clear(import->page);
	import->page_bytes = 0;
	return code;
}

static int take(void *owner, size_t line, json_t *grant)
{
	struct import *import = owner;
	const char *name = member_text(grant, "name");
	struct place at = {import->file, line};
	const struct known *known;
	char twice[64];
	size_t size;

	known = note_name(import, at, name);
	if (known == NULL) {
		json_decref(grant);
		return EX_OSERR;
	}
	if (name[0] != '\0' && (known->at.file != at.file || known->at.line != at.line)) {
		int code = 0;

		snprintf(twice, sizeof(twice), "it is there twice, first in line %zu",
			known->at.line);
		if (!import->invocation->postfix) /* a network may stand in many places */
			code = add_problem(import, at, name, twice);
		json_decref(grant);
		return code;
	}
	size = json_dumpb(grant, NULL, 0, JSON_COMPACT);
	if (++import->grants > GRANTS_MAX) {
		json_decref(grant);
		fprintf(stderr, "sluice: there are over %d grants; divide the list\n", GRANTS_MAX);
		return EX_DATAERR;
	}
	if (json_array_size(import->page) == PAGE_LIMIT ||
		(import->page_bytes > 0 && import->page_bytes + size > PAGE_BYTES)) {
		int code = send_page(import);

		if (code != 0) {
			json_decref(grant);
			return code;
		}
	}
	import->places[json_array_size(import->page)] = at;
	import->page_bytes += size;
	return json_array_append_new(import->page, grant) == 0 ? 0 : EX_OSERR;
}

static int refuse(void *owner, size_t line, const char *name, const char *problem)
{
	struct import *import = owner;

	if (!import->is_check)
		return 0;
	import->untranslated += import->invocation->postfix;
	return add_problem(import, (struct place){import->file, line}, name, problem);
}

/* ---- readings ---- */

static int read_files(struct import *import)
{
	const struct grant_file_reader reader = {import, take, refuse};
	const struct invocation *invocation = import->invocation;
	int code = 0;

	import->grants = import->imported = import->replaced = import->unchanged = 0;
	for (size_t i = 0; code == 0 && i < invocation->argument_count; i++) {
		const char *text = (const char *)import->files[i].data;
		size_t size = import->files[i].size;

		import->file = i;
		if (invocation->postfix)
			code = grant_file_read_postfix(
				invocation->arguments[i], text, size, &reader);
		else
			code = grant_file_read(text, size, &reader);
	}
	if (code == 0 && json_array_size(import->page) > 0)
		code = send_page(import);
	tdestroy(import->names, free);
	import->names = NULL;
	return code;
}

static void print_result(const struct import *import)
{
	const struct invocation *invocation = import->invocation;
	const char *would = invocation->dry_run ? "would be " : "";
	char imported[PRINTABLE_NUMBER_SIZE], other[PRINTABLE_NUMBER_SIZE];

	if (invocation->json)
		return;
	printf("%s grant%s %simported", printable_number(import->imported, imported),
		import->imported == 1 ? "" : "s", would);
	if (import->replaced > 0)
		printf(", %s %sreplaced", printable_number(import->replaced, other), would);
	if (import->unchanged > 0)
		printf(", %s unchanged", printable_number(import->unchanged, other));
	puts(".");
	if (invocation->postfix && import->imported > 0)
		puts("They are approved for the usual term, for any sender, and their owners are "
		     "unknown: "
		     "sluice grant\nlist --owner unknown shows them. Name owners and senders with "
		     "sluice grant change.");
}

/* The second reading, where the first found nothing that is in its way. */
static int store(struct import *import)
{
	size_t others = import->problem_count - import->untranslated;
	int code = 0;

	if (others > 0) {
		fprintf(stderr, "sluice: nothing was imported: %zu problem%s\n",
			import->problem_count, import->problem_count == 1 ? "" : "s");
		return EX_DATAERR;
	}
	if (!import->invocation->dry_run) {
		import->is_check = false;
		code = read_files(import);
	}
	if (code != 0 && import->imported + import->replaced > 0)
		fprintf(stderr,
			"sluice: it was broken off: %lu grants were imported; import again with "
			"--replace\n",
			(unsigned long)(import->imported + import->replaced));
	if (code == 0)
		print_result(import);
	if (code == 0 && import->untranslated > 0) {
		fprintf(stderr, "sluice: %zu entr%s could not be taken over, see above\n",
			import->untranslated, import->untranslated == 1 ? "y" : "ies");
		return EX_DATAERR;
	}
	return code;
}

static int load_files(struct import *import)
{
	const struct invocation *invocation = import->invocation;
	struct reason reason;
	int code = 0;

	import->files = calloc(invocation->argument_count, sizeof(*import->files));
	import->page = json_array();
	if (import->files == NULL || import->page == NULL)
		return EX_OSERR;
	for (size_t i = 0; code == 0 && i < invocation->argument_count; i++)
		code = grant_file_load(invocation->arguments[i], &import->files[i], &reason);
	if (code != 0)
		fprintf(stderr, "sluice: %s\n", reason.text);
	return code;
}

int command_grant_import(struct invocation *invocation)
{
	struct import import = {.invocation = invocation, .is_check = true};
	int code;

	if (invocation->argument_count == 0)
		return command_misused(invocation, "say which file; - is standard input");
	code = load_files(&import);
	if (code == 0)
		code = read_files(&import);
	print_problems(&import);
	if (code == 0)
		code = store(&import);
	for (size_t i = 0; i < kept_problems(&import); i++)
		free(import.problems[i].text);
	free(import.problems);
	for (size_t i = 0; import.files != NULL && i < invocation->argument_count; i++)
		bytes_fini(&import.files[i]);
	free(import.files);
	json_decref(import.page);
	return code;
}
