/* The ledger: who hands over, how much, and with which quirks. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/client_json.h"
#include "admin/routes.h"
#include "admin/service.h"

#define LIMIT      100
#define LIMIT_MAX  1000
#define ROWS_STEP  64
#define ROWS_MAX   4096 /* that one request looks at */
#define PAGE_BYTES (1u << 20)

struct page {
	size_t limit;
	unsigned quirk; /* 0: any client */
	char after[LEDGER_ADDRESS_SIZE]; /* the last that was looked at */
	size_t written, looked;
	bool at_end;
	struct json json;
};

/* By its number, or by a word of its name: who types "brackets" is told which numbers that may be. */
static void refuse_quirk(const char *text, struct answer *answer)
{
	char near[256] = "";
	size_t used = 0;

	for (unsigned number = 1; number < QUIRK_COUNT; number++) {
		const struct quirk_row *row = quirk_row(number);

		if (row == NULL || text[0] == '\0' || strcasestr(row->name, text) == NULL ||
			used + 16 + strlen(row->name) > sizeof(near))
			continue;
		used += (size_t)snprintf(near + used, sizeof(near) - used, "%s Q-%02u (%s)",
			used > 0 ? "," : " Is it", number, row->name);
	}
	answer_error(answer, 400,
		"quirk=%.100s: expected a number from Q-01 to Q-%u of docs/quirks.md, as Q-33.%s%s",
		text, QUIRK_COUNT - 1, near, used > 0 ? "?" : "");
}

static int parse_quirk(const char *text, struct page *page, struct answer *answer)
{
	const char *at = text;
	unsigned long number;
	char *end;

	if (text == NULL)
		return 0;
	at += *at == 'Q' || *at == 'q';
	at += at > text && *at == '-';
	number = strtoul(at, &end, 10);
	if (*at >= '0' && *at <= '9' && *end == '\0' && number < QUIRK_COUNT &&
		quirk_row((unsigned)number) != NULL) {
		page->quirk = (unsigned)number;
		return 0;
	}
	refuse_quirk(text, answer);
	return -1;
}

static int parse_page(const struct request *request, struct page *page, struct answer *answer)
{
	const char *after = request_parameter(request, "after");
	struct reason reason;

	if (after != NULL && strlen(after) >= sizeof(page->after)) {
		answer_error(answer, 400, "after=%.100s: expected the \"next\" of the page before.",
			after);
		return -1;
	}
	snprintf(page->after, sizeof(page->after), "%s", after != NULL ? after : "");
	if (request_limit(request, LIMIT, LIMIT_MAX, &page->limit, &reason) < 0) {
		answer_error(answer, 400, "%s", reason.text);
		return -1;
	}
	return parse_quirk(request_parameter(request, "quirk"), page, answer);
}

static bool is_done(const struct page *page)
{
	return page->at_end || page->written >= page->limit || page->looked >= ROWS_MAX ||
	       page->json.out->size >= PAGE_BYTES;
}

static void write_row(struct page *page, const struct ledger_client *client)
{
	snprintf(page->after, sizeof(page->after), "%s", client->address);
	page->looked++;
	if (page->quirk != 0 && ledger_find_quirk(client, page->quirk) == NULL)
		return;
	client_write(&page->json, NULL, client, false);
	page->written++;
}

static int look_on(struct service *service, struct page *page)
{
	struct ledger_client *rows[ROWS_STEP];
	ssize_t count = store_view_clients(service->view, page->after, rows, ROWS_STEP);

	if (count < 0)
		return (int)count;
	page->at_end = count < ROWS_STEP;
	for (ssize_t i = 0; i < count; i++) {
		if (page->written < page->limit)
			write_row(page, rows[i]);
		else
			page->at_end = false;
		ledger_client_close(&rows[i]);
	}
	return 0;
}

void route_clients(struct service *service, const struct request *request, struct answer *answer)
{
	struct page page = {0};
	int rc = 0;

	if (parse_page(request, &page, answer) < 0)
		return;
	answer_begin_json(answer, 200, &page.json);
	json_open_object(&page.json, NULL);
	json_open_list(&page.json, "clients");
	while (rc == 0 && !is_done(&page))
		rc = look_on(service, &page);
	json_close(&page.json);
	json_write_text(&page.json, "next", page.at_end ? NULL : page.after);
	json_close(&page.json);
	answer_end_json(answer, &page.json);
	if (rc < 0)
		answer_store_error(answer, rc);
}

void route_client(struct service *service, const struct request *request, struct answer *answer)
{
	const char *address = request->segments[0];
	struct ledger_client *client = NULL;
	struct json json;
	int rc = strlen(address) < LEDGER_ADDRESS_SIZE
			 ? store_view_client(service->view, address, &client)
			 : -ENOENT;

	if (rc == -ENOENT) {
		answer_error(answer, 404,
			"There is no client %.100s: it has not connected, or too long ago. sluice "
			"client list (GET /v1/clients) shows those that there are, by their IP "
			"addresses.",
			address);
	} else if (rc == -EBADMSG) {
		answer_error(answer, 500,
			"The record of client %s is damaged; it begins anew with its next session.",
			address);
	} else if (rc < 0) {
		answer_store_error(answer, rc);
	} else {
		answer_begin_json(answer, 200, &json);
		client_write(&json, NULL, client, true);
		answer_end_json(answer, &json);
	}
	ledger_client_close(&client);
}
