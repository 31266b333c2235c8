#include "queue/permits.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "core/log.h"
#include "queue/permit_index.h"

#define CHUNK_BYTES ((size_t)64 << 10)
#define LOAD_STEP   256 /* records that one look into the store reads */

/* Memory of the whole table, freed at once. */
struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(max_align_t) char bytes[];
};

struct permits {
	_Atomic unsigned
		references; /* release when one goes, acquire by who frees: all reading is over */
	struct chunk *chunks;
	const struct grant **grants; /* by name */
	size_t grant_count, suspension_count, suspended_grant_count;
	uint64_t suspended_digest;
	struct text_index certificates, accounts, suspended_accounts;
	struct network_index networks, suspended_networks;
};

size_t permits_grant_count(const struct permits *permits)
{
	return permits->grant_count;
}

size_t permits_suspension_count(const struct permits *permits)
{
	return permits->suspension_count;
}

size_t permits_suspended_count(const struct permits *permits)
{
	return permits->suspension_count + permits->suspended_grant_count;
}

uint64_t permits_suspended_digest(const struct permits *permits)
{
	return permits->suspended_digest;
}

struct permits *permits_share(struct permits *permits)
{
	atomic_fetch_add_explicit(&permits->references, 1, memory_order_relaxed);
	return permits;
}

void permits_close(struct permits **permits)
{
	struct permits *old = permits != NULL ? *permits : NULL;
	struct chunk *chunk;

	if (old == NULL)
		return;
	*permits = NULL;
	if (atomic_fetch_sub_explicit(&old->references, 1, memory_order_acq_rel) > 1)
		return;
	text_index_fini(&old->certificates);
	text_index_fini(&old->accounts);
	text_index_fini(&old->suspended_accounts);
	network_index_fini(&old->networks);
	network_index_fini(&old->suspended_networks);
	free((void *)old->grants);
	while ((chunk = old->chunks) != NULL) {
		old->chunks = chunk->next;
		free(chunk);
	}
	free(old);
}

/* ---- building ---- */

struct builder {
	struct permits *permits;
	/* arrays of rows */
	struct bytes grants, certificates, accounts, networks;
	struct bytes suspended_accounts, suspended_networks;
	uint32_t order;
};

static void *take_memory(struct permits *permits, size_t size)
{
	struct chunk *chunk = permits->chunks;
	size_t align = _Alignof(max_align_t);

	size = (size + align - 1) / align * align;
	if (chunk == NULL || chunk->size - chunk->used < size) {
		size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;

		chunk = malloc(sizeof(*chunk) + room);
		if (chunk == NULL)
			return NULL;
		*chunk = (struct chunk){.next = permits->chunks, .size = room};
		permits->chunks = chunk;
	}
	chunk->used += size;
	return chunk->bytes + chunk->used - size;
}

static bool builder_init(struct builder *builder)
{
	*builder = (struct builder){.permits = calloc(1, sizeof(*builder->permits))};
	if (builder->permits == NULL)
		return false;
	atomic_init(&builder->permits->references, 1);
	return true;
}

static void builder_fini(struct builder *builder)
{
	bytes_fini(&builder->grants);
	bytes_fini(&builder->certificates);
	bytes_fini(&builder->accounts);
	bytes_fini(&builder->networks);
	bytes_fini(&builder->suspended_accounts);
	bytes_fini(&builder->suspended_networks);
	permits_close(&builder->permits);
}

static bool add_text_rows(struct builder *builder, struct bytes *rows,
	const struct grant_texts *texts, const void *item)
{
	for (size_t i = 0; i < texts->count; i++) {
		const struct text_row row = {texts->items[i], item, builder->order};

		if (!bytes_append(rows, &row, sizeof(row)))
			return false;
	}
	return true;
}

