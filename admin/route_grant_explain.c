/*
 * GET /v1/grants/explain: which grant decides for a client and a sender, and why the others do not.
 *
 * The rules are those of permits.h: a table is made of the grants that name this client, and is asked as a worker asks. What
 * each of the others lacks is then said in words. What becomes of its mail depends on the listener too; that is asked of those who
 * answer there (queue/judgement.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/grant_desk.h"
#include "admin/grant_field.h"
#include "admin/routes.h"
#include "queue/permits.h"

#define ROWS_STEP      64
#define CANDIDATES_MAX 1000
#define WHY_SIZE       512
#define LEVEL_NONE     (PERMIT_BY_NETWORK + 1)

/* A grant that names the client. */
struct candidate {
	struct grant *grant;
	unsigned level; /* the most exact by which it does: enum permit_level */
	const char *match; /* the network, account or certificate */
	unsigned prefix_bits; /* of a network */
};

struct explanation {
	struct service *service;
	const char *from, *account, *certificate;
	struct address peer;
	bool is_ours;
	uint64_t now_unix_ms;
	struct candidate *candidates;
	size_t count;
	struct suspension **suspensions;
	size_t suspension_count;
	struct permits *permits;
	struct permit_choice choice;
	const struct candidate *decides; /* NULL: none */
};

static const char *const levels[] = {
	[PERMIT_BY_CERTIFICATE] = "certificate",
	[PERMIT_BY_ACCOUNT] = "account",
	[PERMIT_BY_NETWORK] = "network",
};

/* ---- who names the client ---- */

static const char *find_text(const struct grant_texts *texts, const char *wanted)
{
	for (size_t i = 0; wanted != NULL && i < texts->count; i++) {
		if (strcmp(texts->items[i], wanted) == 0)
			return texts->items[i];
	}
	return NULL;
}

static const char *find_network(
	const struct grant_texts *texts, const struct address *peer, unsigned *prefix_bits)
{
	const char *found = NULL;

	for (size_t i = 0; i < texts->count; i++) {
		struct network network;

		if (network_parse(texts->items[i], &network, NULL) == 0 &&
			network_has(&network, peer) &&
			(found == NULL || network.prefix_bits > *prefix_bits)) {
			*prefix_bits = network.prefix_bits;
			found = texts->items[i];
		}
	}
	return found;
}

static bool is_candidate(
	const struct explanation *explanation, const struct grant *grant, struct candidate *out)
{
	*out = (struct candidate){.level = PERMIT_BY_CERTIFICATE};
	out->match = find_text(&grant->certificates, explanation->certificate);
	if (out->match == NULL) {
		out->level = PERMIT_BY_ACCOUNT;
		out->match = find_text(&grant->accounts, explanation->account);
	}
	if (out->match == NULL) {
		out->level = PERMIT_BY_NETWORK;
		out->match = find_network(&grant->networks, &explanation->peer, &out->prefix_bits);
	}
	return out->match != NULL;
}

static int look_at_grant(struct explanation *explanation, const struct registry_item *item)
{
	struct grant *grant = NULL;
	struct candidate candidate;
	int rc = grant_decode(item->name, item->revision, item->record, item->size, &grant);

	if (rc == 0 && explanation->count < CANDIDATES_MAX &&
		is_candidate(explanation, grant, &candidate)) {
		candidate.grant = grant;
		explanation->candidates[explanation->count++] = candidate;
		return 0;
	}
	grant_close(&grant);
	return rc == -EBADMSG ? 0 : rc;
}

static int look_at_suspension(struct explanation *explanation, const struct registry_item *item)
{
	struct suspension *suspension = NULL;
	int rc = suspension_decode(
		item->name, item->revision, item->record, item->size, &suspension);
	bool is_his =
		rc == 0 && (suspension->kind == SUSPENDS_ACCOUNT
					   ? explanation->account != NULL &&
						     strcmp(suspension_account(suspension),
							     explanation->account) == 0
					   : network_has(&suspension->network, &explanation->peer));

	if (is_his && explanation->suspension_count < CANDIDATES_MAX) {
		explanation->suspensions[explanation->suspension_count++] = suspension;
		return 0;
	}
	suspension_close(&suspension);
	return rc == -EBADMSG ? 0 : rc;
}

