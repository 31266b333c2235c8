/* All grants as CSV; with --json the pages of the relay's answer, which import takes too. */
#include <stdio.h>
#include <sysexits.h>

#include "admin/command.h"
#include "admin/csv.h"
#include "admin/listing.h"

static bool add_header(struct bytes *out)
{
	bool done = csv_write_cell(out, true, "name");

	for (size_t i = 0; i < GRANT_FIELD_COUNT; i++)
		done = done && csv_write_cell(out, false, grant_fields[i].name);
	return done && csv_write_end(out);
}

static bool add_row(struct bytes *out, const json_t *grant)
{
	bool done = csv_write_cell(out, true, member_text(grant, "name"));
	struct bytes cell = {0};

	for (size_t i = 0; done && i < GRANT_FIELD_COUNT; i++) {
		const json_t *value = json_object_get(grant, grant_fields[i].name);

		bytes_clear(&cell);
		done = grant_field_format(&grant_fields[i], value, &cell) &&
		       bytes_append(&cell, "", 1) &&
		       csv_write_cell(out, false, (const char *)cell.data);
	}
	bytes_fini(&cell);
	return done && csv_write_end(out);
}

static int export_page(struct invocation *invocation, const json_t *grants, void *owner)
{
	bool *titled = owner;
	struct bytes out = {0};
	bool done = *titled || add_header(&out);
	const json_t *grant;
	size_t i;

	if (!invocation->json) {
		json_array_foreach(grants, i, grant) done = done && add_row(&out, grant);
		if (done)
			fwrite(out.data, 1, out.size, stdout);
	}
	*titled = true;
	bytes_fini(&out);
	if (!done)
		return EX_OSERR;
	return ferror(stdout) ? EX_IOERR : 0;
}

int command_grant_export(struct invocation *invocation)
{
	const struct listing listing = {.route = "/v1/grants/export", .member = "grants"};
	bool titled = false;
	uint64_t count;

	return listing_walk(invocation, &listing, export_page, &titled, &count);
}