/* What is no network was not in the record when it was checked: it gives nobody a permission. */
static bool add_network_rows(
	struct builder *builder, const struct grant_texts *texts, const struct grant *grant)
{
	for (size_t i = 0; i < texts->count; i++) {
		struct network_row row = {.order = builder->order, .item = grant};

		if (network_parse(texts->items[i], &row.network, NULL) == 0 &&
			!bytes_append(&builder->networks, &row, sizeof(row)))
			return false;
	}
	return true;
}

static void note_suspended(
	struct permits *permits, const char *who, uint64_t since_unix_ms, bool purges)
{
	permits->suspended_digest ^=
		XXH3_64bits_withSeed(who, strlen(who), since_unix_ms << 1 | purges);
}

static bool add_grant(struct builder *builder, const struct grant *grant)
{
	void *block = take_memory(builder->permits, grant_packed_size(grant));
	const struct grant *packed;

	if (block == NULL)
		return false;
	packed = grant_pack(grant, block);
	if (packed->state == GRANT_SUSPENDED) {
		builder->permits->suspended_grant_count++;
		note_suspended(
			builder->permits, packed->name, packed->state_unix_ms, packed->purges);
	}
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	if (!bytes_append(&builder->grants, &packed, sizeof(packed)))
		return false;
	return packed->state == GRANT_REQUESTED ||
	       (add_text_rows(builder, &builder->certificates, &packed->certificates, packed) &&
		       add_text_rows(builder, &builder->accounts, &packed->accounts, packed) &&
		       add_network_rows(builder, &packed->networks, packed));
}

static bool add_suspension(struct builder *builder, const struct suspension *suspension)
{
	struct suspension *packed = take_memory(builder->permits, sizeof(*packed));
	struct network_row network_row = {.order = builder->order, .item = packed};
	struct text_row text_row = {.order = builder->order, .item = packed};

	if (packed == NULL)
		return false;
	*packed = *suspension;
	builder->permits->suspension_count++;
	note_suspended(builder->permits, packed->who, packed->since_unix_ms, packed->purges);
	if (packed->kind == SUSPENDS_ACCOUNT) {
		text_row.text = suspension_account(packed);
		return bytes_append(&builder->suspended_accounts, &text_row, sizeof(text_row));
	}
	network_row.network = packed->network;
	return bytes_append(&builder->suspended_networks, &network_row, sizeof(network_row));
}

static bool index_texts(struct text_index *index, struct bytes *rows)
{
	return text_index_init(
		index, (struct text_row *)(void *)rows->data, rows->size / sizeof(struct text_row));
}

static bool index_networks(struct network_index *index, struct bytes *rows)
{
	return network_index_init(index, (struct network_row *)(void *)rows->data,
		rows->size / sizeof(struct network_row));
}

/* NULL without memory. Grants were added by name. */
static struct permits *finish(struct builder *builder)
{
	struct permits *permits = builder->permits;

	permits->grants = (const struct grant **)(void *)builder->grants.data;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	permits->grant_count = builder->grants.size / sizeof(*permits->grants);
	builder->grants = (struct bytes){0};
	if (!index_texts(&permits->certificates, &builder->certificates) ||
		!index_texts(&permits->accounts, &builder->accounts) ||
		!index_texts(&permits->suspended_accounts, &builder->suspended_accounts) ||
		!index_networks(&permits->networks, &builder->networks) ||
		!index_networks(&permits->suspended_networks, &builder->suspended_networks))
		return NULL;
	builder->permits = NULL;
	return permits;
}

static int compare_grants(const void *a, const void *b)
{
	const struct grant *const *one = a, *const *other = b;

	return strcmp((*one)->name, (*other)->name);
}

static int compare_suspensions(const void *a, const void *b)
{
	const struct suspension *const *one = a, *const *other = b;

	return strcmp((*one)->who, (*other)->who);
}

static bool add_all(struct builder *builder, struct grant **grants, size_t grant_count,
	struct suspension **suspensions, size_t suspension_count)
{
	bool done = true;

	for (size_t i = 0; i < grant_count && done; i++, builder->order++)
		done = add_grant(builder, grants[i]);
	for (size_t i = 0; i < suspension_count && done; i++, builder->order++)
		done = add_suspension(builder, suspensions[i]);
	return done;
}