typedef int look_fn(struct explanation *explanation, const struct registry_item *item);

static int look_at_all(struct explanation *explanation, enum registry_kind kind, look_fn *look)
{
	struct registry_item items[ROWS_STEP];
	char after[REGISTRY_NAME_SIZE] = "";
	ssize_t count = ROWS_STEP;
	int rc = 0;

	while (rc == 0 && count == ROWS_STEP) {
		count = store_view_registry(
			explanation->service->view, kind, after, items, ROWS_STEP);
		if (count < 0)
			return (int)count;
		for (ssize_t i = 0; i < count; i++) {
			if (rc == 0)
				rc = look(explanation, &items[i]);
			memcpy(after, items[i].name, sizeof(after));
			registry_item_fini(&items[i]);
		}
	}
	return rc;
}

/* ---- who decides ---- */

static int decide(struct explanation *explanation)
{
	const struct permit_client client = {
		&explanation->peer, explanation->account, explanation->certificate};
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	struct grant **grants = calloc(explanation->count + 1, sizeof(*grants));
	struct permit_group group;
	bool copied = grants != NULL;

	for (size_t i = 0; copied && i < explanation->count; i++) {
		grants[i] = grant_copy(explanation->candidates[i].grant);
		copied = grants[i] != NULL;
	}
	if (copied) {
		explanation->permits = permits_build(grants, explanation->count,
			explanation->suspensions, explanation->suspension_count);
		explanation->suspension_count = 0; /* the table's */
	} else if (grants != NULL) {
		for (size_t i = 0; i < explanation->count; i++)
			grant_close(&grants[i]);
	}
	free(grants);
	if (explanation->permits == NULL)
		return -ENOMEM;
	group = permits_find(explanation->permits, &client);
	explanation->choice = permits_choose(
		&group, explanation->from, explanation->is_ours, explanation->now_unix_ms);
	for (size_t i = 0; i < explanation->count; i++) {
		if (explanation->choice.grant != NULL &&
			strcmp(explanation->choice.grant->name,
				explanation->candidates[i].grant->name) == 0)
			explanation->decides = &explanation->candidates[i];
	}
	return 0;
}

/* ---- why ---- */

static bool has_sender(const struct explanation *explanation)
{
	return explanation->from != NULL && explanation->from[0] != '\0';
}

/* What it says of the sender, as "allows x@example.edu by *@example.edu". */
static void say_sender(
	const struct explanation *explanation, const struct grant *grant, char *out, size_t size)
{
	const char *pattern = has_sender(explanation)
				      ? grant_find_pattern(&grant->senders, explanation->from)
				      : NULL;

	if (!has_sender(explanation))
		snprintf(out, size, "allows it to send");
	else if (pattern != NULL)
		snprintf(out, size, "allows %s by its sender %s", explanation->from, pattern);
	else if (grant->senders.count == 0)
		snprintf(out, size,
			explanation->is_ours
				? "names no senders, and so does not allow our own domains (%s)"
				: "names no senders, and so allows %s, which is not in our domains",
			explanation->from);
	else
		snprintf(out, size, "does not allow %s", explanation->from);
}

static void say_life(
	const struct explanation *explanation, const struct grant *grant, char *out, size_t size)
{
	enum grant_life life = grant_life(grant, explanation->now_unix_ms);
	char time[CLOCK_RFC3339_SIZE];

	if (life == GRANT_LIFE_LAPSED)
		snprintf(out, size, "lapsed on %.10s",
			clock_format_rfc3339(grant->expires_unix_ms, time));
	else if (life == GRANT_LIFE_SUSPENDED || life == GRANT_LIFE_REVOKED)
		snprintf(out, size, "was %s on %.10s: %s", grant_life_name(life),
			clock_format_rfc3339(grant->state_unix_ms, time), grant->reason);
	else
		say_sender(explanation, grant, out, size);
}