struct permits *permits_build(struct grant **grants, size_t grant_count,
	struct suspension **suspensions, size_t suspension_count)
{
	struct permits *permits = NULL;
	struct builder builder;

	/* NOLINTBEGIN(bugprone-sizeof-expression): arrays of pointers */
	if (grant_count > 0)
		qsort(grants, grant_count, sizeof(*grants), compare_grants);
	if (suspension_count > 0)
		qsort(suspensions, suspension_count, sizeof(*suspensions), compare_suspensions);
	/* NOLINTEND(bugprone-sizeof-expression) */
	if (builder_init(&builder) &&
		add_all(&builder, grants, grant_count, suspensions, suspension_count))
		permits = finish(&builder);
	builder_fini(&builder);
	for (size_t i = 0; i < grant_count; i++)
		grant_close(&grants[i]);
	for (size_t i = 0; i < suspension_count; i++)
		suspension_close(&suspensions[i]);
	return permits;
}

/* ---- loading ---- */

static int add_item(
	struct builder *builder, enum registry_kind kind, const struct registry_item *item)
{
	struct suspension *suspension = NULL;
	struct grant *grant = NULL;
	bool added = false;
	int rc;

	if (kind == REGISTRY_GRANT) {
		rc = grant_decode(item->name, item->revision, item->record, item->size, &grant);
		added = rc == 0 && add_grant(builder, grant);
		grant_close(&grant);
	} else {
		rc = suspension_decode(
			item->name, item->revision, item->record, item->size, &suspension);
		added = rc == 0 && add_suspension(builder, suspension);
		suspension_close(&suspension);
	}
	builder->order++;
	if (rc == -EBADMSG) {
		struct log_quoted quoted;

		log_event(LOG_ERROR, "registry_damaged",
			"name=\"%s\" hint=\"this record is passed over; set it again\"",
			log_text(&quoted, item->name));
		return 0;
	}
	return added ? 0 : -ENOMEM;
}

static int load_kind(struct store_view *view, enum registry_kind kind, struct builder *builder,
	struct registry_item *items)
{
	char after[REGISTRY_NAME_SIZE] = "";
	ssize_t count;
	int rc = 0;

	do {
		count = store_view_registry(view, kind, after, items, LOAD_STEP);
		if (count < 0)
			return (int)count;
		if (count > 0)
			memcpy(after, items[count - 1].name, sizeof(after));
		for (ssize_t i = 0; i < count; i++) {
			if (rc == 0)
				rc = add_item(builder, kind, &items[i]);
			registry_item_fini(&items[i]);
		}
	} while (count > 0 && rc == 0);
	return rc;
}

int permits_load(struct store_view *view, struct permits **out)
{
	struct registry_item *items = calloc(LOAD_STEP, sizeof(*items));
	struct builder builder = {0};
	int rc = items != NULL && builder_init(&builder) ? 0 : -ENOMEM;

	if (rc == 0)
		rc = load_kind(view, REGISTRY_GRANT, &builder, items);
	if (rc == 0)
		rc = load_kind(view, REGISTRY_SUSPENSION, &builder, items);
	if (rc == 0) {
		*out = finish(&builder);
		rc = *out != NULL ? 0 : -ENOMEM;
	}
	builder_fini(&builder);
	free(items);
	return rc;
}

/* ---- finding ---- */

static struct permit_group group_of(struct permit_items items, enum permit_level level)
{
	return (struct permit_group){(const struct grant *const *)items.items, items.count, level};
}

struct permit_group permits_find(const struct permits *permits, const struct permit_client *client)
{
	struct permit_items items = {0};

	if (client->certificate != NULL)
		items = text_index_find(&permits->certificates, client->certificate);
	if (items.count > 0)
		return group_of(items, PERMIT_BY_CERTIFICATE);
	if (client->account != NULL)
		items = text_index_find(&permits->accounts, client->account);
	if (items.count > 0)
		return group_of(items, PERMIT_BY_ACCOUNT);
	return group_of(network_index_find(&permits->networks, client->peer), PERMIT_BY_NETWORK);
}

const struct suspension *permits_suspension(
	const struct permits *permits, const struct permit_client *client)
{
	struct permit_items items = {0};

	if (client->account != NULL)
		items = text_index_find(&permits->suspended_accounts, client->account);
	if (items.count == 0)
		items = network_index_find(&permits->suspended_networks, client->peer);
	return items.count > 0 ? items.items[0] : NULL;
}

const struct grant *permits_grant(const struct permits *permits, const char *name)
{
	size_t low = 0, high = permits->grant_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int rc = strcmp(permits->grants[middle]->name, name);

		if (rc == 0)
			return permits->grants[middle];
		if (rc < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* ---- choosing ---- */

/* The order of permits.h; what stands first counts first. */
struct rank {
	enum { RANK_NONE, RANK_ENDED, RANK_SENDER, RANK_ENDED_ALLOWS, RANK_YES } kind;
	unsigned exact; /* of the pattern; RANK_SENDER: that it is rewritten */
	uint64_t ended_unix_ms;
};

/* How exactly the grant allows the path; 0: it does not. */
static unsigned allows(const struct grant *grant, const char *path, bool is_ours)
{
	const char *pattern;

	if (path == NULL || path[0] == '\0')
		return 1;
	if (grant->senders.count == 0)
		return !is_ours;
	pattern = grant_find_pattern(&grant->senders, path);
	return pattern != NULL ? grant_pattern_match(pattern, path) : 0;
}

static struct rank rank_of(const struct grant *grant, enum grant_life life, unsigned exact)
{
	if (life == GRANT_LIFE_APPROVED || life == GRANT_LIFE_EXPIRING)
		return exact > 0 ? (struct rank){.kind = RANK_YES, .exact = exact}
				 : (struct rank){.kind = RANK_SENDER,
					   .exact = grant->spoof == GRANT_REWRITE};
	return (struct rank){
		.kind = exact > 0 ? RANK_ENDED_ALLOWS : RANK_ENDED,
		.exact = exact,
		.ended_unix_ms =
			life == GRANT_LIFE_LAPSED ? grant->expires_unix_ms : grant->state_unix_ms,
	};
}

static bool is_better(const struct rank *a, const struct rank *b)
{
	if (a->kind != b->kind)
		return a->kind > b->kind;
	if (a->exact != b->exact)
		return a->exact > b->exact;
	return a->ended_unix_ms > b->ended_unix_ms;
}

static enum permit_answer answer_of(const struct rank *rank, enum grant_life life)
{
	if (rank->kind == RANK_YES)
		return PERMIT_YES;
	if (rank->kind == RANK_SENDER)
		return PERMIT_SENDER;
	return life == GRANT_LIFE_LAPSED      ? PERMIT_LAPSED
	       : life == GRANT_LIFE_SUSPENDED ? PERMIT_SUSPENDED
					      : PERMIT_REVOKED;
}

struct permit_choice permits_choose(const struct permit_group *group, const char *reverse_path,
	bool is_ours, uint64_t now_unix_ms)
{
	struct permit_choice choice = {.answer = PERMIT_NONE};
	struct rank best = {.kind = RANK_NONE};

	for (size_t i = 0; i < group->count; i++) {
		const struct grant *grant = group->grants[i];
		enum grant_life life = grant_life(grant, now_unix_ms);
		struct rank rank = rank_of(grant, life, allows(grant, reverse_path, is_ours));

		if (is_better(&rank, &best)) {
			best = rank;
			choice.grant = grant;
			choice.answer = answer_of(&rank, life);
		}
	}
	if (choice.grant != NULL && reverse_path != NULL && reverse_path[0] != '\0')
		choice.pattern = grant_find_pattern(&choice.grant->senders, reverse_path);
	return choice;
}