/* Why it decides, or what the one that does has before it. */
static void say_why(
	const struct explanation *explanation, const struct candidate *candidate, char *out)
{
	const struct candidate *other = explanation->decides;
	char said[WHY_SIZE / 2];

	say_life(explanation, candidate->grant, said, sizeof(said));
	if (candidate->grant->state == GRANT_REQUESTED)
		snprintf(out, WHY_SIZE,
			"it is only requested, and does nothing until it is approved");
	else if (candidate == other)
		snprintf(out, WHY_SIZE, "no grant names the client more exactly, and it %s", said);
	else if (other != NULL && candidate->level != other->level)
		snprintf(out, WHY_SIZE, "%s %s is more exact than its %s %s", levels[other->level],
			other->match, levels[candidate->level], candidate->match);
	else if (other != NULL && candidate->prefix_bits != other->prefix_bits)
		snprintf(out, WHY_SIZE, "its network %s is wider than %s", candidate->match,
			other->match);
	else
		snprintf(out, WHY_SIZE,
			"it names the client as exactly, but %s; what %s says counts first", said,
			other != NULL ? other->grant->name : "another");
}

/* ---- the answer ---- */

static const char *const answers[] = {
	[PERMIT_NONE] = "none",
	[PERMIT_YES] = "yes",
	[PERMIT_SENDER] = "sender",
	[PERMIT_LAPSED] = "lapsed",
	[PERMIT_SUSPENDED] = "suspended",
	[PERMIT_REVOKED] = "revoked",
};

static void write_candidate(
	const struct explanation *explanation, const struct candidate *candidate, struct json *json)
{
	const struct grant *grant = candidate->grant;
	char why[WHY_SIZE];

	say_why(explanation, candidate, why);
	json_open_object(json, NULL);
	json_write_text(json, "name", grant->name);
	json_write_text(json, "life", grant_life_name(grant_life(grant, explanation->now_unix_ms)));
	json_write_text(json, "level", levels[candidate->level]);
	json_write_text(json, "match", candidate->match);
	json_write_text(json, "pattern",
		has_sender(explanation) ? grant_find_pattern(&grant->senders, explanation->from)
					: NULL);
	json_write_bool(json, "decides", candidate == explanation->decides);
	json_write_text(json, "why", why);
	json_close(json);
}

static void write_suspension(struct json *json, const struct suspension *suspension)
{
	if (suspension == NULL) {
		json_write_null(json, "suspension");
		return;
	}
	json_open_object(json, "suspension");
	json_write_text(json, "who", suspension->who);
	json_write_text(json, "reason", suspension->reason);
	json_write_text(json, "by", suspension->by);
	json_write_time(json, "since", suspension->since_unix_ms);
	json_close(json);
}

/* Its names are those of the option `relay`. */
static void write_ways(struct json *json, unsigned ways)
{
	static const struct {
		enum relay_way way;
		const char *name;
	} names[] = {{RELAY_NETWORK, "network"}, {RELAY_GRANT, "grant"}, {RELAY_AUTH, "auth"}};

	json_open_list(json, "ways");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((ways & names[i].way) != 0)
			json_write_text(json, NULL, names[i].name);
	}
	json_close(json);
}

/* What a session would say there. */
static void write_listener(const struct explanation *explanation,
	const struct config_listener *listener, struct json *json)
{
	static const char *const kinds[] = {
		[JUDGEMENT_TAKEN] = "taken",
		[JUDGEMENT_HELD] = "held",
		[JUDGEMENT_LOGIN] = "login",
		[JUDGEMENT_REFUSED] = "refused",
	};
	const struct judgement_case asked = {
		.config = explanation->service->config,
		.listener = listener,
		.permits = explanation->permits,
		.client = {&explanation->peer, explanation->account, explanation->certificate},
		.reverse_path = has_sender(explanation) ? explanation->from : "",
		.now_unix_ms = explanation->now_unix_ms,
	};
	struct judgement judgement;

	explanation->service->judge(&asked, &judgement);
	json_open_object(json, NULL);
	json_write_text(json, "listener", listener->name);
	json_write_text(json, "answer", kinds[judgement.kind]);
	write_ways(json, judgement.ways);
	json_write_text(json, "sender", judgement.sender);
	json_write_text(json, "text", judgement.text[0] != '\0' ? judgement.text : NULL);
	json_close(json);
}

static void write_listeners(const struct explanation *explanation, struct json *json)
{
	const struct config *config = explanation->service->config;

	json_open_list(json, "listeners");
	for (size_t i = 0; explanation->service->judge != NULL && i < config->listener_count; i++)
		write_listener(explanation, &config->listeners[i], json);
	json_close(json);
}

static void answer_explanation(const struct explanation *explanation, struct answer *answer)
{
	const struct permit_client client = {
		&explanation->peer, explanation->account, explanation->certificate};
	const struct candidate *decides = explanation->decides;
	char peer[ADDRESS_TEXT_SIZE];
	struct json json;

	answer_begin_json(answer, 200, &json);
	json_open_object(&json, NULL);
	json_write_text(&json, "client", address_format_host(&explanation->peer, peer));
	json_write_text(&json, "from", explanation->from);
	json_write_text(&json, "account", explanation->account);
	json_write_bool(&json, "ours", explanation->is_ours);
	json_write_text(&json, "answer", answers[explanation->choice.answer]);
	json_write_text(&json, "grant", decides != NULL ? decides->grant->name : NULL);
	json_write_text(&json, "level", decides != NULL ? levels[decides->level] : NULL);
	json_write_text(&json, "match", decides != NULL ? decides->match : NULL);
	json_write_text(&json, "pattern", explanation->choice.pattern);
	write_suspension(&json, permits_suspension(explanation->permits, &client));
	write_listeners(explanation, &json);
	json_open_list(&json, "candidates");
	if (decides != NULL)
		write_candidate(explanation, decides, &json);
	for (size_t i = 0; i < explanation->count; i++) {
		if (&explanation->candidates[i] != decides)
			write_candidate(explanation, &explanation->candidates[i], &json);
	}
	json_close(&json);
	json_close(&json);
	answer_end_json(answer, &json);
}

static void explain(struct explanation *explanation, struct answer *answer)
{
	int rc = -ENOMEM;

	explanation->candidates = calloc(CANDIDATES_MAX, sizeof(*explanation->candidates));
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	explanation->suspensions = calloc(CANDIDATES_MAX, sizeof(*explanation->suspensions));
	if (explanation->candidates != NULL && explanation->suspensions != NULL)
		rc = look_at_all(explanation, REGISTRY_GRANT, look_at_grant);
	if (rc == 0)
		rc = look_at_all(explanation, REGISTRY_SUSPENSION, look_at_suspension);
	if (rc == 0)
		rc = decide(explanation);
	if (rc < 0)
		answer_store_error(answer, rc);
	else
		answer_explanation(explanation, answer);
	for (size_t i = 0; i < explanation->count; i++)
		grant_close(&explanation->candidates[i].grant);
	for (size_t i = 0; i < explanation->suspension_count; i++)
		suspension_close(&explanation->suspensions[i]);
	free(explanation->candidates);
	free(explanation->suspensions);
	permits_close(&explanation->permits);
}

void route_grant_explain(
	struct service *service, const struct request *request, struct answer *answer)
{
	const char *client = request_parameter(request, "client");
	const char *certificate = request_parameter(request, "certificate");
	char plain[GRANT_CERTIFICATE_SIZE];
	struct explanation explanation = {
		.service = service,
		.from = request_parameter(request, "from"),
		.account = request_parameter(request, "account"),
		.certificate =
			certificate != NULL ? grant_certificate_plain(certificate, plain) : NULL,
		.now_unix_ms = clock_unix_ms(service->clock),
	};

	if (explanation.from != NULL && strcmp(explanation.from, "<>") == 0)
		explanation.from = "";
	explanation.is_ours = explanation.from != NULL && service->is_ours != NULL &&
			      service->is_ours(service->config, explanation.from);
	if (client == NULL || address_parse(client, &explanation.peer) < 0)
		answer_error(answer, 400, "client=%.100s: expected an IP address.",
			client != NULL ? client : "");
	else
		explain(&explanation, answer);
}
